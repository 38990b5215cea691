"""How long a client may take to send a request's body, and who has to go when all wait for slow ones.

granian has no time limit for a body: some hundred clients that send a byte a second, or nothing, would take all places
for exports, or all threads that pages have. Whoever is given up is answered 503 at once, and may read that.

Connections that send no request hold neither, but no more than so many can be open. Which ones are idle the kernel
knows (TCP_INFO).
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType

    from collector.app.request_body import Body

SLOW_S = 1.0  # a body that takes longer is slow
EVERY_S = 0.5
CONNECTIONS_EVERY_S = 5.0  # looking through 4,096 connections takes 30 ms
IDLE_S = 10.0  # connections idle for longer are closed when nearly all are taken
_FULL = 7 / 8  # of all connections
# Of struct tcp_info (linux/tcp.h): milliseconds since data was last sent, and 8 bytes on, received.
_LAST_SENT = struct.Struct("44xI4xI")
_FILES = Path("/proc/self/fd")

_logger = logging.getLogger(__name__)


class Patience:
    """Watches what clients are slow with on a port. Idle connections stay where there is no TCP_INFO (macOS)."""

    def __init__(self, port: int, *, timeout_s: float, most_slow: int, most_bytes: int, max_connections: int) -> None:
        """A body may take `timeout_s`. Of those that take longer than SLOW_S, `most_slow` are waited for, and no more
        than `most_bytes` of them are kept."""
        self._port = port
        self._timeout_s = timeout_s
        self._most_slow = most_slow
        self._most_bytes = most_bytes
        self._most_connections = int(max_connections * _FULL)
        self.reading: set[Body] = set()  # adding and discarding are atomic, so the hot path needs no lock
        self.cut_bodies = 0  # since the process began
        self.cut_idle = 0  # connections
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="patience", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        look_at = 0.0
        while not self._stopped.wait(EVERY_S):
            try:
                now = time.monotonic()
                self.look_at_bodies(now)
                if now >= look_at:
                    look_at = now + CONNECTIONS_EVERY_S
                    self.look_at_connections()
            except Exception:
                _logger.exception("slow clients could not be looked for")

    def look_at_bodies(self, now: float) -> None:
        """Gives up the bodies that take too long."""
        late: list[Body] = []
        size = 0
        slow = [body for body in self.reading.copy() if now - body.since > SLOW_S]
        for count, body in enumerate(sorted(slow, key=lambda body: body.since, reverse=True), 1):
            size += body.size
            if now - body.since > self._timeout_s or count > self._most_slow or size > self._most_bytes:
                late.append(body)
        if not late:
            return
        for body in late:
            body.cut_off()
        self.cut_bodies += len(late)
        _logger.warning("gave up %d bodies that came too slowly, the first from %s", len(late), late[0].address)

    def look_at_connections(self) -> None:
        """Closes those that have been idle for longest when hardly any more could be opened."""
        if not hasattr(socket, "TCP_INFO"):
            return
        found = list(_connections(self._port))
        if len(found) <= self._most_connections:
            return
        idle = [item for item in found if min(item.heard_s, item.sent_s) > IDLE_S]
        idle.sort(key=lambda item: item.heard_s, reverse=True)
        for connection in idle[: len(found) - self._most_connections]:
            connection.hang_up()
            self.cut_idle += 1


class _Connection(NamedTuple):
    file: int
    peer: tuple[Any, ...]
    address: str
    sent_s: float  # since anything was sent to it
    heard_s: float  # since anything came

    def hang_up(self) -> None:
        """Reads no more from it. Its file may be another connection's by now, so once more: is it this one?"""
        try:
            with _Borrowed(self.file) as connection:
                if connection.getpeername() == self.peer:
                    connection.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # it has gone by itself


class _Borrowed:
    """A socket of somebody else's file. It is never closed nor duplicated: closing a duplicate of a database's file
    would give up SQLite's locks on it."""

    def __init__(self, file: int) -> None:
        self._socket = socket.socket(fileno=file)

    def __enter__(self) -> socket.socket:
        return self._socket

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.detach()


def _connections(port: int) -> Iterator[_Connection]:
    """Those that were accepted on the port."""
    for entry in _FILES.iterdir():
        file = int(entry.name)
        try:
            with _Borrowed(file) as found:
                if found.family not in (socket.AF_INET, socket.AF_INET6) or found.getsockname()[1] != port:
                    continue
                peer = found.getpeername()  # the listening socket has none, and is passed over
                known = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_SENT.size)
        except OSError:
            continue  # no socket, or gone meanwhile
        sent_ms, heard_ms = _LAST_SENT.unpack(known)
        yield _Connection(file, peer, _plain(peer[0]), sent_ms / 1_000, heard_ms / 1_000)


def _plain(address: str) -> str:
    """As granian writes it: without a zone."""
    return str(ipaddress.ip_address(address.partition("%")[0]))
