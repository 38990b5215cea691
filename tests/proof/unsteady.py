"""A collector that comes and goes at one address, and misbehaves in between."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.tracer.sink import Received, Sink

REFUSED, SILENT = "refused", "silent"  # nobody listens; connections are taken by the system and never looked at
HANGING, TORN, GARBAGE = "hanging", "torn", "garbage"  # after the request was read
STATUSES = {"500": 500, "503": 503, "429": 429}
SLOW = "slow"  # as far as 20 ms away, and else well
RETRY_AFTER = 11


def free_port() -> int:
    """A port that the system gives to nobody by itself: who asks for any is given one of the others, also while nobody
    listens on this.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class UnsteadyCollector(Sink):
    """In trouble of a kind from the start; `recover` and `fail` end it and begin it again.

    What it is sent while in trouble is in `refused`, not in `received`.
    """

    def __init__(self, trouble: str, tls: ssl.SSLContext | None = None) -> None:
        # Holds the port while nobody listens: another process would get it otherwise.
        self._reserve = socket.socket()
        self._reserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserve.bind(("127.0.0.1", free_port()))
        self.refused: list[Received] = []
        self._open: set[socket.socket] = set()
        self._trouble: str | None = None
        super().__init__(tls=tls)
        self._handler = self.server.RequestHandlerClass
        self._leave()
        self._kind = trouble
        self.fail()

    @property
    def port(self) -> int:
        return int(self._reserve.getsockname()[1])

    def fail(self) -> None:
        """Be in trouble from now on, also with connections that are open."""
        self._leave()
        self._trouble = self._kind
        if self._kind != REFUSED:
            self._listen(serves=self._kind != SILENT)

    def recover(self) -> None:
        self._leave()
        self._trouble = SLOW if self._kind == SLOW else None
        self._listen(serves=True)

    def _listen(self, *, serves: bool) -> None:
        collector = self
        self.released.clear()

        class Handler(self._handler):  # type: ignore[name-defined,misc]  # made by `Sink`
            def setup(self) -> None:
                super().setup()
                collector._open.add(self.connection)

        self.server = self._bind(Handler)
        if self.tls is not None:
            self.server.socket = self.tls.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that give up
        self._serves = serves
        if serves:
            threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    _serves = True

    def _bind(self, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
        """A process that another thread is just starting may hold for a moment the socket that was closed here."""
        end = time.monotonic() + 10
        while True:
            try:
                return ThreadingHTTPServer(("127.0.0.1", self.port), handler)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def _leave(self) -> None:
        """Nobody listens, and what was connected is not any more."""
        self.released.set()
        if self._serves:
            self.server.shutdown()
        self._serves = False
        self.server.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        self._leave()
        self._reserve.close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        trouble = self._trouble
        if trouble in {None, SLOW}:
            if trouble == SLOW:
                time.sleep(0.02)
            super().answer(handler)
            return
        self.refused.append(self.received.pop())
        handler.close_connection = True
        output: Any = handler.wfile
        if trouble == HANGING:
            self.released.wait(60)
        elif trouble == TORN:
            output.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        elif trouble == GARBAGE:
            output.write(b"\x00\xff\r\n\r\nSSH-2.0-nothing of HTTP\r\n\r\n")
        else:
            handler.close_connection = False
            handler.send_response(STATUSES[str(trouble)])
            if trouble == "429":
                handler.send_header("retry-after", str(RETRY_AFTER))
            handler.send_header("content-length", "2")
            handler.end_headers()
            output.write(b"no")
