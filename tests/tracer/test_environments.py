"""What is told of an environment's start, and what holds when one is frozen, thawed or restored."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from clew import engine, environment, provider
from clew.provider import SystemIds
from clew.settings import read
from collector.local_lambda import Status
from collector.local_lambda.function import InitializationType
from tests.tracer.local import LocalFunctions
from tests.tracer.runtime_api import Lambda
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from pathlib import Path

TRACED = """
import clew

@clew.trace
def handler(event, context):
    return "done"
"""


@pytest.mark.parametrize(
    ("kind", "cold"), [("on-demand", True), ("provisioned-concurrency", False), ("snap-start", False)]
)
def test_the_first_invocation_tells_how_the_environment_began(sink: Sink, trace: Any, kind: str, cold: bool) -> None:
    """Only what began for it is a cold start; those that follow say nothing."""
    traced = trace(lambda event, context: None, AWS_LAMBDA_INITIALIZATION_TYPE=kind)
    for _ in range(2):
        traced({}, None)

    first, second = map(attributes, sink.spans())
    assert first["clew.lambda.initialization_type"] == kind
    assert first["faas.coldstart"] is cold
    assert ("clew.lambda.init_duration" in first) is cold
    assert second["faas.coldstart"] is False
    assert "clew.lambda.initialization_type" not in second


def test_an_environment_that_waited_long_was_made_ready_ahead(
    sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda does so now and then with any function."""
    traced = trace(lambda event, context: None)
    monkeypatch.setattr(environment, "_time", lambda: time.time() + 60)
    traced({}, None)

    (span,) = sink.spans()
    assert attributes(span)["clew.lambda.initialization_type"] == "proactive"
    assert attributes(span)["faas.coldstart"] is False


def test_a_snapshot_holds_no_connection(tmp_path: Path, sink: Sink) -> None:
    """What was connected during INIT is not when the snapshot is restored, and the pause after a failure is over."""
    source = """
    import clew
    from clew import engine

    @clew.trace
    def handler(event, context):
        return "done"

    handler({}, None)  # a function that warms itself up for the snapshot
    engine._engine.delivery._resume = float("inf")
    sender = engine._engine.delivery._exporter._sender
    connection = sender._traces.connection
    inner = handler
    def handler(event, context):
        return [connection._socket is None, inner(event, context)]
    """
    with LocalFunctions(tmp_path, sink, source) as functions:
        object.__setattr__(functions.function, "initialization_type", InitializationType.SNAP_START)
        outcomes = [functions.invoke() for _ in range(2)]

    assert [outcome.status for outcome in outcomes] == [Status.SUCCESS] * 2
    assert [outcome.value() for outcome in outcomes] == [[True, "done"], [False, "done"]]
    assert len(sink.spans()) == 3
    assert len({span.span_id for span in sink.spans()}) == 3
    told = [attributes(span).get("clew.lambda.initialization_type") for span in sink.spans()]
    assert told == ["snap-start", None, None]
    assert "clew:" not in functions.log


def test_environments_of_one_snapshot_have_ids_of_their_own(sink: Sink, trace: Any) -> None:
    """They share all state of the process, also what was drawn of the system's randomness before."""
    traced = trace(lambda event, context: None, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    traced({}, None)  # a function that warms itself up for the snapshot
    ids = engine.start(read(os.environ)).provider.ids
    drawn = ids._drawn[:]
    for _ in range(2):
        ids._drawn = drawn[:]
        traced({}, None)

    assert len(drawn) > 2
    assert len({span.trace_id for span in sink.spans()}) == 3
    assert len({span.span_id for span in sink.spans()}) == 3


def test_a_forked_child_has_ids_of_its_own(sink: Sink, trace: Any) -> None:
    traced = trace(lambda event, context: None)
    traced({}, None)
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                traced({}, None)
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)

    assert len({span.trace_id for span in sink.spans()}) == 3
    assert len({span.span_id for span in sink.spans()}) == 3


def test_ids_in_what_runs_first_in_a_forked_child(sink: Sink, trace: Any) -> None:
    """The function may have registered it before the tracer was there."""
    reader, writer = os.pipe()
    drawn: list[SystemIds] = []
    os.register_at_fork(
        after_in_child=lambda: [os.write(writer, b"%x " % ids.generate_span_id()) for ids in drawn for _ in range(4)]
    )
    trace(lambda event, context: None)({}, None)
    drawn.append(engine.start(read(os.environ)).provider.ids)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    (ids,) = drawn
    drawn.clear()
    os.close(writer)

    with os.fdopen(reader) as told:
        theirs = {int(word, 16) for word in told.read().split()}
    assert len(theirs) == 4
    assert theirs.isdisjoint({ids.generate_span_id() for _ in range(16)})


def test_ids_drawn_while_the_process_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a signal's handler: the child forgets what the parent asked for, whose answer both have."""
    ids = SystemIds()
    answers = [b"\1" * 128, b"\2" * 128]

    def urandom(size: int) -> bytes:
        if len(answers) == 2:
            ids.renew()
        return answers.pop(0)[:size]

    monkeypatch.setattr(provider, "urandom", urandom)

    assert ids.generate_span_id() == 0x0202020202020202


def test_ids_that_other_threads_take() -> None:
    """All that were drawn, before the thread that asked has its own."""

    class Raced(SystemIds):
        times = 0

        def draw(self) -> None:
            super().draw()
            self.times += 1
            if self.times < 3:
                self._drawn.clear()

    assert Raced().generate_span_id() > 0


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_connection_that_died_while_the_environment_was_frozen(tmp_path: Path, sink: Sink, how: str) -> None:
    """It is replaced before or within the export, and no invocation is lost by it."""
    with Lambda(tmp_path, TRACED, {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}) as function:
        function.invoke({})
        function.process.send_signal(signal.SIGSTOP)
        sink.end_connections(how)
        time.sleep(0.1)
        function.process.send_signal(signal.SIGCONT)
        answers = [function.invoke({}) for _ in range(2)]

    assert [answer.result for answer in answers] == [b'"done"'] * 2
    assert len(sink.spans()) == 3
    assert "clew:" not in function.stderr


def test_a_connection_is_not_used_after_a_minute(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands between forgets it without a word, and an export would wait for its bound."""
    traced = trace(lambda event, context: None)
    traced({}, None)
    monkeypatch.setattr("clew.connection.time", lambda: time.time() + 60)
    traced({}, None)

    assert len(sink.spans()) == 2
    assert sink.connections == 2


def test_durations_hold_when_the_clock_is_set(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the system jumps back by an hour while the handler runs."""
    before = time.time_ns()

    def handler(event: Any, context: Any) -> None:
        monkeypatch.setattr("clew.invocation.time_ns", lambda: before - 3_600_000_000_000)

    trace(handler)({}, None)

    (span,) = sink.spans()
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60_000_000_000


def test_an_environment_is_ready_when_its_runtime_asks_for_an_event(tmp_path: Path, sink: Sink) -> None:
    """What a function does during INIT after its handler was decorated is INIT as well."""
    source = TRACED + "\nimport time\ntime.sleep(0.5)\n"
    with Lambda(tmp_path, source, {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}) as function:
        function.invoke({})

    (span,) = sink.spans()
    assert attributes(span)["clew.lambda.init_duration"] > 500
