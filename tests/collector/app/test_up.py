"""`clew up` as its users meet it: its own process, real HTTP, real exporters, a real database."""

from __future__ import annotations

import gzip
import http.client
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import grpc
import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind
from sqlalchemy import Engine, func, select

from collector.domain.facts import Signal
from collector.store import tables
from collector.store.engine import open_engine
from tests.collector.app.clew import Clew, clew
from tests.collector.receivers import exports

HEADERS = {"content-type": "application/x-protobuf"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clew.db"


@pytest.fixture
def running(path: Path) -> Iterator[Clew]:
    with Clew(path) as process:
        yield process


def post(process: Clew, body: bytes, path: str = "/v1/traces", **headers: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", process.port, timeout=20)) as connection:
        connection.request("POST", path, body, HEADERS | headers)
        return connection.getresponse().status


def stored_traces(path: Path) -> set[bytes]:
    """The traces that the database knows exports of."""
    engine = open_engine(f"sqlite:///{path}", read_only=True)
    try:
        with engine.connect() as connection:
            return set(connection.scalars(select(tables.trace_exports.c.trace_id)))
    finally:
        engine.dispose()


def stored_items(path: Path, sort: Signal) -> int:
    engine = open_engine(f"sqlite:///{path}", read_only=True)
    try:
        with engine.connect() as connection:
            column = tables.exports.c
            return (
                connection.scalar(select(func.coalesce(func.sum(column["items"]), 0)).where(column.signal == sort)) or 0
            )
    finally:
        engine.dispose()


def test_the_banner_tells_address_and_database(running: Clew, path: Path) -> None:
    """One line on stdout says where to look, and by then everything is there."""
    assert f"Clew {version('clew-server')} listens on {running.url}, for OTLP/gRPC on port " in running.banner
    assert running.banner.endswith(f", and stores in {path}\n")
    assert {"status": "ok", "version": version("clew-server")}.items() <= running.health().items()
    assert b"clew_store_alive 1" in running.get("/metrics")[1]


def test_grpc_is_taken_beside(running: Clew, path: Path) -> None:
    """The port that the banner names takes OTLP/gRPC, and what it answers with OK is stored."""
    port = running.banner.partition("OTLP/gRPC on port ")[2].partition(",")[0]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        assert b"" == export(exports.traces(2), timeout=20)
    assert 2 == stored_items(path, Signal.TRACES)


def test_grpc_can_be_left_out(path: Path) -> None:
    """Switched off, no second port is opened."""
    with Clew(path, CLEW_GRPC="false") as process:
        assert "gRPC" not in process.banner


def test_a_taken_grpc_port_is_told(path: Path) -> None:
    """Whoever has the port already, the sentence says which port and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = clew("up", CLEW_PORT=0, CLEW_GRPC_PORT=port, CLEW_DATABASE_URL=f"sqlite:///{path}")
    assert 1 == done.returncode
    assert f"port {port} for OTLP/gRPC" in done.stderr


def test_the_dashboard_is_at_the_same_address(running: Clew) -> None:
    """Whatever no receiver takes is the dashboard's."""
    status, page = running.get("/")
    assert 200 == status
    assert b"<html" in page
    assert 404 == running.get("/no-such-page")[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_it_cleanly(path: Path, number: int) -> None:
    """Ctrl-C, a supervisor's or a closed terminal's signal end it with exit code 0 and without a word."""
    with Clew(path) as process:
        process.signal(number)

        assert (0, "", "") == process.wait()


def test_the_stock_trace_exporter(running: Clew, path: Path) -> None:
    """OpenTelemetry's own exporter, plain and compressed, delivers every span."""
    results: list[SpanExportResult] = []
    for compression in (Compression.NoCompression, Compression.Gzip):

        class Exporter(OTLPSpanExporter):
            def export(self, *arguments: object, **options: object) -> SpanExportResult:
                results.append(super().export(*arguments, **options))  # type: ignore[arg-type]  # passed through
                return results[-1]

        provider = TracerProvider(resource=Resource({"faas.name": "resize", "cloud.region": "eu-central-1"}))
        exporter = Exporter(endpoint=f"{running.url}/v1/traces", compression=compression)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
        for _ in range(5):
            with tracer.start_as_current_span("resize", kind=SpanKind.SERVER), tracer.start_as_current_span("inner"):
                pass
        provider.shutdown()

    assert {SpanExportResult.SUCCESS} == set(results)
    assert 20 == stored_items(path, Signal.TRACES)


def test_the_stock_log_exporter(running: Clew, path: Path) -> None:
    """OpenTelemetry's own log exporter delivers every line that was logged within a span."""
    tracer = TracerProvider().get_tracer("test")
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{running.url}/v1/logs")))
    logger = provider.get_logger("test")
    with tracer.start_as_current_span("resize"):
        for number in range(7):
            logger.emit(timestamp=time.time_ns(), severity_number=SeverityNumber.WARN, body=f"line {number}")
    provider.shutdown()

    assert 7 == stored_items(path, Signal.LOGS)


def test_an_export_sent_twice_counts_once(running: Clew, path: Path) -> None:
    """A client that did not get its answer may send the same again."""
    body = exports.traces(spans=3)
    assert [200, 200] == [post(running, body), post(running, gzip.compress(body), **{"content-encoding": "gzip"})]

    assert 3 == stored_items(path, Signal.TRACES)


def test_what_was_stored_is_there_after_a_restart(path: Path) -> None:
    """A second start on the same database keeps what the first stored, and adds to it."""
    with Clew(path) as first:
        assert 200 == post(first, exports.traces(spans=2))
    with Clew(path) as second:
        assert 2 == stored_items(path, Signal.TRACES)
        assert 200 == post(second, exports.traces(spans=3))

    assert 5 == stored_items(path, Signal.TRACES)


def end_under_load(process: Clew, end: Callable[[], object]) -> tuple[set[bytes], int]:
    """Sends from many clients, calls `end` in the middle of it; what was answered 200, and how often it was not."""
    acknowledged: set[bytes] = set()
    lock = threading.Lock()
    enough = threading.Event()

    def send(client: int) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", process.port, timeout=20)) as connection:
            for number in range(100_000):
                trace_id = client.to_bytes(8, "big") + (number + 1).to_bytes(8, "big")
                try:
                    connection.request("POST", "/v1/traces", exports.traces(3, trace_id=trace_id), HEADERS)
                    response = connection.getresponse()
                    response.read()
                except (OSError, http.client.HTTPException):
                    return 1
                if response.status != 200:
                    return 1
                with lock:
                    acknowledged.add(trace_id)
                    if len(acknowledged) > 200:
                        enough.set()
        return 0

    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(send, client) for client in range(8)]
        assert enough.wait(30)
        end()
        failed = sum(client.result() for client in clients)
    return acknowledged, failed


def test_a_clean_stop_keeps_all_that_was_acknowledged(path: Path) -> None:
    """Stopped in the midst of traffic, everything that was answered 200 is in the database."""
    with Clew(path) as process:
        acknowledged, failed = end_under_load(process, lambda: process.signal(signal.SIGTERM))
        code, _, err = process.wait()

    assert (0, "") == (code, err)
    assert 8 == failed
    assert acknowledged <= stored_traces(path)


def test_kill_keeps_all_that_was_acknowledged(path: Path) -> None:
    """Killed in the midst of traffic, everything that was answered 200 is in the database, which opens again."""
    with Clew(path) as process:
        acknowledged, failed = end_under_load(process, process.kill)
    assert 8 == failed
    assert acknowledged <= stored_traces(path)

    with Clew(path) as again:
        assert "ok" == again.health()["status"]
        assert 200 == post(again, exports.traces())


def test_a_request_that_never_ends_does_not_keep_it_from_stopping(path: Path) -> None:
    """A client in the midst of its body is waited for as long as the setting says, then cut off."""
    with Clew(path, CLEW_STOP_TIMEOUT_S=0.5) as process:
        assert 200 == post(process, exports.traces(spans=2))
        with socket.create_connection(("127.0.0.1", process.port), timeout=20) as client:
            client.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n")
            client.sendall(b"Content-Length: 1000\r\n\r\nabc")
            while b"clew_requests_under_way 1" not in process.get("/metrics")[1]:
                time.sleep(0.01)
            process.signal(signal.SIGINT)
            code, _, err = process.wait()

    assert 0 == code
    assert "cut off after 0.5 s" in err
    assert "Traceback" not in err
    assert 2 == stored_items(path, Signal.TRACES)


def test_either_database_will_do(database_url: str, reader: Engine) -> None:
    """On SQLite and on PostgreSQL alike: it starts, stores, answers, shows pages and stops."""
    with Clew(database_url) as process:
        assert 200 == post(process, exports.traces(spans=4))
        assert 200 == process.get("/")[0]
        process.signal(signal.SIGTERM)
        assert (0, "", "") == process.wait()

    with reader.connect() as connection:
        assert 4 == connection.scalar(select(func.sum(tables.exports.c["items"])))


def test_settings_reach_what_they_set(path: Path) -> None:
    """The limit on bodies is the one that the environment names."""
    with Clew(path, CLEW_MAX_BODY_BYTES=2048) as process:
        assert 413 == post(process, bytes(2049))
        assert 413 == post(process, gzip.compress(bytes(2049)), **{"content-encoding": "gzip"})
        assert 200 == post(process, exports.traces(spans=1))
