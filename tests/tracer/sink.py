"""An OTLP/HTTP collector that keeps what it is sent, and that misbehaves when told to."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes  # not compressed any more
    connection: int


@dataclass
class Sink:
    """`behaviour` is ok, error, hang, hold (until `released`), trickle, chunked, close (after each answer) or drop
    (without one). `status` and `headers` are those of its answers.
    """

    behaviour: str = "ok"
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    response_body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        sink = self
        self.released = threading.Event()
        self._sockets: list[socket.socket] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                sink.connections += 1
                sink._sockets.append(self.connection)
                self.number = sink.connections

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                sink.received.append(Received(self.path, headers, body, self.number))
                sink.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Tests read the sink, not its log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.tls is not None:
            self.server.socket = self.tls.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that give up
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        return f"http{'' if self.tls is None else 's'}://127.0.0.1:{self.port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.behaviour == "hang":
            self.released.wait(30)
            return
        if self.behaviour == "drop":
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.behaviour == "trickle":
            for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n":
                if self.released.wait(0.05):
                    return
                handler.wfile.write(bytes((byte,)))
            return
        if self.behaviour == "hold":
            self.released.wait(30)
        handler.send_response(500 if self.behaviour == "error" else self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if self.behaviour == "chunked":
            handler.send_header("transfer-encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"1;x=y\r\n\x0a\r\n3\r\n\x02\x08\x00\r\n0\r\n\r\n")
            return
        handler.send_header("content-length", str(len(self.response_body)))
        handler.send_header("content-type", "application/x-protobuf")
        if self.behaviour == "close":
            handler.send_header("connection", "close")
        handler.end_headers()
        handler.wfile.write(self.response_body)

    def end_connections(self, how: str) -> None:
        """End those there are: `closed`, as a server does, or `reset`, as one does that was started anew."""
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                if how == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.end_connections("closed")  # else each keeps a thread for the rest of the run

    def traces(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(one.body) for one in self.received if one.path == "/v1/traces"]

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.traces()
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def records(self) -> list[LogRecord]:
        return [
            record
            for one in self.received
            if one.path == "/v1/logs"
            for resource in ExportLogsServiceRequest.FromString(one.body).resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def lines(self) -> list[str]:
        return [record.body.string_value for record in self.records()]

    def wait_for_lines(self, count: int, seconds: float = 20) -> list[str]:
        """The lines once there are `count`; fails the test if they do not come."""
        end = time.monotonic() + seconds
        while len(self.lines()) < count:
            assert time.monotonic() < end, f"{len(self.lines())} of {count} lines came"
            time.sleep(0.01)
        return self.lines()

    def wait_for_spans(self, count: int, seconds: float = 20) -> list[Span]:
        """The spans once there are `count`; fails the test if they do not come."""
        end = time.monotonic() + seconds
        while len(self.spans()) < count:
            assert time.monotonic() < end, f"{len(self.spans())} of {count} spans came"
            time.sleep(0.01)
        return self.spans()


def plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: plain(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def attributes(item: Any) -> dict[str, Any]:
    """The attributes of a span, event, link, record or resource as plain values."""
    return {entry.key: plain(entry.value) for entry in item.attributes}
