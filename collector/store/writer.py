"""The one thread that writes: it takes all requests that wait and stores them in one commit.

While one commit runs, the next requests gather; so a commit's cost is shared by more requests the busier it gets, and
an idle collector answers after one commit. Whoever hands in a request hears of it when its commit is durable: the 200
that follows means stored.

What a request holds may be read here as well, of all that wait at once: so nobody else wants the interpreter meanwhile,
commits have more requests, and both find their code and data in the processor's caches.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

import sqlalchemy.exc
from sqlalchemy import Engine

from collector.domain.facts import Facts
from collector.domain.limits import DEFAULT_LIMITS, Limits
from collector.domain.prices import PriceTable, default_prices
from collector.store.commit import Seen, write_facts
from collector.store.errors import Overloaded, StoreError, StoreUnavailable
from collector.store.measures import WriterCounts
from collector.store.stitcher import Stitcher
from collector.store.sweep import GRACE_S, Sweeper

MAX_GROUP_BYTES = 16 * 1024 * 1024  # a commit holds the write lock, so it may not grow with the backlog
MAX_GROUP_READ = 1_000  # nor with what comes meanwhile, nothing of which may be fit to be stored
SWEEP_EVERY_S = 10.0  # how late it may be noticed that a deadline has passed; idle, a pass takes half a millisecond
LONGEST_REST_S = 1.0  # between two passes of the stitcher while there is more for it
STITCH_EVERY_S = 0.2  # how far the transactions may lag behind what is stored; each pass is one more commit
TELL_EVERY_S = 5.0  # that commits fail
REST_S = 10.0  # without passes of either after the database failed
RETRY_AFTER_S = 1
DOUBT_S = 30  # then health is ok again until a commit fails: who sends nothing to a sick collector must learn of it

logger = logging.getLogger(__name__)


Settle = Callable[[Exception | None], None]
Read = Callable[[], Facts | None]


class _Request:
    __slots__ = ("begun", "facts", "settle", "size")

    def __init__(self, facts: Facts, size: int, settle: Settle, begun: float) -> None:
        self.facts = facts
        self.size = size
        self.settle = settle
        self.begun = begun


class _Unread(NamedTuple):
    read: Read
    settle: Settle
    begun: float


class Writer:
    """Stores facts, then stitches transactions together. Start it once; `submit` and `hand_in` from any thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        max_queue_bytes: int = 64 * 1024 * 1024,
        prices: PriceTable | None = None,
        limits: Limits = DEFAULT_LIMITS,
        grace_s: float = GRACE_S,
    ) -> None:
        self._engine = engine
        self._max_queue_bytes = max_queue_bytes
        self._prices = prices or default_prices()
        self._limits = limits
        self._stitcher = Stitcher(engine)
        self._sweeper = Sweeper(engine, prices=self._prices, limits=limits, grace_s=grace_s)
        self.counts = WriterCounts()
        self._seen = Seen()
        self._waiting: deque[_Request] = deque()
        self._waiting_bytes = 0
        self._unread: deque[_Unread] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._doubtful_until = 0.0  # monotonic
        self._tell_due = 0.0  # monotonic
        self._stitch_due = 0.0  # monotonic; what an earlier process left in the queue is stitched at once
        self._sweep_due = 0.0
        self._thread = threading.Thread(target=self._run, name="clew-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether requests are taken and, as far as is known, stored: false for a while after a commit failed."""
        return self._takes and time.monotonic() >= self._doubtful_until

    @property
    def running(self) -> bool:
        """Whether the thread that writes is there."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Requests that no commit has taken yet."""
        return len(self._waiting) + len(self._unread)

    @property
    def waiting_bytes(self) -> int:
        return self._waiting_bytes

    def submit(self, facts: Facts, size: int) -> None:
        """As `hand_in`; returns once the facts are durably stored, or raises why they are not."""
        outcome: Future[Exception | None] = Future()
        self.hand_in(facts, size, outcome.set_result)
        if (error := outcome.result()) is not None:
            raise error

    def hand_in(self, facts: Facts, size: int, settle: Settle) -> None:
        """Returns at once. The writer's thread calls `settle` once the facts are durably stored, with None, or with why
        they are not: StoreUnavailable where the database failed (worth a retry), StoreError where these facts cannot be
        stored at all. `size` is what they hold in memory, in bytes.

        Raises Overloaded where more would wait than may, and StoreUnavailable while the writer is stopping.
        """
        request = _Request(facts, size, settle, time.monotonic())
        with self._changed:
            if not self._takes:
                raise StoreUnavailable("The collector is stopping.", RETRY_AFTER_S)
            # One request is always taken, or one larger than the bound could never be.
            if self._waiting and self._waiting_bytes + size > self._max_queue_bytes:
                raise Overloaded(
                    f"{self._waiting_bytes} bytes wait to be stored, and no more than {self._max_queue_bytes} may.",
                    RETRY_AFTER_S,
                )
            self._waiting.append(request)
            self._waiting_bytes += size
            self._changed.notify()

    def hand_over(self, read: Read, settle: Settle) -> None:
        """As `hand_in`, of facts that the writer's thread reads first, which `read` does. Where that gives None there
        is nothing to store, and `settle` is not called. How much may wait unread is the caller's concern.
        """
        with self._changed:
            if not self._takes:
                raise StoreUnavailable("The collector is stopping.", RETRY_AFTER_S)
            self._unread.append(_Unread(read, settle, time.monotonic()))
            self._changed.notify()

    def close(self) -> None:
        """Takes nothing more, stores what waits, stitches it, and returns."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def _takes(self) -> bool:
        return self._thread.is_alive() and not self._closing

    def _run(self) -> None:
        while True:
            group = self._next_group()
            if group:
                self._store(group)
            if time.monotonic() >= self._stitch_due or (self._closing and not self.waiting):
                self._stitch()
            if self._closing and not self.waiting:
                return
            if time.monotonic() >= self._sweep_due:
                self._sweep()

    def _next_group(self) -> list[_Request]:
        """Waits for requests or for the next pass of the stitcher or the sweep; takes all requests that one commit may
        hold."""
        with self._changed:
            while not self._waiting and not self._unread and not self._closing:
                pause = min(self._stitch_due, self._sweep_due) - time.monotonic()
                if pause <= 0 or not self._changed.wait(pause):
                    break
        # Half of the room for either, so that none waits for ever.
        group = self._read_unread(MAX_GROUP_BYTES // 2)
        return group + self._take(MAX_GROUP_BYTES - sum([request.size for request in group]))

    def _read_unread(self, most_bytes: int) -> list[_Request]:
        """At least one, if any is unread and can be read, and hardly more than that many bytes."""
        group: list[_Request] = []
        size = 0
        for _ in range(MAX_GROUP_READ):
            if not self._unread or (group and size >= most_bytes):
                break
            read, settle, begun = self._unread.popleft()
            try:
                facts = read()
            except Exception as error:  # it is the caller's, and others wait too
                logger.exception("an export could not be read")
                _settle(settle, error)
                continue
            if facts is not None:
                group.append(_Request(facts, facts.size, settle, begun))
                size += facts.size
        return group

    def _take(self, most_bytes: float) -> list[_Request]:
        with self._changed:
            return self._take_waiting(most_bytes)

    def _take_waiting(self, most_bytes: float) -> list[_Request]:
        """At least one request, if any waits, and no more than that many bytes."""
        group: list[_Request] = []
        size = 0
        while self._waiting and (not group or size + self._waiting[0].size <= most_bytes):
            request = self._waiting.popleft()
            size += request.size
            group.append(request)
        self._waiting_bytes -= size
        return group

    def _store(self, group: list[_Request]) -> None:
        begun = time.monotonic()
        try:
            self._commit(group)
        except Exception as error:  # noqa: BLE001  # whatever it is, every waiting request must hear of it
            self._settle_failure(group, error)
        else:
            now = time.monotonic()
            self._doubtful_until = 0.0
            counts = self.counts
            counts.commits += 1
            counts.stored_exports += len(group)
            counts.commit_s.add(now - begun)
            for request in group:
                counts.wait_s.add(now - request.begun)
                _settle(request.settle, None)
            # Nothing to do so far, or resting after a failure.
            self._stitch_due = min(self._stitch_due, now + STITCH_EVERY_S)

    def _commit(self, group: list[_Request]) -> None:
        try:
            with self._engine.begin() as connection:
                write_facts(
                    connection,
                    [request.facts for request in group],
                    self._seen,
                    prices=self._prices,
                    limits=self._limits,
                )
        except BaseException:
            self._seen.forget()
            raise
        self._seen.confirm()

    def _settle_failure(self, group: list[_Request], error: Exception) -> None:
        """Where the database is at fault all may try again; where the data is, only the request that holds it fails."""
        settles = [request.settle for request in group]
        if isinstance(error, sqlalchemy.exc.DataError | sqlalchemy.exc.IntegrityError | ValueError | OverflowError):
            if len(group) > 1:
                for request in group:
                    self._store([request])
                return
            logger.error("an export could not be stored: %s", error)
            self.counts.unstorable_exports += 1
            answer: Exception = StoreError("This export cannot be stored; the collector's log has the reason.")
        else:
            self._doubt()
            self._rest()
            # Those that wait would wait for the same: five seconds for each commit that a lock fails, one after the
            # other, until their clients have given up.
            settles += [request.settle for request in self._take(math.inf)]
            while self._unread:
                settles.append(self._unread.popleft().settle)
            self.counts.failed_commits += 1
            self.counts.returned_exports += len(settles)
            now = time.monotonic()
            if now >= self._tell_due:  # not of each: clients come again at once, and each time it fails
                self._tell_due = now + TELL_EVERY_S
                _log(f"a commit failed, and {len(settles)} exports are to be sent again", error)
            reason = str(error) if isinstance(error, StoreError) else "The database failed."
            answer = StoreUnavailable(reason, RETRY_AFTER_S)
        for settle in settles:
            _settle(settle, answer)

    def _stitch(self) -> None:
        """One pass, bounded, so that requests never wait long for it. More is left: again at the next turn."""
        begun = time.monotonic()
        try:
            pause = self._stitcher.run_pass()
        except Exception as error:  # noqa: BLE001  # the queue still holds it all; the next pass takes it up
            self._fail_pass("stitching failed and will be tried again", error)
        else:
            self.counts.stitch_passes += 1
            now = time.monotonic()
            # However much is left: half of the time the database is free for others, alerts and retention among them.
            self._stitch_due = float("inf") if pause is None else now + max(pause, min(now - begun, LONGEST_REST_S))

    def _sweep(self) -> None:
        """One pass, bounded too. What it changes is for the stitcher."""
        try:
            more = self._sweeper.run_pass()
        except Exception as error:  # noqa: BLE001  # nothing of it is lost; the next pass takes it up
            self._fail_pass("the sweep failed and will be tried again", error)
        else:
            now = time.monotonic()
            self._sweep_due = now if more else now + SWEEP_EVERY_S
            self._stitch_due = min(self._stitch_due, now + STITCH_EVERY_S)

    def _fail_pass(self, what: str, error: Exception) -> None:
        _log(what, error)
        self.counts.failed_passes += 1
        self._rest()
        if isinstance(error, StoreError | sqlalchemy.exc.OperationalError):
            self._doubt()

    def _rest(self) -> None:
        """A pass may wait for the database as long as what just failed did, and hold up the requests that come then."""
        self._stitch_due = self._sweep_due = time.monotonic() + REST_S

    def _doubt(self) -> None:
        self._doubtful_until = time.monotonic() + DOUBT_S


def _settle(settle: Settle, error: Exception | None) -> None:
    try:
        settle(error)
    except Exception:  # it is the caller's, and the others of the group wait too
        logger.exception("nobody could be told that an export is stored")


def _log(what: str, error: Exception) -> None:
    """A database that is gone or locked is told in one line; anything else is ours and wants its stack."""
    known = isinstance(error, StoreError | sqlalchemy.exc.OperationalError)
    logger.log(logging.ERROR, "%s: %s", what, error, exc_info=None if known else error)
