"""Everything a traced function talks to, in a process of its own: collectors of several tempers, and an AWS.

    python -m benchmarks.tracers.endpoints CERTIFICATE KEY

Prints the ports as JSON and serves until its stdin ends. Any request is answered 200 with `{}`; a GET of `/count`
answers how many requests and bytes of bodies came since the last one.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-amzn-RequestId: 7A1\r\nContent-Length: 2\r\n\r\n{}"
SLOW_S = 0.02


class _Count:
    requests = 0
    size = 0

    def take(self) -> bytes:
        body = json.dumps({"requests": self.requests, "bytes": self.size}).encode()
        self.requests = self.size = 0
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class _Http(asyncio.Protocol):
    """One kept-alive connection; requests with a length or in chunks."""

    def __init__(self, count: _Count, delay: float | None) -> None:
        self._count = count
        self._delay = delay  # None: never answers
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (size := _request_size(self._data)) is not None:
            head, self._data = self._data[:size], self._data[size:]
            if head.startswith(b"GET /count"):
                self._transport.write(self._count.take())
                continue
            self._count.requests += 1
            self._count.size += size - head.index(b"\r\n\r\n") - 4
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._transport.write, _EMPTY)
            elif self._delay is not None:
                self._transport.write(_EMPTY)


def _request_size(data: bytes) -> int | None:
    """Length of the first whole request in `data`; None while it is not all there."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    if b"transfer-encoding: chunked" in head:
        last = data.find(b"0\r\n\r\n", end + 4)
        return None if last < 0 else last + 5
    _, found, rest = head.partition(b"\r\ncontent-length:")
    size = end + 4 + (int(rest.split(b"\r\n")[0]) if found else 0)
    return size if len(data) >= size else None


async def _serve(certificate: str, key: str) -> None:
    loop = asyncio.get_running_loop()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    ports = {}
    for name, delay in (("sink", 0.0), ("slow", SLOW_S), ("hanging", None), ("aws", 0.0)):
        for secure in (False, True):
            count = _Count()
            server = await loop.create_server(
                lambda count=count, delay=delay: _Http(count, delay),
                "127.0.0.1",
                0,
                ssl=tls if secure else None,
            )
            ports[f"{name}_tls" if secure else name] = server.sockets[0].getsockname()[1]
    daemon, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    ports["daemon"] = daemon.get_extra_info("sockname")[1]
    closed, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    ports["closed"] = closed.get_extra_info("sockname")[1]  # nobody listens there for TCP
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
