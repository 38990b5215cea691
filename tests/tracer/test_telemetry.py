"""What Lambda says of invocations reaches the collector; how the environment ends is left as it was."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from clew import telemetry
from clew.platform_reports import PlatformReports
from clew.telemetry import TelemetryListener
from tests.tracer.local import LocalFunctions
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

TRACED = """
import time
import clew

@clew.trace
def handler(event, context):
    time.sleep(event.get("seconds", 0))
    if event.get("fail"):
        raise ValueError("no")
"""


def reports(sink: Sink) -> list[tuple[str, LogRecord, dict[str, Any]]]:
    """The platform's reports that came: their type, the record, and what Lambda wrote."""
    found = []
    for record in sink.records():
        if record.body.string_value.startswith('{"time"'):
            document = json.loads(record.body.string_value)
            found.append((document["type"], record, document["record"]))
    return found


def test_a_report_comes_with_the_next_invocation(tmp_path: Path, sink: Sink) -> None:
    """It names the invocation that it is of, in Lambda's words and as a span."""
    with LocalFunctions(tmp_path, sink, TRACED) as functions:
        outcomes = [functions.invoke({"fail": number, "seconds": 0.2}) for number in range(3)]
        came = reports(sink)

    spans = sink.spans()
    wanted = [one for one in came if one[0] == "platform.report"]
    assert len(wanted) == 2
    for (_, record, said), outcome, span in zip(wanted, outcomes, spans, strict=False):
        found = attributes(record)
        assert found == {
            "faas.invocation_id": outcome.request_id,
            "clew.invocation.start": span.start_time_unix_nano,
        }
        assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
        assert said["requestId"] == outcome.request_id
        assert said["metrics"]["billedDurationMs"] == outcome.billed_duration
        assert span.start_time_unix_nano < record.time_unix_nano < time.time_ns()


def test_the_initialization_is_reported_once(tmp_path: Path, sink: Sink) -> None:
    """Of the environment's first invocation; they are records of a scope of their own."""
    with LocalFunctions(tmp_path, sink, TRACED) as functions:
        for _ in range(2):
            functions.invoke()

    (found,) = [one for one in reports(sink) if one[0] == "platform.initReport"]
    assert found[2]["metrics"]["durationMs"] > 0
    assert attributes(found[1])["clew.invocation.start"] == sink.spans()[0].start_time_unix_nano
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    scopes = {
        scope.scope.name
        for one in sink.received
        if one.path == "/v1/logs"
        for resource in ExportLogsServiceRequest.FromString(one.body).resource_logs
        for scope in resource.scope_logs
    }
    assert scopes == {"clew.telemetry"}


def test_the_last_report_comes_with_the_end_of_the_environment(tmp_path: Path, sink: Sink) -> None:
    """Nothing wakes the environment again: what Lambda says before it ends it is exported then."""
    with LocalFunctions(tmp_path, sink, TRACED) as functions:
        outcome = functions.invoke()

    assert [said["requestId"] for kind, _, said in reports(sink) if kind == "platform.report"] == [outcome.request_id]
    assert "clew:" not in functions.log


def test_the_last_report_comes_where_asyncio_was_told_of_signals(tmp_path: Path, sink: Sink) -> None:
    """Its event loop takes the file that signals are written to, and leaves none behind."""
    source = """
    import asyncio, signal
    import clew

    async def work():
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, print)
        loop.remove_signal_handler(signal.SIGUSR1)

    @clew.trace
    def handler(event, context):
        asyncio.run(work())
    """
    with LocalFunctions(tmp_path, sink, source) as functions:
        outcomes = [functions.invoke() for _ in range(2)]

    said = [said["requestId"] for kind, _, said in reports(sink) if kind == "platform.report"]
    assert said == [outcome.request_id for outcome in outcomes]


def test_reports_are_not_asked_for_where_they_are_not_wanted(tmp_path: Path, sink: Sink) -> None:
    """The environment then ends as it would without an extension of ours: no handler of a signal, no subscription."""
    source = """
    import signal
    import clew

    @clew.trace
    def handler(event, context):
        return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    """
    with LocalFunctions(tmp_path, sink, source, CLEW_TELEMETRY="false") as functions:
        outcomes = [functions.invoke() for _ in range(2)]

    assert [outcome.value() for outcome in outcomes] == [True, True]
    assert "TELEMETRY" not in functions.log
    assert "EXTENSION" in functions.log
    assert reports(sink) == []


def test_a_signal_handler_of_the_functions_stays_the_only_one(tmp_path: Path, sink: Sink) -> None:
    """Whether it was set during INIT or later; and the file that signals are told by stays asyncio's."""
    source = """
    import signal, socket
    import clew

    def mine(number, frame):
        pass

    here, there = socket.socketpair()
    there.setblocking(False)
    signal.set_wakeup_fd(there.fileno())
    signal.signal(signal.SIGTERM, mine)

    @clew.trace
    def handler(event, context):
        before = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(before)
        return signal.getsignal(signal.SIGTERM) is mine and before == there.fileno()
    """
    with LocalFunctions(tmp_path, sink, source) as functions:
        outcomes = [functions.invoke() for _ in range(2)]

    assert [outcome.value() for outcome in outcomes] == [True, True]


def test_the_processes_of_the_function_can_be_ended_as_before(tmp_path: Path, sink: Sink) -> None:
    """A forked child has the signal's default again, also one that is ended at once, and the parent goes on."""
    source = """
    import multiprocessing, os, signal, time
    import clew

    def end(pause):
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        time.sleep(pause)
        os.kill(child, signal.SIGTERM)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    @clew.trace
    def handler(event, context):
        return [end(pause) for pause in [0.2] + [0] * 10] + sorted(signal.pthread_sigmask(signal.SIG_BLOCK, set()))
    """
    with LocalFunctions(tmp_path, sink, source, timeout=20) as functions:
        outcomes = [functions.invoke() for _ in range(2)]

    assert [outcome.value() for outcome in outcomes] == [[-15] * 11] * 2
    assert len(sink.spans()) == 2


def test_what_sampling_leaves_out_has_no_report(tmp_path: Path, sink: Sink) -> None:
    """Three of a kind, of which the first is kept."""
    with LocalFunctions(tmp_path, sink, TRACED, CLEW_SAMPLE_RATIO="0", CLEW_SAMPLE_SLOW="60000") as functions:
        outcomes = [functions.invoke({"fail": number == 2}) for number in range(3)]

    said = [one[2]["requestId"] for one in reports(sink) if one[0] == "platform.report"]
    assert said == [outcomes[0].request_id, outcomes[2].request_id]


class Known(NamedTuple):
    """As much of an invocation as a report is joined to."""

    request_id: str
    trace_id: int
    span_id: int
    started_ns: int

    @property
    def span(self) -> Any:
        return self

    def is_recording(self) -> bool:
        return True

    def get_span_context(self) -> Any:
        return self

    @property
    def trace_flags(self) -> int:
        return 1


def report(request_id: str, time: str) -> bytes:
    document = {"time": time, "type": "platform.report", "record": {"requestId": request_id, "status": "success"}}
    return json.dumps([{"type": "platform.start"}, "odd", document]).encode()


def test_a_retry_has_its_own_report() -> None:
    """It has the request id of what it repeats; which of the two is meant is told by the time."""
    known: Any = PlatformReports()
    second = 1_000_000_000
    known.begin(Known("r", 1, 11, 100 * second))
    known.begin(Known("r", 1, 12, 200 * second))
    known.receive(report("r", "1970-01-01T00:01:45.000Z"))
    known.receive(report("r", "1970-01-01T00:03:25.000Z"))
    known.receive(report("other", "1970-01-01T00:03:26.000Z"))

    assert [record.span_id for record in known.take()] == [11, 12, 0]
    assert known.take() == []


@pytest.mark.parametrize("body", [b"platform.report", b'{"report":1}', b'["platform.report"]', b"[]", b"\xff eport"])
def test_what_cannot_be_read_is_left(body: bytes) -> None:
    """Odd telemetry gives no record."""
    known = PlatformReports()
    try:
        known.receive(body)
    except ValueError:
        assert body in {b"platform.report", b"\xff eport"}

    assert known.take() == []


@pytest.fixture(name="listener")
def _listener() -> Iterator[tuple[TelemetryListener, list[bytes]]]:
    """One that is served, and what it took."""
    poll = select.poll()
    taken: list[bytes] = []
    listener = TelemetryListener(poll, taken.append)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            for descriptor, _ in poll.poll(20):
                listener.serve(descriptor)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener, taken
    stop.set()
    thread.join()
    listener.abandon()


CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(port: int, *parts: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for part in parts:
            client.sendall(part)
            time.sleep(0.05)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while more := client.recv(1000):
            answer += more
    return answer


@pytest.mark.parametrize(
    ("parts", "bodies", "status"),
    [
        ([b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"], [b"body"], b"200"),
        ([b"POST / HTTP/1.1\r\ncontent-le", b"ngth: 4\r\n\r\nbo", b"dy"], [b"body"], b"200"),
        ([2 * b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na"], [b"a", b"a"], b"200"),
        ([CHUNKED + b"2\r\nbo\r\n", b"2;x\r\ndy\r\n0\r\n\r\n"], [b"body"], b"200"),
        ([b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"], [], b"400"),
        ([b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"], [], b"400"),
        ([b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"], [], b"400"),
        ([CHUNKED + b"zz\r\n"], [], b"400"),
        ([b"x" * 20_000], [], b"400"),
    ],
)
def test_the_listener_reads_http(listener: Any, parts: list[bytes], bodies: list[bytes], status: bytes) -> None:
    """In however many pieces it comes; what is none is refused."""
    answer = post(listener[0].port, *parts)

    assert listener[1] == bodies
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.count(b"HTTP/1.1") == max(1, len(bodies))


def test_the_listener_outlives_its_clients(listener: Any) -> None:
    """Those that say nothing, give up, or are too many."""
    clients = [socket.create_connection(("127.0.0.1", listener[0].port), timeout=10) for _ in range(12)]
    for client in clients:
        client.close()
    time.sleep(0.2)

    assert post(listener[0].port, b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na").startswith(b"HTTP/1.1 200")
    assert listener[1] == [b"a"]


def test_idle_connections_end(listener: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there is room for keep Lambda out for a minute, and no longer."""
    clients = [socket.create_connection(("127.0.0.1", listener[0].port), timeout=10) for _ in range(8)]
    for client in clients[1:]:
        client.sendall(b"POST / HTTP/1.1\r\n")
    clients[0].sendall(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na")
    assert clients[0].recv(1000).startswith(b"HTTP/1.1 200")
    refused = socket.create_connection(("127.0.0.1", listener[0].port), timeout=10)
    assert refused.recv(1000) == b""

    now = time.monotonic()
    monkeypatch.setattr(telemetry, "monotonic", lambda: now + 3600)
    assert post(listener[0].port, b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nb").startswith(b"HTTP/1.1 200")

    assert listener[1] == [b"a", b"b"]
    assert [client.recv(1000) for client in clients] == [b""] * 8
    for client in (*clients, refused):
        client.close()


def test_a_connection_that_has_something_to_say_is_not_idle() -> None:
    """However long ago it was heard: it may have spoken while the environment was frozen."""
    poll, taken = select.poll(), list[bytes]()
    listener = TelemetryListener(poll, taken.append)
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as client:
        listener.serve(poll.poll(10_000)[0][0])
        (known,) = listener._connections.values()
        known.used -= 3600
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na")
        ready = select.poll()
        ready.register(known.socket, select.POLLIN)
        assert ready.poll(10_000)
        listener.serve(-1)  # another one
        listener.serve(known.socket.fileno())
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    listener.abandon()

    assert taken == [b"a"]


def test_the_initialization_is_reported_before_its_invocation_begins() -> None:
    """As on a busy machine: its record waits for the invocation, and is told of once."""
    told = PlatformReports()
    told.receive(b'[{"time":"2026-11-21T00:00:00.000Z","type":"platform.initReport","record":{"metrics":{}}}]')
    span = SimpleNamespace(is_recording=lambda: True)
    first: Any = SimpleNamespace(request_id="r", trace_id=1, span_id=2, started_ns=3, trace_flags=1, span=span)
    told.begin(first)

    (record,) = told.take()
    assert record.attributes["clew.invocation.start"] == 3
    assert told.take() == []
