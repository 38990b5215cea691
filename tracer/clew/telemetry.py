"""Takes what Lambda's Telemetry API posts: an HTTP server for one client, served by the extension's thread.

On bare sockets: `http.server` is 10 ms of INIT and a thread per request.
"""

from __future__ import annotations

import contextlib
import select
import socket
from time import monotonic  # now: a function may replace it
from typing import TYPE_CHECKING

from clew.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

# Lambda sends up to twice the 256 kB that were asked for.
_MAX_REQUEST = 1_048_576
_MAX_CONNECTIONS = 8
# Seconds in which an environment runs: while it is frozen, this clock stands. Lambda opens another if it has more.
_MAX_IDLE = 60.0
_RESERVED_PORT = 9001
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class _Client:
    """A connection, what came on it of a request, and when it last had something to say."""

    __slots__ = ("data", "socket", "used")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.data = bytearray()
        self.used = monotonic()


class TelemetryListener:
    """Listens from its making on; `poll` is told what there is to wait for, `take` gets each request's body."""

    def __init__(self, poll: select.poll, take: Callable[[bytes], None]) -> None:
        self._poll = poll
        self._take = take
        self._connections: dict[int, _Client] = {}
        self._socket = _listening()
        self.port = int(self._socket.getsockname()[1])
        poll.register(self._socket, select.POLLIN)

    def serve(self, descriptor: int) -> None:
        """There is something to read. Of the others, those end that had nothing to say for a minute: they would keep
        Lambda's own from being heard.
        """
        now = monotonic()
        for other, client in list(self._connections.items()):
            if other == descriptor:
                client.used = now
            elif now - client.used > _MAX_IDLE and not _has_more(client.socket):
                self._drop(other)
        if descriptor == self._socket.fileno():
            self._accept()
        elif descriptor in self._connections:
            with Guard("reading telemetry"):
                client = self._connections[descriptor]
                if self._read(client.socket, client.data):
                    return
            self._drop(descriptor)

    def abandon(self) -> None:
        """Let go of what belongs to the parent process."""
        for sock in (self._socket, *(client.socket for client in self._connections.values())):
            sock.close()
        self._connections.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it gave up meanwhile
            sock, (peer, _) = self._socket.accept()
            if len(self._connections) >= _MAX_CONNECTIONS or not _from_here(peer, sock.getsockname()[0]):
                sock.close()
                return
            sock.setblocking(False)
            self._connections[sock.fileno()] = _Client(sock)
            self._poll.register(sock, select.POLLIN)

    def _drop(self, descriptor: int) -> None:
        client = self._connections.pop(descriptor)
        self._poll.unregister(descriptor)
        client.socket.close()

    def _read(self, sock: socket.socket, data: bytearray) -> bool:
        """Whether the connection goes on."""
        try:
            more = sock.recv(65_536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        data += more
        while data:
            try:
                request = _request(data)
            except ValueError:
                sock.sendall(_REFUSED)
                return False
            if request is None:
                break
            body, size = request
            del data[:size]
            # Answered first: Lambda keeps what it did not get rid of, and waits for us with what comes next.
            sock.sendall(_OK)
            self._take(body)
        return bool(more) and len(data) < _MAX_REQUEST


def _has_more(sock: socket.socket) -> bool:
    """Whether there is something to read that nobody has looked at yet."""
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except OSError:  # nothing; it does not wait
        return False


def _listening() -> socket.socket:
    """On any port but the reserved one. On all addresses, because `sandbox.localdomain` may be any of the machine's."""
    while True:
        sock = socket.socket()
        try:
            sock.bind(("0.0.0.0", 0))  # noqa: S104  # `_from_here` turns others away
            if sock.getsockname()[1] != _RESERVED_PORT:
                sock.listen(_MAX_CONNECTIONS)
                sock.setblocking(False)
                return sock
        except BaseException:
            sock.close()
            raise
        sock.close()


def _from_here(peer: str, address: str) -> bool:
    """Whether the client is on this machine: the function may run where others can reach it."""
    return peer == address or peer.startswith(("127.", "169.254."))


def _request(data: bytearray) -> tuple[bytes, int] | None:
    """The first request's body and where the request ends; None if more is to come.

    Raises ValueError for what is no HTTP, or too long.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > 16_384:
            raise ValueError("the head is too long")
        return None
    headers = {}
    for line in bytes(data[:end]).decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunked(bytes(data), end + 4)
    length = int(headers.get("content-length") or 0)
    if not 0 <= length <= _MAX_REQUEST:
        raise ValueError("the body is too long")
    size = end + 4 + length
    return (bytes(data[end + 4 : size]), size) if len(data) >= size else None


def _chunked(data: bytes, at: int) -> tuple[bytes, int] | None:
    body = b""
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return None
        size = int(data[at:line_end].partition(b";")[0], 16)
        start = line_end + 2
        if size < 0 or len(body) + size > _MAX_REQUEST:
            raise ValueError("the body is too long")
        if len(data) < start + size + 2:
            return None
        body += data[start : start + size]
        at = start + size + 2
        if not size:
            return body, at
