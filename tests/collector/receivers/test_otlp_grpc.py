"""OTLP/gRPC over loopback, by real clients."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from collector.domain.facts import Signal
from collector.receivers.admission import Admission
from collector.receivers.counters import Counters
from collector.receivers.exports import Exports
from collector.receivers.otlp_grpc import THREADS, GrpcServer, OtlpService
from collector.store.errors import Overloaded, StoreError, StoreUnavailable
from tests.collector.receivers.conftest import MAX_BODY, FakeStore
from tests.collector.receivers.exports import logs, traces

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


class Receiving:
    """A collector without a database, and a client of it."""

    def __init__(self, *, max_requests: int = 16, max_bytes: int = 1_000_000, **slowness: Any) -> None:
        self.store = FakeStore()
        self.counters = Counters()
        admission = Admission(max_requests=max_requests, max_bytes=max_bytes)
        exports = Exports(self.store, counters=self.counters)
        service = OtlpService(exports, admission=admission, counters=self.counters, **slowness)
        self.server = GrpcServer(service, "127.0.0.1:0", max_message_bytes=MAX_BODY)
        self.server.start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.server.port}")

    def send(self, body: bytes, method: str = TRACES, **options: Any) -> bytes:
        answer: bytes = self.channel.unary_unary(method)(body, timeout=20, **options)
        return answer

    def close(self) -> None:
        self.channel.close()
        self.store.open.set()
        assert self.server.stop(20)()


@pytest.fixture(name="receive")
def _receive() -> Iterator[Callable[..., Receiving]]:
    """Starts a collector with the given limits; it ends with the test."""
    started: list[Receiving] = []

    def start(**limits: int) -> Receiving:
        started.append(Receiving(**limits))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.mark.parametrize(("method", "body", "signal"), [(TRACES, traces(3), "traces"), (LOGS, logs(3), "logs")])
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_an_export_is_stored(
    receive: Callable[..., Receiving], method: str, body: bytes, signal: str, compression: grpc.Compression
) -> None:
    """An empty answer says that all of it is stored, compressed or not."""
    receiving = receive()

    assert b"" == receiving.send(body, method, compression=compression)
    assert [body] == [facts.export.body for facts in receiving.store.facts]
    assert {signal: 3} == dict(receiving.counters.stored_items)
    assert {(signal, 200): 1} == dict(receiving.counters.requests)


def test_the_sdks_own_exporter_is_served(receive: Callable[..., Receiving]) -> None:
    """What OpenTelemetry's exporter sends arrives as the trace it is."""
    receiving = receive()
    exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{receiving.server.port}", insecure=True)
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    with closing(_Shutdown(provider)):
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("shop").start_as_current_span("order"):
            pass

    (facts,) = receiving.store.facts
    assert 1 == facts.export.items
    assert Signal.TRACES == facts.export.signal
    assert ["shop"] == [function.name for function in facts.functions]


class _Shutdown:
    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def close(self) -> None:
        self._provider.shutdown()


def test_what_is_refused_of_an_export_is_told(receive: Callable[..., Receiving]) -> None:
    """Partial success: the answer counts what was not taken, and the rest is stored."""
    receiving = receive()
    answer = ExportTraceServiceResponse.FromString(receiving.send(traces(2) + traces(1, trace_id=bytes(16))))

    assert 1 == answer.partial_success.rejected_spans
    assert answer.partial_success.error_message
    assert 2 == receiving.store.facts[0].export.items


def refusal(receiving: Receiving, body: bytes, method: str = TRACES) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        receiving.send(body, method)
    return caught.value


def retry_after_s(error: Any) -> int | None:
    """The seconds of the RetryInfo that comes with a refusal."""
    details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    marker = b"type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08"
    _, found, after = details.partition(marker)
    return after[0] if found else None


@pytest.mark.parametrize(
    ("error", "code", "seconds"),
    [
        (Overloaded("full", retry_after_s=3), grpc.StatusCode.RESOURCE_EXHAUSTED, 3),
        (StoreUnavailable("gone", retry_after_s=5), grpc.StatusCode.UNAVAILABLE, 5),
        (StoreError("never"), grpc.StatusCode.INVALID_ARGUMENT, None),
        (RuntimeError("a bug"), grpc.StatusCode.INTERNAL, None),
    ],
)
def test_trouble_says_whether_to_send_again(
    receive: Callable[..., Receiving], error: Exception, code: grpc.StatusCode, seconds: int | None
) -> None:
    """Only what may be sent again comes with a time for it."""
    receiving = receive()
    receiving.store.error = error
    caught: Any = refusal(receiving, traces())

    assert code == caught.code()
    assert seconds == retry_after_s(caught)
    if not isinstance(error, RuntimeError):
        assert b"" != caught.details().encode()
    else:
        assert "a bug" not in caught.details()
    receiving.store.error = None
    assert b"" == receiving.send(traces())


def test_damaged_and_unknown_requests(receive: Callable[..., Receiving]) -> None:
    """Bytes that are no export, methods that are not there and messages that are too large are refused for good."""
    receiving = receive()
    damaged: Any = refusal(receiving, b"\xff\xff\xff")
    unknown: Any = refusal(
        receiving, b"", "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
    )
    large: Any = refusal(receiving, bytes(MAX_BODY + 1))

    assert grpc.StatusCode.INVALID_ARGUMENT == damaged.code()
    assert grpc.StatusCode.UNIMPLEMENTED == unknown.code()
    assert grpc.StatusCode.RESOURCE_EXHAUSTED == large.code()
    assert retry_after_s(damaged) is None
    assert retry_after_s(large) is None
    assert not receiving.store.facts


def test_too_many_at_once_are_told_to_come_again(receive: Callable[..., Receiving]) -> None:
    """Beyond what may be under way, a request is refused at once with a time to come again; nothing is lost."""
    receiving = receive(max_requests=1)
    receiving.store.open.clear()
    answers: list[bytes] = []
    waiting = threading.Thread(target=lambda: answers.append(receiving.send(traces())))
    waiting.start()
    while not receiving.counters.received_bytes:
        threading.Event().wait(0.01)
    caught: Any = refusal(receiving, traces())
    receiving.store.open.set()
    waiting.join(20)

    assert grpc.StatusCode.RESOURCE_EXHAUSTED == caught.code()
    assert retry_after_s(caught)
    assert [b""] == answers


def test_a_port_is_not_shared() -> None:
    """A second server on the port fails instead of getting half of the clients."""
    first = Receiving()
    try:
        service = OtlpService(
            Exports(FakeStore(), counters=Counters()),
            admission=Admission(max_requests=1, max_bytes=1),
            counters=Counters(),
        )
        with pytest.raises(OSError, match="cannot bind"):
            GrpcServer(service, f"127.0.0.1:{first.server.port}", max_message_bytes=MAX_BODY)
    finally:
        first.close()


def test_stopping_finishes_what_has_begun() -> None:
    """A request that waits for its commit when the server stops is answered."""
    receiving = Receiving()
    receiving.store.open.clear()
    answers: list[bytes] = []
    waiting = threading.Thread(target=lambda: answers.append(receiving.send(traces())))
    waiting.start()
    while not receiving.counters.received_bytes:
        threading.Event().wait(0.01)
    ended = receiving.server.stop(20)
    receiving.store.open.set()

    assert ended()
    waiting.join(20)
    assert [b""] == answers
    receiving.channel.close()


def silent(receiving: Receiving, stopped: threading.Event) -> Any:
    """A call that begins and whose message does not come until `stopped`."""

    def messages() -> Iterator[bytes]:
        stopped.wait(30)
        yield b""

    return receiving.channel.stream_unary(TRACES).future(messages(), timeout=30)


def test_clients_that_send_no_message_hold_no_threads(receive: Callable[..., Receiving]) -> None:
    """Where as many calls hang as there are threads, some are ended, and others are served."""
    receiving = receive(most_slow=3)
    stopped = threading.Event()
    calls = [silent(receiving, stopped) for _ in range(THREADS)]
    try:
        assert b"" == receiving.send(traces(1))
        codes = [call.code() for call in calls if call.done()]
    finally:
        stopped.set()
        for call in calls:
            call.cancel()

    assert codes
    assert {grpc.StatusCode.CANCELLED} == set(codes)
    end = time.monotonic() + 20
    while not receiving.counters.refusals["too_slow"] and time.monotonic() < end:
        time.sleep(0.01)  # it is counted once the client has its answer
    assert receiving.counters.refusals["too_slow"] >= 1


def test_a_message_has_a_deadline(receive: Callable[..., Receiving]) -> None:
    """A call whose message does not come in time ends as one that may be made again."""
    receiving = receive(message_timeout_s=1.0)
    stopped = threading.Event()
    call = silent(receiving, stopped)
    try:
        assert grpc.StatusCode.CANCELLED == call.code()
    finally:
        stopped.set()

    assert [] == receiving.store.facts


def test_a_call_without_a_message_is_refused(receive: Callable[..., Receiving]) -> None:
    """Which no client of OTLP makes."""
    receiving = receive()
    with pytest.raises(grpc.RpcError) as error:
        receiving.channel.stream_unary(TRACES)(iter(()), timeout=20)

    assert grpc.StatusCode.INVALID_ARGUMENT == error.value.code()
