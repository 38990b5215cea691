"""A service on 127.0.0.1 that keeps what it gets, checks it as the real one does, and fails as it is told to."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from jsonschema import Draft202012Validator


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: Mapping[str, str]  # by lower-case name
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """`cut`: the connection is closed without a word after the request was read."""

    status: int = 200
    body: str | dict[str, Any] = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


class Listener:
    """A server that answers in a thread of its own as long as the block lasts."""

    def __init__(self, server: socketserver.TCPServer) -> None:
        self._server = server
        self.port: int = server.server_address[1]
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Service(Listener):
    """What a kind of service answers is in `answer`. `faults` are what it found wrong with requests; those get its
    400. `failures` are replies that come first, each once."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.faults: list[str] = []
        self.failures: deque[Reply] = deque()
        self.on_request: Callable[[Received], None] = lambda _received: None
        server = _Server(self)
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        super().__init__(server)
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}"

    def answer(self, received: Received) -> Reply:
        return Reply()

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def reply(self, received: Received) -> Reply:
        self.on_request(received)
        self.received.append(received)
        if self.failures:
            return self.failures.popleft()
        return self.answer(received)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, service: Service) -> None:
        self.service = service
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed, or does not trust the certificate, is no fault of the server's."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.service.reply(Received(self.command, self.path, headers, body))
        if reply.cut:
            self.close_connection = True
            return
        content = json.dumps(reply.body) if isinstance(reply.body, dict) else reply.body
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content.encode())))
        self.end_headers()
        self.wfile.write(content.encode())

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


def violations(schema: dict[str, Any], document: Any) -> list[str]:
    """What is wrong with a document, by its schema."""
    return [f"{error.json_path}: {error.message[:200]}" for error in Draft202012Validator(schema).iter_errors(document)]
