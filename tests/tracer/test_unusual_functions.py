"""Functions that do what few do: what they do works as without the tracer, and their invocations are not lost."""

# ruff: noqa: T201  # the handlers print, because that is what is captured

from __future__ import annotations

import dataclasses
import io
import itertools
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from opentelemetry import context as otel_context

import clew
from clew import contexts, engine
from clew.settings import read
from tests.tracer.sink import Sink, attributes
from tests.tracer.test_handlers import python

RETURNS = """
import clew
@clew.trace
def handler(event, context):
    return 1
assert handler({}, None) == 1
"""


def test_a_file_named_like_a_module_of_the_library_is_not_imported(tmp_path: Path, sink: Sink) -> None:
    """A function may have a `resource.py`, which Python finds before its own."""
    (tmp_path / "resource.py").write_text("print('imported')")
    (tmp_path / "psutil.py").write_text("raise ImportError")  # which OpenTelemetry would use, and which uses `resource`
    done = python(tmp_path, RETURNS, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, AWS_LAMBDA_FUNCTION_NAME="f")

    assert (done.stdout, done.stderr) == ("", "")
    assert attributes(sink.spans()[0])["clew.lambda.max_memory_used"] > 5_000_000


def test_providers_that_are_not_there(tmp_path: Path, sink: Sink) -> None:
    """A variable may name a provider that is not installed, on which OpenTelemetry fails: the function is traced."""
    named = {"OTEL_PYTHON_METER_PROVIDER": "none", "OTEL_PYTHON_TRACER_PROVIDER": "none"}
    shown = (
        RETURNS
        + "import os\nprint(os.environ['OTEL_PYTHON_METER_PROVIDER'], os.environ['OTEL_PYTHON_TRACER_PROVIDER'])"
    )
    done = python(tmp_path, shown, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, AWS_LAMBDA_FUNCTION_NAME="f", **named)

    assert (done.stdout, done.stderr) == ("none none\n", "")
    assert len(sink.spans()) == 1


def test_spans_are_bounded_whatever_their_parents(sink: Sink, trace: Any) -> None:
    """Spans that begin traces of their own count like all others; the invocation itself is always exported."""

    def handler(event: Any, context: Any) -> None:
        tracer = engine.start(read({})).provider.tracer
        for _ in range(50):
            with tracer.start_as_current_span("root", context=otel_context.Context()):
                pass

    trace(handler, CLEW_MAX_SPANS="20")({}, None)

    assert [span.name for span in sink.spans()].count("root") == 20
    assert len(sink.spans()) == 21


@pytest.mark.parametrize("broken", ["clew.measures.max_memory_used", "clew.logs.Lines.take"])
def test_what_cannot_be_told_leaves_the_rest(
    sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """An invocation whose memory or lines cannot be had is exported without them."""

    def fails(*_: Any) -> Any:
        raise RuntimeError("bug")

    monkeypatch.setattr(broken, fails)

    assert trace(lambda event, context: "result")({}, None) == "result"
    assert attributes(sink.spans()[0])["clew.return_value"] == '"result"'


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class Overridden(Exception):
    def with_traceback(self, stack: Any) -> Any:
        raise RuntimeError("not this way")


@pytest.mark.parametrize("error", [Frozen(3), Overridden("x")])
def test_errors_that_do_not_let_themselves_be_changed(sink: Sink, trace: Any, error: Exception) -> None:
    """One that is frozen, or has a method of its own in the way, is raised as it is and told as a failure."""

    def handler(event: Any, context: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as raised:
        trace(handler)({}, None)

    assert raised.value is error
    (span,) = sink.spans()
    assert span.status.code == 2
    assert attributes(span)["error.type"] == type(error).__name__


@pytest.mark.parametrize(
    "place",
    ["logs.Lines.printed", "invocation.Invocation.watch", "walk.decode", "connection.Connection._send",
     "measures.os.pread"],
)  # fmt: skip
@pytest.mark.parametrize("error", [TimeoutError("the function's own deadline"), ValueError("odd")])
def test_a_signal_handler_raises_through_the_tracer(
    sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    """Wherever in the tracer a deadline of the function's own comes, it ends the handler; the next one is traced."""

    def alarm(*_: Any) -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        raise error

    def handler(event: Any, context: Any) -> Any:
        print("line")
        return event

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 30_000

    traced = trace(handler)
    before = signal.getsignal(signal.SIGUSR1)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(f"clew.{place}", lambda *_: signal.raise_signal(signal.SIGUSR1))
            signal.signal(signal.SIGUSR1, alarm)
            with pytest.raises(type(error)) as raised:
                traced({"json": "[1, 2]"}, Context())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert raised.value is error
    assert traced("next", None) == "next"
    assert attributes(sink.spans()[-1])["clew.return_value"] == '"next"'


def test_logging_names_the_functions_own_lines(trace: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What logging says of a record that it cannot format, and of a record's caller, has no frame of ours in it."""
    errors = io.StringIO()
    logger = logging.getLogger("unusual")
    logger.propagate = False
    stream = logging.StreamHandler(errors)
    stream.setFormatter(logging.Formatter("%(filename)s %(message)s"))
    logger.addHandler(stream)

    def handler(event: Any, context: Any) -> None:
        logger.error("%d", "no number")
        logger.error("shown", stacklevel=1)

    try:
        trace(handler)({}, None)
    finally:
        logger.removeHandler(stream)

    said = capsys.readouterr().err.partition("Call stack:")[2]
    assert "in handler" in said
    assert "callHandlers" not in said
    assert errors.getvalue() == f"{Path(__file__).name} shown\n"


def test_a_logging_handler_that_raises(trace: Any) -> None:
    """Its error has the stack that it would have without the tracer, but for the decorator's own frame."""

    class Raises(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise LookupError("no more")

    logger = logging.getLogger("raising")
    logger.propagate = False
    raises = Raises()
    logger.addHandler(raises)

    def handler(event: Any, context: Any) -> None:
        logger.error("x")

    try:
        with pytest.raises(LookupError) as raised:
            trace(handler)({}, None)
    finally:
        logger.removeHandler(raises)
    assert [entry.name for entry in raised.traceback][1:].count("callHandlers") == 1


def test_long_names_are_cut(sink: Sink, trace: Any) -> None:
    """A caller chooses the path and a function its error's name: no attribute of them is longer than 1,024."""
    long = "x" * 100_000
    event = {
        "requestContext": {"apiId": long, "http": {"method": long}, "routeKey": f"GET {long}"},
        "rawPath": long,
    }

    def handler(event: Any, context: Any) -> None:
        raise type(long, (Exception,), {})(long)

    class Context:
        aws_request_id = long

    with pytest.raises(Exception, match="xxx"):
        trace(handler)(event, Context())

    (span,) = sink.spans()
    found = attributes(span)
    assert found["url.path"] == "x" * 1024
    assert [name for name, value in found.items() if isinstance(value, str) and len(value) > 1024] == ["clew.event"]
    assert len(span.status.message) <= 4096


def test_threads_that_cannot_be_started(
    sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A function that has used up its threads is traced without its deadline, and watched again when it has one."""

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 30_000

    start = threading.Thread.start

    def full(self: threading.Thread) -> None:
        if self.name.startswith("clew"):  # not the collector's
            raise RuntimeError("can't start new thread")
        start(self)

    traced = trace(lambda event, context: event)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", full)
        assert traced(1, Context()) == 1
    deadlines = engine.start(read({})).deadlines
    assert not deadlines._items
    assert traced(2, Context()) == 2

    assert deadlines._thread is not None
    assert len(sink.spans()) == 2
    assert capfd.readouterr().err.count("timeouts are not noticed: RuntimeError") == 1


def test_a_clock_that_the_function_replaced(tmp_path: Path, sink: Sink) -> None:
    """It may raise: the tracer goes on with the system's, in its threads too."""
    code = """
import time, clew
@clew.trace
def handler(event, context):
    time.time = time.time_ns = time.monotonic = lambda: 1 / 0
    print("line")
class Context:
    def get_remaining_time_in_millis(self):
        return 30_000
handler({}, Context())
handler({}, Context())
"""
    done = python(tmp_path, code, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, AWS_LAMBDA_FUNCTION_NAME="f")

    assert (done.stdout, done.stderr) == ("line\nline\n", "")
    assert len(sink.spans()) == 2


@pytest.mark.parametrize("where", ["span", "handler"])
def test_a_signal_handler_raises_while_a_context_is_left(sink: Sink, trace: Any, where: str) -> None:
    """OpenTelemetry logs there what is raised, and a deadline of the function's would never come."""

    class LateError(Exception):
        pass

    def alarm(*_: Any) -> None:
        raise LateError("too late")

    leave = contexts._detach

    def interrupted(token: Any) -> None:
        leave(token)
        signal.raise_signal(signal.SIGUSR1)

    def handler(event: Any, context: Any) -> str:
        if where == "span":
            with pytest.raises(LateError), clew.span("step"):
                interrupt()
            patch.undo()
        else:
            interrupt()
        return "done"

    def interrupt() -> None:
        patch.setattr(contexts, "_detach", interrupted)

    traced = trace(handler)
    before = signal.signal(signal.SIGUSR1, alarm)
    try:
        with pytest.MonkeyPatch.context() as patch:
            if where == "span":
                assert traced({}, None) == "done"
            else:
                with pytest.raises(LateError):
                    traced({}, None)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert [span for span in sink.spans() if span.kind == 2]


def test_threads_and_randomness_that_the_function_replaced(tmp_path: Path, sink: Sink) -> None:
    """As tests do: a thread that runs its target at once would never come back from ours."""
    code = """
import os, threading, clew
@clew.trace
def handler(event, context):
    with clew.span("step"):
        print("line")
class AtOnce(threading.Thread):
    def start(self):
        self.run()
class Context:
    def get_remaining_time_in_millis(self):
        return 30_000
threading.Thread, os.urandom = AtOnce, lambda size: b"x" * 100
handler({}, Context())
handler({}, Context())
"""
    done = python(tmp_path, code, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, AWS_LAMBDA_FUNCTION_NAME="f")

    assert (done.stdout, done.stderr) == ("line\nline\n", "")
    assert len({span.span_id for span in sink.spans()}) == 4


def test_a_deadline_at_any_moment(sink: Sink, trace: Any) -> None:
    """Whatever becomes of that invocation, the next one is traced, and by itself. Python looks for signals where a
    function begins, and after it called one of C's. (Of what is between that and the network, the test above has one.)
    """

    class LateError(Exception):
        pass

    def at(number: int) -> Any:
        left = itertools.count(number, -1)

        def look(frame: FrameType, event: str, _: object) -> None:
            module = frame.f_globals.get("__name__", "")
            ours = module.startswith("clew.") and module not in {"clew.exporting", "clew.sender", "clew.connection"}
            if ours and event in {"call", "c_return"} and next(left) == 0:
                raise LateError  # with the frame that it interrupts among its arguments, as a signal's handler has

        return look

    traced = trace(lambda event, context: None)
    traced({}, None)
    tracer = engine.start(read(os.environ))
    before, lost = sys.getprofile(), []
    for number in itertools.count():
        interrupted = False
        sys.setprofile(at(number))
        try:
            traced({"interrupted": number}, None)
        except LateError:
            interrupted = True
        finally:
            sys.setprofile(before)
        tracer.delivery._resume = 0.0  # an export that ends so is no reason to wait here
        count = len(sink.spans())
        traced({"next": number}, None)
        found = [attributes(span).get("clew.event") for span in sink.spans()[count:] if not span.parent_span_id]
        if f'{{"next":{number}}}' not in found:
            lost.append(number)
        if not interrupted:
            break
    assert lost == []
    assert number > 200
    assert engine.running() is None
