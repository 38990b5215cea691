"""A collector in trouble costs the handler its result never, and time only within the bound."""

# ruff: noqa: T201  # the handlers print, because that is what is captured

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from clew import engine
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from collections.abc import Callable

# Far more than the bound of 200 ms, because the machine of a test may be busy; far less than any of the troubles lasts.
PATIENCE = 3.0


def handler(event: Any, context: Any) -> Any:
    return {"same": event}


def timed(function: Callable[..., Any]) -> tuple[Any, float]:
    started = time.monotonic()
    return function({"n": 1}, None), time.monotonic() - started


@pytest.mark.parametrize("behaviour", ["error", "hang", "trickle", "drop"])
def test_a_collector_in_trouble_is_left_alone(sink: Sink, trace: Any, behaviour: str) -> None:
    """The first invocation waits for the bound at most, the next does not try, and what is lost is counted."""
    sink.behaviour = behaviour
    traced = trace(handler, CLEW_EXPORT_TIMEOUT="1000")  # a busy machine takes a while to read the request

    result, seconds = timed(traced)
    tried = len(sink.received)
    again, _ = timed(traced)

    assert result == again == {"same": {"n": 1}}
    assert seconds < PATIENCE
    assert len(sink.received) == tried >= 1
    running = engine._engine
    assert running is not None
    assert running.delivery.paused
    assert running.delivery.dropped_spans == 2


def test_no_collector_at_all_costs_little(trace: Any) -> None:
    """A refused connection does not hold the handler up, nor does a network that swallows packets."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result, seconds = timed(
            trace(handler, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{unused.getsockname()[1]}")
        )

    assert result == {"same": {"n": 1}}
    assert seconds < PATIENCE


def test_a_name_that_takes_long_to_look_up_is_not_waited_for(trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver has no time limit of its own; the export has."""
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: release.wait(30) and [])
    traced = trace(handler, OTEL_EXPORTER_OTLP_ENDPOINT="http://collector.example:4318", CLEW_EXPORT_TIMEOUT="100")

    result, seconds = timed(traced)
    release.set()

    assert result == {"same": {"n": 1}}
    assert seconds < PATIENCE


def test_what_was_dropped_is_told_by_the_next_export(sink: Sink, trace: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Once the collector is back, an invocation carries the count; stderr had it once."""
    sink.behaviour = "error"
    traced = trace(handler)
    timed(traced)
    timed(traced)
    sink.behaviour = "ok"
    running = engine._engine
    assert running is not None
    running.delivery._resume = 0.0  # the pause is over
    timed(traced)
    timed(traced)

    assert [attributes(span).get("clew.dropped.spans") for span in sink.spans()] == [None, 2, None]
    assert capfd.readouterr().err.count("clew: export failed") == 1


def test_the_pause_grows_and_ends(sink: Sink, trace: Any) -> None:
    """10 s, then 20, 40, and never more than 60; a success starts anew."""
    sink.behaviour = "error"
    traced = trace(handler)
    pauses = []
    running = engine._engine
    assert running is not None
    for _ in range(5):
        running.delivery._resume = 0.0
        timed(traced)
        pauses.append(running.delivery._pause)
    sink.behaviour = "ok"
    running.delivery._resume = 0.0
    timed(traced)

    assert pauses == [10, 20, 40, 60, 60]
    assert not running.delivery.paused
    assert running.delivery._pause == 0


def test_one_connection_serves_all_exports(sink: Sink, trace: Any) -> None:
    """Traces and logs of many invocations go over one connection."""

    def prints(event: Any, context: Any) -> None:
        print("line")

    traced = trace(prints)
    for _ in range(5):
        traced({}, None)

    assert len(sink.spans()) == len(sink.lines()) == 5
    assert sink.connections == 1


def test_a_closed_connection_is_replaced(sink: Sink, trace: Any) -> None:
    """A server that closes after every answer gets everything, each request on a connection of its own."""

    def prints(event: Any, context: Any) -> None:
        print("line")

    sink.behaviour = "close"
    traced = trace(prints)
    for _ in range(3):
        traced({}, None)

    assert len(sink.spans()) == len(sink.lines()) == 3


def test_a_connection_that_died_while_frozen_is_replaced(sink: Sink, trace: Any) -> None:
    """What a kept connection fails on is sent again on a fresh one."""
    traced = trace(handler)
    traced({}, None)
    running = engine._engine
    assert running is not None
    connections: Any = running.delivery._exporter
    for connection in connections._sender._connections.values():
        connection._socket.shutdown(socket.SHUT_RDWR)
    traced({}, None)

    assert len(sink.spans()) == 2


def test_a_forked_child_makes_its_own_connection(sink: Sink, trace: Any) -> None:
    """Parent and child both export, and neither reads the other's answers."""
    traced = trace(handler)
    traced({}, None)
    child = os.fork()
    if child == 0:
        try:
            traced({}, None)
            ok = not engine._engine.delivery.paused if engine._engine else False
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    traced({}, None)

    assert os.waitstatus_to_exitcode(status) == 0
    assert len(sink.spans()) == 3
    assert sink.connections == 2


def test_a_rejected_part_is_counted(sink: Sink, trace: Any) -> None:
    """A partial success' rejected spans are told of like those that were dropped here."""
    sink.response_body = bytes((0x0A, 0x02, 0x08, 0x03))  # partial_success { rejected_spans: 3 }
    traced = trace(handler)
    traced({}, None)
    sink.response_body = b""
    traced({}, None)

    assert attributes(sink.spans()[1])["clew.dropped.spans"] == 3


def test_headers_compression_and_paths_are_what_the_environment_says(sink: Sink, trace: Any) -> None:
    """The standard variables reach the wire."""
    traced = trace(
        handler,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{sink.url}/custom?x=1",
        OTEL_EXPORTER_OTLP_HEADERS="x-team=a%20b,Authorization=Bearer%20t",
        OTEL_EXPORTER_OTLP_COMPRESSION="none",
    )
    traced({}, None)

    assert sink.received[0].path == "/custom?x=1"
    headers = sink.received[0].headers
    assert headers["x-team"] == "a b"
    assert headers["authorization"] == "Bearer t"
    assert headers["content-type"] == "application/x-protobuf"
    assert "content-encoding" not in headers


def test_a_password_in_the_endpoint_is_sent_and_never_said(
    sink: Sink, trace: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """It goes out as OpenTelemetry's exporters send it; what is said of the collector's answer is without it."""
    sink.behaviour = "error"
    endpoint = sink.url.replace("://", "://bob:hunter2@") + "/?key=hunter2"
    trace(handler, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint)({}, None)

    said = capfd.readouterr().err
    assert f"{sink.url}/: HTTP 500" in said
    assert "hunter2" not in said
    assert sink.received[0].headers["authorization"] == "Basic Ym9iOmh1bnRlcjI="


def test_an_answer_in_chunks(sink: Sink, trace: Any) -> None:
    """Some servers send it so; the connection goes on being used."""
    sink.behaviour = "chunked"
    traced = trace(handler)
    for _ in range(3):
        traced({"n": 1}, None)

    assert len(sink.spans()) == 3
    assert sink.connections == 1


@pytest.mark.parametrize(
    ("status", "says", "pause"),
    [(429, "30", 30.0), (503, "40", 40.0), (503, "3600", 60.0), (429, "", 10.0), (503, "soon", 10.0), (502, "1", 10.0)],
)
def test_a_collector_that_asks_to_be_left_alone_is(
    sink: Sink, trace: Any, status: int, says: str, pause: float
) -> None:
    """For as long as it says, within a minute; then it is tried again."""
    sink.status = status
    sink.headers = {"Retry-After": says} if says else {}
    traced = trace(handler)
    traced({"n": 1}, None)
    tried = time.monotonic()
    traced({"n": 1}, None)
    running = engine._engine
    assert running is not None

    assert len(sink.received) == 1
    assert running.delivery._resume - tried == pytest.approx(pause, abs=5)
    sink.status = 200
    running.delivery._resume = 0.0
    traced({"n": 1}, None)
    assert attributes(sink.spans()[-1])["clew.dropped.spans"] == 2


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_request_that_is_refused_does_not_stop_the_next(sink: Sink, trace: Any, status: int) -> None:
    """It is the request that is at fault, not the collector."""
    sink.status = status
    traced = trace(handler)
    traced({"n": 1}, None)
    sink.status = 200
    traced({"n": 1}, None)

    assert len(sink.received) == 2
    assert attributes(sink.spans()[-1])["clew.dropped.spans"] == 1
