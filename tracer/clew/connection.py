"""One kept-alive HTTP/1.1 connection on which every step ends by a deadline.

On a bare socket because `http.client` takes 75 µs more per request, and because its reads are bounded one by one: a
server that sends a byte a second would hold it for minutes.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from threading import Thread  # now: a function may replace them
from time import monotonic, time
from typing import TYPE_CHECKING

from clew.guard import pass_on_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ssl import SSLContext

_MAX_HEAD = 16_384
_MAX_BODY = 65_536
# Load balancers drop an idle connection after 60 s and more; a frozen environment is not told.
_MAX_IDLE = 50.0
_ADDRESSES_KEPT = 60.0

_socket = socket.socket  # now: a function may replace it
_Address = tuple[int, int, int, str, tuple[object, ...]]


class Response:
    __slots__ = ("body", "headers", "status")  # a NamedTuple takes 0.1 ms of INIT

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class BrokenConnectionError(OSError):
    """The server closed the connection, or what it sent is no HTTP."""


class Connection:
    """Sends requests to one host. Not for several threads at once.

    `tls` makes the context of a secure connection, when it is first needed or by `prepare`.
    """

    def __init__(self, host: str, port: int, tls: Callable[[], SSLContext] | None) -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self._context: SSLContext | None = None
        self._socket: socket.socket | None = None
        self._used = 0.0
        self._rest = b""
        self._addresses: list[_Address] = []
        self._resolved = 0.0
        self._resolving: _Resolution | None = None

    def exchange(self, requests: Sequence[bytes], deadline: float) -> list[Response]:
        """Send all requests at once and read their responses in order: one round trip for traces and logs together.

        `deadline` is a `time.monotonic()` second. A kept connection that turns out to be closed is replaced once.
        Raises OSError (TimeoutError when the time is up); the connection is then closed.
        """
        pending = list(requests)
        responses: list[Response] = []
        while pending:
            fresh = self._socket is None or self._stale()
            try:
                if fresh:
                    self.close()
                    self._connect(deadline)
                self._send(b"".join(pending), deadline)
                while pending:
                    response = self._read(deadline)
                    responses.append(response)
                    del pending[0]
                    fresh = False
                    if response.headers.get("connection", "").lower() == "close":
                        self.close()
                        break
            except TimeoutError:
                self.close()
                raise
            except OSError as error:
                self.close()
                pass_on_signal(error)
                if fresh:
                    raise
            except BaseException:
                self.close()
                raise
        self._used = time()
        return responses

    def send(self, request: bytes, deadline: float) -> None:
        """Send one request by `deadline`, whose response `receive` waits for."""
        try:
            if self._socket is None or self._stale():
                self.close()
                self._connect(deadline)
            self._send(request, deadline)
        except BaseException:
            self.close()
            raise

    def receive(self, deadline: float) -> Response:
        """The response to what was sent."""
        try:
            response = self._read(deadline)
            if response.headers.get("connection", "").lower() == "close":
                self.close()
        except BaseException:
            self.close()
            raise
        self._used = time()
        return response

    def fileno(self) -> int:
        """Of the open connection."""
        return self._open().fileno()

    def close(self) -> None:
        self._rest = b""
        if self._socket is not None:
            try:
                self._socket.close()
            finally:
                self._socket = None

    def abandon(self) -> None:
        """Forget the socket in a forked child: it belongs to the parent."""
        if self._socket is not None:
            os.close(self._socket.detach())
            self._socket = None
        self._rest = b""
        self._resolving = None

    def _stale(self) -> bool:
        """An idle connection that can be read was closed by the server, or holds what nobody asked for."""
        if self._socket is None or not 0 <= time() - self._used < _MAX_IDLE:
            return True
        return bool(select.select([self._socket], [], [], 0)[0]) if self._socket.fileno() < 1024 else False

    def prepare(self) -> None:
        """Do now what takes long and needs no network. Raises OSError if the certificates cannot be read."""
        if self._tls is not None and self._context is None:
            self._context = self._tls()

    def _connect(self, deadline: float) -> None:
        self.prepare()
        error: OSError | None = None
        addresses = self._resolve(deadline)
        for position, (family, kind, protocol, _, address) in enumerate(addresses):
            # The first of several addresses may be a black hole: each gets its share of the time.
            share = _left(deadline) / (len(addresses) - position)
            sock = _socket(family, kind, protocol)
            try:
                sock.settimeout(share)
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context is not None:
                    sock.settimeout(_left(deadline))
                    sock = self._context.wrap_socket(sock, server_hostname=_plain(self.host))
            except OSError as failed:
                sock.close()
                pass_on_signal(failed)
                error = failed
                continue
            self._socket = sock
            return
        self._addresses = []
        raise error or OSError(f"{self.host} has no address")

    def _resolve(self, deadline: float) -> list[_Address]:
        if self._addresses and time() - self._resolved < _ADDRESSES_KEPT:
            return self._addresses
        if self.host == "localhost" or self.host.replace(".", "").isdigit() or ":" in self.host:
            found = _getaddrinfo(self.host, self.port)
        else:
            # The resolver knows no time limit, so it runs beside; one that hangs is asked again for its answer later.
            if self._resolving is None:
                self._resolving = _Resolution(self.host, self.port)
            try:
                found = self._resolving.wait(_left(deadline))
            except TimeoutError:
                raise
            except OSError:
                self._resolving = None
                raise
            self._resolving = None
        self._addresses = found
        self._resolved = time()
        return found

    def _send(self, data: bytes, deadline: float) -> None:
        sock = self._open()
        sock.settimeout(_left(deadline))
        sock.sendall(data)  # its timeout is for the whole of the data

    def _receive(self, deadline: float) -> bytes:
        sock = self._open()
        sock.settimeout(_left(deadline))
        return sock.recv(_MAX_BODY)

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise BrokenConnectionError("the connection is closed")
        return self._socket

    def _read(self, deadline: float) -> Response:
        """One response. What the server sent beyond it is kept for the next."""
        data, self._rest = self._rest, b""
        while True:
            while b"\r\n\r\n" not in data:
                if len(data) > _MAX_HEAD:
                    raise BrokenConnectionError("the response's head is too long")
                data += self._more(deadline)
            head, _, data = data.partition(b"\r\n\r\n")
            status, headers = _parse_head(head)
            if status >= 200:
                break
        if status in {204, 304}:
            body = b""
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            body, data = self._read_chunks(data, deadline)
        elif "content-length" in headers:
            length = _length(headers["content-length"])
            while len(data) < length:
                data += self._more(deadline)
            body, data = data[:length], data[length:]
        else:
            headers["connection"] = "close"
            body = self._read_to_end(data, deadline)
            data = b""
        self._rest = data
        return Response(status, headers, body)

    def _more(self, deadline: float) -> bytes:
        data = self._receive(deadline)
        if not data:
            raise BrokenConnectionError("the server closed the connection")
        return data

    def _read_chunks(self, data: bytes, deadline: float) -> tuple[bytes, bytes]:
        body = b""
        while True:
            while b"\r\n" not in data:
                data += self._more(deadline)
            size_text, _, data = data.partition(b"\r\n")
            size = _length(size_text.partition(b";")[0].decode("latin-1"), 16)
            while len(data) < size + 2:
                data += self._more(deadline)
            body, data = body + data[:size], data[size + 2 :]
            if len(body) > _MAX_BODY:
                raise BrokenConnectionError("the response is too long")
            if not size:
                return body, data

    def _read_to_end(self, data: bytes, deadline: float) -> bytes:
        while len(data) <= _MAX_BODY:
            more = self._receive(deadline)
            if not more:
                break
            data += more
        return data


class _Resolution:
    """A name being looked up in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._done = threading.Event()
        self._found: list[_Address] | OSError = OSError(f"{host} could not be looked up")
        Thread(target=self._run, name="clew-resolver", daemon=True).start()

    def _run(self) -> None:
        try:
            self._found = _getaddrinfo(self._host, self._port)
        except OSError as error:
            self._found = error
        except Exception as error:  # a name that is no host name: UnicodeError
            self._found = OSError(str(error))
        finally:
            self._done.set()

    def wait(self, seconds: float) -> list[_Address]:
        if not self._done.wait(seconds):
            raise TimeoutError(f"looking up {self._host} took too long")
        if isinstance(self._found, OSError):
            raise self._found
        return self._found


def _getaddrinfo(host: str, port: int) -> list[_Address]:
    return [
        (family, kind, protocol, name, address)
        for family, kind, protocol, name, address in socket.getaddrinfo(_plain(host), port, 0, socket.SOCK_STREAM)
    ]


def _plain(host: str) -> str | bytes:
    """As bytes: for text Python loads its tables of all the world's letters, 1.5 ms of the first invocation."""
    return host.encode() if host.isascii() else host


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("the time for exporting is up")
    return left


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ", 2)
    if not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].isdecimal():
        raise BrokenConnectionError("the answer is no HTTP")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if words[0] == "HTTP/1.0" and headers.get("connection", "").lower() != "keep-alive":
        headers["connection"] = "close"
    return int(words[1]), headers


def _length(text: str, base: int = 10) -> int:
    try:
        length = int(text.strip(), base)
    except ValueError:
        length = -1
    if not 0 <= length <= _MAX_BODY:
        raise BrokenConnectionError("the response has no usable length")
    return length
