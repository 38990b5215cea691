"""Sends exports over HTTP as fast as they are acknowledged, in a process of its own, whose CPU is not the collector's.

    python -m benchmarks.ingestion.load PORT CONNECTIONS FILE

The file holds requests as `write_requests` puts them. Each connection is kept alive and has one request under way; what
is refused with 429 or 503 is sent again. Prints one line of JSON: the seconds that it took, what was answered, and the
requests that were acknowledged. A bare socket, because an HTTP library takes as long as the collector does.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

RETRY_S = 0.05
TIMEOUT_S = 120
_TARGET = "POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_HEAD = f"{_TARGET}Content-Type: application/x-protobuf\r\n{{}}Content-Length: {{}}\r\n\r\n"


def write_requests(path: Path, bodies: Iterable[bytes], *, encoding: str = "") -> None:
    """Whole HTTP requests, each after its length. `encoding`: the bodies' Content-Encoding, if any."""
    field = f"Content-Encoding: {encoding}\r\n" if encoding else ""
    with path.open("wb") as file:
        for body in bodies:
            request = _HEAD.format(field, len(body)).encode() + body
            file.write(struct.pack(">I", len(request)) + request)


def read_requests(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    position = 0
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 4 + length]
        position += 4 + length


class _Client:
    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> int:
        """The status; 0 where the connection ended without an answer."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_S)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(request)
            return self._answer(self._socket)
        except OSError:
            self.close()
            return 0

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answer(self, connection: socket.socket) -> int:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            if not (more := connection.recv(65_536)):
                raise ConnectionError
            data += more
        head = data[:end].lower()
        field = head.find(b"content-length:")
        left = int(head[field + 15 :].split(b"\r", 1)[0]) - (len(data) - end - 4) if field >= 0 else 0
        while left > 0:
            if not (more := connection.recv(65_536)):
                raise ConnectionError
            left -= len(more)
        if b"connection: close" in head:
            self.close()
        return int(data[9:12])


def send_all(port: int, requests: Sequence[bytes], connections: int) -> tuple[float, Counter[int]]:
    """Seconds from the first request to the last answer, and how often each status was answered."""
    waiting = iter(requests)
    lock = threading.Lock()
    answers: Counter[int] = Counter()

    def run() -> None:
        client = _Client(port)
        while True:
            with lock:
                request = next(waiting, None)
            if request is None:
                break
            while True:
                status = client.send(request)
                with lock:
                    answers[status] += 1
                if status not in {0, 429, 503}:
                    break
                time.sleep(RETRY_S)
        client.close()

    threads = [threading.Thread(target=run) for _ in range(connections)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - begin, answers


def main() -> None:
    port, connections, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    seconds, answers = send_all(port, list(read_requests(path)), connections)
    print(json.dumps({"seconds": seconds, "cpu_seconds": time.process_time(), "answers": answers}))


if __name__ == "__main__":
    main()
