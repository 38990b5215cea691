"""The tokens in use, in memory: checking one costs an export 3 to 5 µs, 1 of them SHA-256's, and no question to the
database.

Every process asks the database every two seconds which tokens are good, so a token that is revoked anywhere is refused
everywhere within seconds. One that was just made is asked for at once. While the database cannot be asked, what was
known last holds; nothing can be stored then anyway.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

from collector.receivers.allowance import Allowance
from collector.receivers.refusal import Code, Refusal
from collector.store.tokens import Token, Use, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REFRESH_S = 2.0
FLUSH_EVERY = 8  # refreshes: how often each token's use is added to the database
ASKS_S = 2  # how often unknown tokens may make us ask the database, ten seconds' worth at once

_logger = logging.getLogger(__name__)


class TokenStore(Protocol):
    """Where tokens are kept; `collector.store.tokens.Tokens` is one."""

    def active(self) -> dict[bytes, Token]: ...

    def add_uses(self, uses: Iterable[Use]) -> None: ...


class Key:
    """A token in use: what it may still send, and what was sent with it."""

    def __init__(self, digest: bytes, token: Token, clock_s: Callable[[], float]) -> None:
        self.digest = digest
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._requests = self._bytes = self._refused = 0
        self._used_ms: int | None = None
        self._set(token)

    def _set(self, token: Token) -> None:
        self.token = token
        now, limits = self._clock_s(), token.limits
        self._request_rate = Allowance(limits.max_requests_s, now) if limits.max_requests_s else None
        self._byte_rate = Allowance(limits.max_bytes_s, now) if limits.max_bytes_s else None

    def renew(self, token: Token) -> None:
        """What the database says now. Limits that stay as they are keep what was spent of them."""
        if token.limits == self.token.limits:
            self.token = token
        else:
            with self._lock:
                self._set(token)

    def enter(self) -> None:
        """One request. Raises Refusal when the token has sent too much."""
        limited = self._request_rate is not None or self._byte_rate is not None
        with self._lock:
            wait_s = self._wait_s() if limited else 0.0
            if not wait_s:
                self._requests += 1
                self._used_ms = time.time_ns() // 1_000_000
                if self._request_rate is not None:
                    self._request_rate.spend(1)
                return
            self._refused += 1
        raise Refusal(
            429,
            "rate_limited",
            f"The token {self.token.name} sends more than it may: {self._allowed()}. Send it again later.",
            code=Code.RESOURCE_EXHAUSTED,
            retry_after_s=wait_s,
        )

    def add(self, size: int) -> None:
        """The bytes of the request, decompressed. A large one makes the next one wait."""
        with self._lock:
            self._bytes += size
            if self._byte_rate is not None:
                self._byte_rate.spend(size)

    def limit(self, max_body: int) -> int:
        """The largest body that the token may send, where `max_body` is everybody's."""
        own = self.token.limits.max_body_bytes
        return max_body if own is None else min(own, max_body)

    def take_use(self) -> Use | None:
        """What was done with it since this was called last."""
        with self._lock:
            if not (self._requests or self._bytes or self._refused):
                return None
            use = Use(self.digest, self._used_ms, self._requests, self._bytes, self._refused)
            self._requests = self._bytes = self._refused = 0
            return use

    def give_back(self, use: Use) -> None:
        """It could not be stored: for the next time."""
        with self._lock:
            self._requests += use.requests
            self._bytes += use.bytes
            self._refused += use.refused

    def _wait_s(self) -> float:
        now = self._clock_s()
        requests = self._request_rate.wait_s(now) if self._request_rate is not None else 0.0
        return max(requests, self._byte_rate.wait_s(now)) if self._byte_rate is not None else requests

    def _allowed(self) -> str:
        limits = self.token.limits
        requests = f"{limits.max_requests_s} requests a second" if limits.max_requests_s else ""
        size = f"{limits.max_bytes_s} bytes a second" if limits.max_bytes_s else ""
        return " and ".join(filter(None, (requests, size)))


class Keyring:
    """Threads may call it at will. `clock_s` is monotonic."""

    def __init__(self, store: TokenStore, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock_s = clock_s
        self._active: dict[bytes, Key] = {}
        self._by_id: dict[str, Key] = {}
        self._known: dict[bytes, Key] = {}  # those revoked since too: what they did last is still to be stored
        self._lock = threading.Lock()
        self._asks = Allowance(ASKS_S, clock_s())
        self._failing = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keyring", daemon=True)

    def start(self) -> None:
        """Raises what the store raises."""
        self._load()
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._flush()

    def find(self, secret: str) -> Key | None:
        """The key of that token; None if there is none or it is revoked. Raises Refusal while that cannot be known."""
        digest = digest_of(secret)
        key = self._active.get(digest)
        if key is None:
            if self._may_ask():
                self.refresh()
            key = self._active.get(digest)
            if key is None and self._failing:
                raise Refusal(
                    503,
                    "store_unavailable",
                    "The database does not answer, so the token cannot be checked. Send it again later.",
                    code=Code.UNAVAILABLE,
                    retry_after_s=5,
                )
        # Finding it took its digest, of which a sender learns nothing; this compares every byte all the same.
        return key if key is not None and hmac.compare_digest(key.digest, digest) else None

    def by_id(self, id: str) -> Key | None:
        """None if it is revoked."""
        return self._by_id.get(id)

    def _may_ask(self) -> bool:
        """Whether strangers have not made us ask too often. One alone does not keep out a token that was just made."""
        with self._lock:
            if self._asks.wait_s(self._clock_s()):
                return False
            self._asks.spend(1)
            return True

    def refresh(self) -> None:
        """Asks the database. What fails is logged."""
        with self._lock:
            try:
                self._load()
            except Exception:
                if not self._failing:  # once, not every two seconds
                    _logger.exception("the tokens cannot be read; those known stay good")
                self._failing = True

    def _load(self) -> None:
        active: dict[bytes, Key] = {}
        for digest, token in self._store.active().items():
            key = self._known.get(digest)
            if key is None:
                key = self._known[digest] = Key(digest, token, self._clock_s)
            else:
                key.renew(token)
            active[digest] = key
        self._active, self._by_id = active, {key.token.id: key for key in active.values()}
        self._failing = False

    def _run(self) -> None:
        rounds = 0
        while not self._ended.wait(REFRESH_S):
            rounds += 1
            self.refresh()
            if rounds % FLUSH_EVERY == 0:
                self._flush()

    def _flush(self) -> None:
        keys = list(self._known.values())
        uses = [(key, use) for key in keys if (use := key.take_use()) is not None]
        try:
            self._store.add_uses([use for _, use in uses])
        except Exception as error:  # noqa: BLE001 - whatever it is, the sums wait for the next time
            _logger.warning("what tokens were used for could not be stored yet: %s", error)
            for key, use in uses:
                key.give_back(use)
