"""How much may be under way at once: the bound on the memory that clients can make us hold."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from collector.receivers.refusal import Code, Refusal

RETRY_AFTER_S = 1


class Admission:
    """Counts requests under way and the bytes of their bodies. Refuses at once instead of letting a request wait:
    a waiting request holds a thread and what it has received, and its client learns nothing."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self.max_requests = max_requests
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._requests = 0
        self._bytes = 0

    def enter(self) -> Grant:
        """A place for one request, to be given back by `leave` or by leaving the `with` block. Raises Refusal when all
        are taken."""
        with self._lock:
            if self._requests >= self.max_requests:
                raise _overloaded(f"{self.max_requests} exports are being received already")
            self._requests += 1
        return Grant(self)

    @property
    def requests(self) -> int:
        return self._requests

    @property
    def bytes(self) -> int:
        return self._bytes

    def _take(self, size: int) -> None:
        with self._lock:
            if self._bytes + size > self.max_bytes:
                raise _overloaded(f"{self._bytes} bytes of exports are being received or stored already")
            self._bytes += size

    def _leave(self, size: int) -> None:
        with self._lock:
            self._requests -= 1
            self._bytes -= size


class Grant:
    """One request's share."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._size = 0

    def take(self, size: int) -> None:
        """Asks for `size` more bytes. Raises Refusal when that would be too many."""
        self._admission._take(size)
        self._size += size

    def leave(self) -> None:
        """Gives everything back."""
        self._admission._leave(self._size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


def _overloaded(what: str) -> Refusal:
    return Refusal(
        429,
        "overloaded",
        f"Too much at once: {what}. Send it again in {RETRY_AFTER_S} s.",
        code=Code.RESOURCE_EXHAUSTED,
        retry_after_s=RETRY_AFTER_S,
    )
