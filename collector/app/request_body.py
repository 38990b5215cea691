"""A request's body, as granian hands it over: piece by piece, as it arrives."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collector.app.patience import Patience

# A body that is stated to be no longer comes in one piece, which is one thing to do for the thread that reads; a longer
# one takes room as it arrives, and not as its client says.
WHOLE = 64 * 1024


class Arrival(Protocol):
    """granian's future of a piece."""

    def add_done_callback(self, callback: Callable[[Arrival], object]) -> None: ...

    def cancel(self) -> bool: ...

    def result(self) -> bytes: ...


class Source(Protocol):
    """granian's side of a request, as far as the body goes."""

    def __call__(self) -> Arrival: ...

    def __aiter__(self) -> Source: ...

    def __anext__(self) -> Arrival: ...


class Body:
    """Somebody watches it while a piece is awaited, who may give it up: then it ends, and `cut` is true."""

    __slots__ = (
        "_awaited",
        "_begun",
        "_ended",
        "_expects",
        "_patience",
        "_small",
        "_source",
        "address",
        "cut",
        "since",
        "size",
    )

    def __init__(self, source: Source, patience: Patience, environ: dict[str, Any]) -> None:
        stated = environ.get("CONTENT_LENGTH", "")
        self._source = source
        self._patience = patience
        self._small = len(stated) <= 5 and stated.isdigit() and int(stated) <= WHOLE
        self._begun = self._ended = False
        self._expects = "HTTP_EXPECT" in environ
        self._awaited: Arrival | None = None
        self.address: str = environ["REMOTE_ADDR"]
        self.since = 0.0  # monotonic: when its first byte was asked for
        self.size = 0  # bytes that have arrived
        self.cut = False  # True: it took too long, and what was read is not all

    def next(self, then: Callable[[bytes], object]) -> None:
        """Returns at once, or soon; `then` is called once, from whatever thread, with the next piece: empty at the end,
        and where the client left. Once the whole of a stated length is there nobody should ask again."""
        if self._ended or self.cut:
            then(b"")
            return
        if not self._begun:
            self.since = time.monotonic()
            if not self._small:
                self._source.__aiter__()
        elif self._small:
            self._ended = True
            then(b"")
            return
        self._begun = True
        self._await(then)

    def _await(self, then: Callable[[bytes], object]) -> None:
        # Adding and discarding are atomic, so that no lock is needed.
        self._patience.reading.add(self)
        arrival = self._awaited = self._source() if self._small else self._source.__anext__()
        arrival.add_done_callback(partial(self._arrived, then))
        if self.cut:  # meanwhile
            arrival.cancel()

    def finish(self, then: Callable[[], object]) -> None:
        """Calls `then` once a small body is there, else at once: granian hangs up on who has not sent all of it when it
        is answered, and many look for an answer only then. One that waits for leave to send it needs none of this."""
        if self._small and not self._begun and not self._expects:
            self.next(lambda _piece: then())
        else:
            then()

    def cut_off(self) -> None:
        """Waits no longer. From any thread."""
        self.cut = True
        if self._awaited is not None:
            self._awaited.cancel()

    def _arrived(self, then: Callable[[bytes], object], arrival: Arrival) -> None:
        self._patience.reading.discard(self)
        self._awaited = None
        try:
            piece = arrival.result()
        except BaseException:  # noqa: BLE001  # the client is gone, or this was cut off, which asyncio has a name for
            piece = b""
        self.size += len(piece)
        self._ended = not piece
        then(piece)


def stream(body: Body) -> io.BufferedReader:
    """A `wsgi.input`, for threads that wait."""
    return io.BufferedReader(_Stream(body), WHOLE)


class _Stream(io.RawIOBase):
    def __init__(self, body: Body) -> None:
        self._body = body
        self._rest = memoryview(b"")  # of a piece that was larger than what was asked for

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            arrived: SimpleQueue[bytes] = SimpleQueue()
            self._body.next(arrived.put)
            self._rest = memoryview(arrived.get())
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
