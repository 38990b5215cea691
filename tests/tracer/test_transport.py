"""The way to the collector: what hangs on it at any stage, what is not on it, and OpenTelemetry's own exporters."""

# ruff: noqa: T201  # the handlers print, because that is what is captured

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.tracer.test_collector_trouble import PATIENCE, handler, timed

if TYPE_CHECKING:
    from tests.tracer.sink import Sink


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nless",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nless",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 10_000,
        b"no HTTP at all\r\n\r\n",
    ],
)
def test_a_server_that_hangs_at_any_stage(trace: Any, says: bytes) -> None:
    """Within the head, the body, a chunk, or between two answers: the bound is for all of it."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65_536)
                client.sendall(says)
                stop.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        result, seconds = timed(trace(handler, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, CLEW_EXPORT_TIMEOUT="200"))
        stop.set()
        thread.join()

    assert result == {"same": {"n": 1}}
    assert seconds < PATIENCE


def test_a_server_that_never_accepts(trace: Any) -> None:
    """Its queue is full, as behind a firewall that swallows packets."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        result, seconds = timed(trace(handler, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, CLEW_EXPORT_TIMEOUT="200"))
        for client in waiting:
            client.close()

    assert result == {"same": {"n": 1}}
    assert seconds < PATIENCE


def test_a_proxy_is_not_used(sink: Sink, trace: Any) -> None:
    """Exports go straight to the collector, whatever the function's own clients do."""
    nowhere = "http://127.0.0.1:1"
    traced = trace(handler, HTTP_PROXY=nowhere, http_proxy=nowhere, HTTPS_PROXY=nowhere, ALL_PROXY=nowhere)
    traced({"n": 1}, None)

    assert len(sink.spans()) == 1


def test_grpc_by_opentelemetrys_own_exporter(trace: Any) -> None:
    """What only it does: spans and lines arrive at a gRPC server."""
    grpc = pytest.importorskip("grpc")
    from concurrent.futures import ThreadPoolExecutor

    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

    got: list[Any] = []

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's
            got.append(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    class Logs(logs_service_pb2_grpc.LogsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's
            got.append(request)
            return logs_service_pb2.ExportLogsServiceResponse()

    def prints(event: Any, context: Any) -> str:
        print("line")
        return "done"

    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)  # type: ignore[no-untyped-call]
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        traced = trace(
            prints, OTEL_EXPORTER_OTLP_PROTOCOL="grpc", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}"
        )
        assert traced({}, None) == "done"
    finally:
        server.stop(None)

    spans = [span for one in got for item in getattr(one, "resource_spans", ()) for span in item.scope_spans[0].spans]
    lines = [
        line for one in got for item in getattr(one, "resource_logs", ()) for line in item.scope_logs[0].log_records
    ]
    assert [span.name for span in spans] == ["transcribe"]
    assert [line.body.string_value for line in lines] == ["line"]
