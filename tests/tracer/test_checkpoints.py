"""What is exported of an invocation while it runs, and what that leaves behind of one that ends without a word."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.tracer.runtime_api import Lambda
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

ENDS = """
import ctypes, os, time
import clew
from opentelemetry import trace

@clew.trace
def handler(event, context):
    print("begun")
    with trace.get_tracer("own").start_as_current_span("step"):
        pass
    time.sleep(event.get("seconds", 1))
    how = event["how"]
    if how == "exit":
        os._exit(3)
    if how == "kill":  # as the kernel does to a function that takes more memory than it has
        os.kill(os.getpid(), 9)
    if how == "segfault":
        ctypes.string_at(0)
    return "done"
"""


def unfinished(spans: list[Span]) -> list[Span]:
    return [span for span in spans if attributes(span).get("clew.unfinished")]


@pytest.mark.parametrize("how", ["exit", "kill", "segfault"])
def test_a_process_that_ends_without_a_word_leaves_a_start_record(tmp_path: Path, sink: Sink, how: str) -> None:
    """What had happened by the last checkpoint is there, and by when it should have ended."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000", "CLEW_CHECKPOINT_AFTER": "200"}
    with Lambda(tmp_path, ENDS, environ, timeout=30.0) as function:
        function.invoke_without_answer({"how": how, "password": "hunter2"})
        assert function.process.wait(timeout=20) != 0

    (record,) = [span for span in sink.spans() if span.kind == 2]
    found = attributes(record)
    assert found["clew.unfinished"] is True
    assert record.status.code == 0
    assert "error.type" not in found
    assert found["clew.event"] == f'{{"how":"{how}","password":"****"}}'
    assert 25e9 < found["clew.lambda.deadline"] - record.start_time_unix_nano < 35e9
    assert [span.name for span in sink.spans() if span.kind == 1] == ["step"]
    assert sink.lines() == ["begun"]


def test_an_invocation_that_ends_is_complete_again(tmp_path: Path, sink: Sink) -> None:
    """The last export has all spans, and only the lines that no checkpoint had."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000", "CLEW_CHECKPOINT_AFTER": "200"}
    with Lambda(tmp_path, ENDS, environ, timeout=30.0) as function:
        answer = function.invoke({"how": "well", "seconds": 1})
        exports = sink.traces()

    assert answer.result == b'"done"'
    first, last = ([span for scope in one.resource_spans[0].scope_spans for span in scope.spans] for one in exports)
    assert sorted(span.name for span in first) == sorted(span.name for span in last) == ["step", "transcribe"]
    assert {span.span_id for span in first} == {span.span_id for span in last}
    assert len(unfinished(first)) == 1
    assert unfinished(last) == []
    assert sink.lines() == ["begun"]


def wait_until(true: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


class Context:
    """What Lambda gives a function that has a minute."""

    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:transcribe"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def test_only_what_is_new_is_told_again(sink: Sink, trace: Any) -> None:
    """A handler that only waits is exported once, and once more for a line that it then prints."""
    printed = threading.Event()

    def handler(event: Any, context: Any) -> None:
        wait_until(lambda: len(sink.traces()) == 1)
        time.sleep(0.2)  # several checkpoints
        assert len(sink.traces()) == 1
        sys.stdout.write("news\n")
        wait_until(lambda: len(sink.traces()) == 2)
        printed.set()

    trace(handler, CLEW_CHECKPOINT_AFTER="10")({}, Context())

    assert printed.is_set()
    assert len(sink.traces()) == 3
    assert sink.lines() == ["news"]


def test_a_checkpoint_that_fails_loses_no_line(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector was down when it was tried: the last export has the line."""

    def handler(event: Any, context: Any) -> None:
        sys.stdout.write("kept\n")
        wait_until(lambda: len(sink.received) >= 1)
        sink.behaviour = "ok"

    from clew import exporting

    monkeypatch.setattr(exporting, "_FIRST_PAUSE", 0.0)
    sink.behaviour = "error"
    trace(handler, CLEW_CHECKPOINT_AFTER="10")({}, Context())
    wait_until(lambda: len(sink.traces()) >= 2)

    last = sink.spans()[-1]
    assert "clew.unfinished" not in attributes(last)
    assert sink.lines().count("kept") == 2  # the first was answered with an error


@pytest.mark.parametrize(("ratio", "exports"), [("0", 0), ("1", 2)])
def test_what_may_be_left_out_has_no_checkpoint(sink: Sink, trace: Any, ratio: str, exports: int) -> None:
    """With sampling, only an invocation that is kept however it ends is told of before."""

    def handler(event: Any, context: Any) -> None:
        time.sleep(0.3)

    traced = trace(handler, CLEW_CHECKPOINT_AFTER="0", CLEW_SAMPLE_RATIO=ratio, CLEW_SAMPLE_SLOW="60000")
    traced({}, Context())  # the first of its kind is kept
    from clew import engine

    running = engine._engine
    assert running is not None
    object.__setattr__(running.settings, "checkpoint_after", 0.01)
    sink.received.clear()
    traced({}, Context())

    assert len(sink.traces()) == exports


def test_a_short_invocation_has_none(sink: Sink, trace: Any) -> None:
    """Half a second is longer than most run."""
    traced = trace(lambda event, context: None)
    for _ in range(5):
        traced({}, Context())

    assert len(sink.traces()) == 5


def test_an_error_that_ends_a_thread_is_an_issue_of_the_invocation(tmp_path: Path, sink: Sink) -> None:
    """The invocation itself has not failed, and Python tells of the error as before."""
    code = """
import threading
import clew

def fails():
    raise ValueError("password=hunter2 is wrong")

def ends():
    raise SystemExit(1)

@clew.trace
def handler(event, context):
    for target in (fails, ends):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    return "done"
"""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
    with Lambda(tmp_path, code, environ) as function:
        answer = function.invoke({})

    assert answer.result == b'"done"'
    (span,) = sink.spans()
    (event,) = span.events
    assert span.status.code == 0
    assert event.name == "clew.issue"
    found = attributes(event)
    assert found["clew.issue.type"] == "thread error"
    assert found["clew.issue.message"] == "ValueError: password=**** is wrong"
    assert found["exception.type"] == "ValueError"
    assert "in fails" in found["exception.stacktrace"]
    assert "ValueError: password=hunter2 is wrong" in function.stderr
    assert "clew:" not in function.stderr


def test_the_functions_own_hook_for_threads_is_called(trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets what it would get without the tracer, and may be anything."""
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_value))

    def handler(event: Any, context: Any) -> None:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()

    trace(handler)({}, None)

    assert [type(error) for error in seen] == [ZeroDivisionError]


@pytest.mark.parametrize(
    ("left_ms", "known"), [([2990], [3000]), ([1400], [None]), ([1400, 2995, 1400], [None, 3000, 3000])]
)
def test_the_timeout_is_told_once_it_is_known(
    sink: Sink, trace: Any, left_ms: list[int], known: list[int | None]
) -> None:
    """Lambda never tells it. An invocation that begins with another INIT has less time than the function has."""
    traced = trace(lambda _event, _context: None)
    for left in left_ms:

        class Late(Context):
            def get_remaining_time_in_millis(self, left: int = left) -> int:
                return left

        traced({}, Late())

    assert [attributes(span).get("clew.lambda.timeout") for span in sink.spans()] == known


FROZEN = """
import sys, time
real = {name: getattr(time, name) for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter")}

def freeze(shift):
    # As freezegun does: wherever a module has one of Python's clocks, it gets one that stands still.
    still = {real[name]: (lambda now=real[name](): now) for name in real}
    for name in ("time", "time_ns"):
        at = real[name]() + shift * (10**9 if name == "time_ns" else 1)
        still[real[name]] = lambda at=at: at
    for module in [one for one in sys.modules.values() if one.__name__ not in ("threading", "__main__", "selectors")]:
        for name, value in list(vars(module).items()):
            if callable(value) and getattr(value, "__hash__", None) and value in still:
                changed.append((module, name, value))
                setattr(module, name, still[value])

def thaw():
    while changed:
        setattr(*changed.pop())

changed, sleep = [], time.sleep
import clew

@clew.trace
def handler(event, context):
    print("begun")
    freeze(event["shift"])
    assert sys.modules["clew.deadline"].time is not real["time"]
    sleep(event["seconds"])
    if event["thaws"]:
        thaw()
        sleep(event["seconds"])
    return "done"
"""


@pytest.mark.parametrize("shift", [-(10**9), 0, 10**9], ids=["the past", "now", "the future"])
@pytest.mark.parametrize("thaws", [True, False], ids=["within", "for good"])
def test_clocks_that_the_function_stops(tmp_path: Path, sink: Sink, shift: int, thaws: bool) -> None:
    """As its tests do: no invocation waits for the checkpoints' thread or fails, and each is exported whole."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000", "CLEW_CHECKPOINT_AFTER": "100"}
    with Lambda(tmp_path, FROZEN, environ, timeout=30.0) as function:
        answers = [function.invoke({"shift": shift, "thaws": thaws, "seconds": 0.3}) for _ in range(2)]
        assert function.process.poll() is None

    assert [answer.result for answer in answers] == [b'"done"'] * 2
    ended = [span for span in sink.spans() if span.kind == 2 and "clew.unfinished" not in attributes(span)]
    assert len({span.span_id for span in ended}) == 2
    assert all(attributes(span)["clew.return_value"] == '"done"' for span in ended)
