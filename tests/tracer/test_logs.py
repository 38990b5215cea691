"""Lines and records of an invocation."""

# ruff: noqa: T201  # the handlers print, because that is what is captured

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from clew import logs
from tests.tracer.runtime_api import Lambda
from tests.tracer.sink import Sink, attributes
from tests.tracer.test_handlers import python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_outside() -> None:
    """Lines that other tests printed outside of invocations are not these tests'."""
    vars(logs._outside).update(vars(logs._Outside()))


def test_printed_and_logged_lines_arrive_once_in_order(sink: Sink, trace: Any) -> None:
    """Pieces of a line are put together, and a handler that prints its records does not double them."""
    logger = logging.getLogger("printing")
    logger.addHandler(logging.StreamHandler(sys.stdout))
    logger.setLevel(logging.INFO)

    def handler(event: Any, context: Any) -> None:
        print("a", 1, end="")
        print("b\nc")
        logger.info("logged %s", "x")
        print("to stderr", file=sys.stderr)
        sys.stdout.write("no end")

    trace(handler)({}, None)

    assert sorted(sink.lines()) == sorted(["a 1b", "c", "logged x", "to stderr", "no end"])
    streams = {record.body.string_value: attributes(record).get("log.iostream") for record in sink.records()}
    assert streams == {"a 1b": "stdout", "c": "stdout", "logged x": None, "to stderr": "stderr", "no end": "stdout"}
    (span,) = sink.spans()
    assert {record.span_id for record in sink.records()} == {span.span_id}


def test_a_line_of_many_pieces_costs_no_more_for_each(sink: Sink, trace: Any) -> None:
    """At a millisecond for each of them these dots would take minutes."""

    def handler(event: Any, context: Any) -> None:
        for _ in range(200_000):
            sys.stdout.write(".")
        sys.stdout.write("\nnext\n")

    trace(handler)({}, None)

    (dots, following) = sink.lines()
    assert dots.startswith("." * 16_000)
    assert len(dots) < 20_000
    assert following == "next"


def test_what_a_handlers_filter_takes_out_of_a_record_is_not_exported(sink: Sink, trace: Any) -> None:
    """What went wrong is, as long as the record told it when it was logged."""

    class Redacting(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            record.msg, record.args = "ssn is gone", ()
            record.exc_info = None
            return True

    logger = logging.getLogger("redacting")
    own = logging.StreamHandler(io.StringIO())
    own.addFilter(Redacting())
    logger.addHandler(own)

    def handler(event: Any, context: Any) -> None:
        try:
            int("why")
        except ValueError:
            logger.exception("ssn is %s", "078-05-1120")

    trace(handler)({}, None)

    (record,) = sink.records()
    assert record.body.string_value == "ssn is gone"
    assert attributes(record)["exception.type"] == "ValueError"


def test_a_logged_exception_has_its_stack(sink: Sink, trace: Any) -> None:
    """`logging.exception` keeps type, message and stack beside the line."""

    def handler(event: Any, context: Any) -> None:
        try:
            int("inner")
        except ValueError:
            logging.getLogger("x").exception("outer")

    trace(handler)({}, None)

    (record,) = sink.records()
    found = attributes(record)
    assert (record.body.string_value, record.severity_text, record.severity_number) == ("outer", "ERROR", 17)
    assert (found["exception.type"], found["exception.message"]) == (
        "ValueError",
        "invalid literal for int() with base 10: 'inner'",
    )
    assert "in handler" in found["exception.stacktrace"]


def test_lines_are_masked_and_bounded(sink: Sink, trace: Any) -> None:
    """JSON lines are masked by key; a thousand lines are kept, and the rest is counted."""

    def handler(event: Any, context: Any) -> None:
        print('{"level": "INFO", "password": "hunter2"}')
        print("x" * 50_000)
        for number in range(1500):
            print(number)

    trace(handler)({}, None)

    lines = sink.lines()
    assert lines[0] == '{"level":"INFO","password":"****"}'
    assert lines[1].endswith("…[cut: 50000 bytes]")
    assert len(lines) == 1000
    assert attributes(sink.spans()[0])["clew.dropped.log_records"] == 502


def test_streams_stay_themselves(trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """sys.stdout is the object that it was, and one that the function puts in its place is written to as well."""
    own = io.StringIO()

    def handler(event: Any, context: Any) -> Any:
        monkeypatch.setattr(sys, "stdout", own)
        print("own")
        return sys.stdout

    before = sys.stdout
    traced = trace(handler)
    assert sys.stdout is before
    assert traced({}, None) is own
    assert own.getvalue() == "own\n"


def test_lines_are_not_captured_when_switched_off(sink: Sink, trace: Any) -> None:
    """CLEW_CAPTURE_LOGS=false leaves what is printed alone."""
    trace(lambda event, context: print("x"), CLEW_CAPTURE_LOGS="false")({}, None)

    assert sink.lines() == []


def test_a_stream_is_wrapped_once(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the function wraps in turn stays wrapped, and what it puts back is captured again."""
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    original = file.write

    def handler(event: Any, context: Any) -> None:
        print(event)

    traced = trace(handler)
    traced("one", None)
    ours = file.write
    traced("two", None)
    assert file.write is ours

    monkeypatch.setattr(file, "write", lambda text: ours(text.upper()))
    traced("three", None)
    traced("four", None)
    monkeypatch.setattr(file, "write", original)
    traced("five", None)

    assert file.getvalue() == "one\ntwo\nTHREE\nFOUR\nfive\n"
    assert sink.lines() == ["one", "two", "THREE", "FOUR", "five"]


def test_a_stream_that_was_replaced_is_let_go(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours is on it, so that it ends, and a file is flushed, when the function lets go of it."""

    class File(io.StringIO):
        pass

    file, other, wrapped = File(), File(), File()
    own = wrapped.write
    wrapped.write = own  # type: ignore[method-assign]
    traced = trace(lambda event, context: print(event))
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # put back in the end
    for number, stream in enumerate([file, wrapped, other, file]):
        sys.stdout = stream
        traced(number, None)
        assert "write" in vars(stream)

    assert vars(other) == {}
    assert vars(wrapped) == {"write": own}
    assert [stream.getvalue() for stream in (file, wrapped, other)] == ["0\n3\n", "1\n", "2\n"]
    assert sink.lines() == ["0", "1", "2", "3"]
    gone = weakref.ref(other)
    del other, stream
    assert gone() is None


def test_a_stream_of_any_class_is_captured(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One without `writelines`, one that writes to another, and one that nothing can be put on."""
    told: list[str] = []

    class Plain:
        def write(self, text: str) -> int:
            told.append(text)
            return len(text)

    class Tee:
        def __init__(self, *streams: Any) -> None:
            self.streams = streams

        def write(self, text: str) -> None:
            for stream in self.streams:
                stream.write(text)

        def writelines(self, lines: Any) -> None:
            for line in lines:
                self.write(line)

    class Slotted:
        __slots__ = ()

        def write(self, text: str) -> None:
            told.append(text)

    plain = Plain()
    monkeypatch.setattr(sys, "stderr", plain)
    monkeypatch.setattr(sys, "stdout", Tee(plain, plain))

    def handler(event: Any, context: Any) -> None:
        sys.stdout.write("twice\n")
        sys.stdout.writelines(line for line in ("a\n", "b\n"))
        sys.stderr.write("once\n")

    trace(handler)({}, None)
    monkeypatch.setattr(sys, "stdout", Slotted())
    trace(lambda event, context: print("not seen"))({}, None)

    assert told == [*["twice\n"] * 2, *["a\n"] * 2, *["b\n"] * 2, "once\n", "not seen", "\n"]
    assert sink.lines() == ["twice", "a", "b", "once"]


def test_raw_writes_are_lines(sink: Sink, trace: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Past `sys.stdout`: to its buffer, to the descriptors and to the stream below; each line once, as it was."""

    def handler(event: Any, context: Any) -> list[Any]:
        results = [
            sys.stdout.buffer.write("to the büffer\n".encode()),
            os.write(1, memoryview(b"to stdout")),
            os.write(1, b"'s end\n"),
            os.write(2, bytearray(b"bad \xff byte\n")),
            os.write(1, "ä".encode()[:1]),
            os.write(1, "ä\n".encode()[1:]),
        ]
        sys.stdout.flush()
        print("printed", flush=True)
        assert sys.__stdout__ is not None
        sys.__stdout__.write("below\n")
        sys.__stdout__.flush()
        return results

    assert trace(handler)({}, None) == [15, 9, 7, 11, 1, 2]

    assert sorted(sink.lines()) == sorted(
        ["to the büffer", "to stdout's end", "bad \ufffd byte", "ä", "printed", "below"]
    )
    streams = {record.body.string_value: attributes(record)["log.iostream"] for record in sink.records()}
    assert [line for line, stream in streams.items() if stream == "stderr"] == ["bad \ufffd byte"]


def test_other_descriptors_are_no_lines(sink: Sink, trace: Any) -> None:
    """`os.write` to a file or a pipe, and its errors, are the function's own."""

    def handler(event: Any, context: Any) -> bytes:
        reader, writer = os.pipe()
        os.write(writer, b"through a pipe\n")
        os.close(writer)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(writer, b"x")
        with pytest.raises(TypeError):
            os.write(1, "text")  # type: ignore[arg-type]
        with os.fdopen(reader, "rb") as file:
            return file.read()

    assert trace(handler)({}, None) == b"through a pipe\n"
    assert sink.lines() == []
    assert pickle.loads(pickle.dumps(os.write)) is os.write


SHAPES = {
    "lambda": ({"timestamp": "2026-11-21T10:00:00Z", "level": "WARN", "message": "m", "requestId": "r"}, 13, "WARN"),
    "powertools": ({"level": "ERROR", "location": "h:1", "message": {"a": 1}, "service": "s"}, 17, "ERROR"),
    "python-json-logger": ({"message": "m", "levelname": "CRITICAL", "taskName": None}, 21, "CRITICAL"),
    "structlog": ({"event": "m", "level": "info", "timestamp": "t"}, 9, "info"),
    "loguru": ({"text": "m\n", "record": {"level": {"name": "SUCCESS", "no": 25}, "message": "m"}}, 10, "SUCCESS"),
    "elastic": ({"@timestamp": "t", "log.level": "debug", "message": "m"}, 5, "debug"),
    "nested": ({"log": {"level": "fatal"}, "message": "m"}, 21, "fatal"),
    "google": ({"severity": "NOTICE", "message": "m"}, 10, "NOTICE"),
    "number": ({"level": 40, "msg": "m"}, 17, "ERROR"),
    "own level": ({"level": "AUDIT", "message": "m"}, 0, "AUDIT"),
    "no level": ({"level": None, "message": "m"}, 0, ""),
    "odd level": ({"level": [1], "severity": True}, 0, ""),
    "long level": ({"level": "x" * 100}, 0, "x" * 32),
    "huge level": ({"level": 10**400}, 21, ""),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_json_line_tells_its_level(sink: Sink, trace: Any, shape: str) -> None:
    """Whatever the logger calls it. The body is the whole line."""
    fields, severity, level = SHAPES[shape]
    line = json.dumps(fields)

    trace(lambda event, context: print(line))({}, None)

    (record,) = sink.records()
    assert (record.severity_number, record.severity_text) == (severity, level)
    assert record.body.string_value == line


def test_records_that_are_written_as_json_keep_their_fields(sink: Sink, trace: Any) -> None:
    """A formatter's line is the body, where it is JSON: with the fields that the message does not tell, masked."""

    class Json(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return json.dumps({"level": record.levelname, "message": record.getMessage(), **vars(record)["more"]})

    logger = logging.getLogger("json")
    logger.propagate = False
    handler_to_stdout = logging.StreamHandler(sys.stdout)
    handler_to_stdout.setFormatter(Json())
    logger.addHandler(handler_to_stdout)

    def handler(event: Any, context: Any) -> None:
        logger.error("paid %d", 5, extra={"more": {"order": 17, "card_token": "hunter2"}})

    try:
        trace(handler)({}, None)
    finally:
        logger.removeHandler(handler_to_stdout)

    (record,) = sink.records()
    assert json.loads(record.body.string_value) == {
        "level": "ERROR",
        "message": "paid 5",
        "order": 17,
        "card_token": "****",
    }
    assert (record.severity_number, record.severity_text) == (17, "ERROR")


def test_a_thread_left_over_keeps_its_invocation(sink: Sink, trace: Any, capfd: Any) -> None:
    """What it prints between invocations is a line of the one that ended, exported with the next."""
    go, done = threading.Event(), threading.Event()

    def late() -> None:
        go.wait(30)
        print("late")
        logging.getLogger("left").error("late too")
        done.set()

    def handler(event: Any, context: Any) -> None:
        if event == 1:
            threading.Thread(target=late).start()
        print("line", event)

    traced = trace(handler)
    traced(1, None)
    go.set()
    assert done.wait(30)
    print("of the program")  # the main thread's own
    traced(2, None)

    first, second = sink.spans()
    ids = {record.body.string_value: (record.trace_id, record.span_id) for record in sink.records()}
    assert ids == {
        "line 1": (first.trace_id, first.span_id),
        "late": (first.trace_id, first.span_id),
        "late too": (first.trace_id, first.span_id),
        "line 2": (second.trace_id, second.span_id),
    }


def test_lines_outside_of_invocations_are_bounded(sink: Sink, trace: Any) -> None:
    """A hundred are kept for the next export, and the rest is counted."""

    def late() -> None:
        for number in range(150):
            print("late", number)

    traced = trace(lambda event, context: None)
    traced({}, None)
    thread = threading.Thread(target=late)
    thread.start()
    thread.join()
    traced({}, None)

    assert sink.lines() == [f"late {number}" for number in range(100)]
    assert attributes(sink.spans()[1])["clew.dropped.log_records"] == 50


INIT = """
import logging, os, sys
print("before")
import clew
print("printed")
sys.stderr.write("to stderr\\n")
os.write(1, b'{"level": "WARN", "password": "hunter2"}\\n')
logging.getLogger("init").error("logged")
print('[CLEW] {"tags": {"a": "b"}}')
@clew.trace
def handler(event, context):
    print("in", event)
print("no end", end="")
"""


def test_lines_of_init_go_out_with_the_first_invocation(tmp_path: Path, sink: Sink) -> None:
    """From the import of clew on, marked, and at their own times; those before an invocation are no tags of it."""
    with Lambda(tmp_path, INIT, {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}) as function:
        function.invoke(1)
        function.invoke(2)
        output = function.stdout

    lines = {
        record.body.string_value: (attributes(record).get("clew.lambda.phase"), record.severity_number)
        for record in sink.records()
    }
    assert lines == {
        "printed": ("init", 0),
        "to stderr": ("init", 0),
        '{"level":"WARN","password":"****"}': ("init", 13),
        "logged": ("init", 17),
        '[CLEW] {"tags": {"a": "b"}}': ("init", 0),
        "no end": ("init", 0),
        "in 1": (None, 0),
        "in 2": (None, 0),
    }
    first, _ = sorted(sink.spans(), key=lambda span: span.start_time_unix_nano)
    early = {
        record.body.string_value: record for record in sink.records() if attributes(record).get("clew.lambda.phase")
    }
    assert {record.span_id for record in early.values()} == {first.span_id}
    del early["no end"]  # which ends with INIT
    assert all(record.time_unix_nano < first.start_time_unix_nano for record in early.values())
    assert "clew.tag.a" not in attributes(first)
    assert output.startswith("before\nprinted\n")


def test_lines_of_an_init_that_fails(tmp_path: Path, sink: Sink) -> None:
    """They go out with the failure, and belong to it."""
    code = "import clew\nprint('reading the settings')\nopen('/nowhere')\n"
    with Lambda(tmp_path, code, {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}) as function:
        function.process.wait(timeout=60)

    (span,) = sink.wait_for_spans(1)
    assert "reading the settings" in sink.lines()  # and what the runtime says of the failure
    assert {record.span_id for record in sink.records()} == {span.span_id}
    assert {attributes(record)["clew.lambda.phase"] for record in sink.records()} == {"init"}


def test_init_of_a_snapshot_and_of_an_untraced_function(tmp_path: Path, sink: Sink) -> None:
    """A snapshot's lines were printed once, not by each environment restored from it; switched off, none is taken."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "AWS_LAMBDA_FUNCTION_NAME": "f"}
    call = "\nhandler(1, None)\nprint(type(sys.stdout.write).__name__)\n"
    for more in (
        {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"},
        {"CLEW_DISABLED": "true"},
        {"CLEW_CAPTURE_LOGS": "false"},
    ):
        done = python(tmp_path, INIT + call, **environ, **more)
        wrapped = "function" if "AWS_LAMBDA_INITIALIZATION_TYPE" in more else "builtin_function_or_method"
        assert done.stdout.endswith(f"in 1\n{wrapped}\n")
    assert sink.lines() == ["in 1"]


JSON_FORMAT = """
import logging, clew
@clew.trace
def handler(event, context):
    logging.getLogger("shop").warning("paid %d", 5, extra={"order": 17, "token": "hunter2"})
"""


def test_lambdas_own_json_format(tmp_path: Path, sink: Sink) -> None:
    """The runtime writes it to a descriptor of its own, where its fields are only in what it formatted."""
    read_end, write_end = os.pipe()
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "CLEW_EXPORT_TIMEOUT": "5000",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
    }
    os.close(read_end)
    os.close(write_end)
    with Lambda(tmp_path, JSON_FORMAT, environ) as function:
        function.invoke({}, "request-1")
        function.invoke({}, "request-2")

    first, second = (json.loads(line) for line in sink.lines())
    assert (first["message"], first["order"], first["token"], first["requestId"]) == ("paid 5", 17, "****", "request-1")
    assert second["requestId"] == "request-2"
    assert {(record.severity_number, record.severity_text) for record in sink.records()} == {(13, "WARNING")}


def test_printing_while_the_interpreter_ends(tmp_path: Path, sink: Sink) -> None:
    """Objects that print when they are destroyed last do so without a word of ours."""
    code = """
import sys, clew
class Last:
    def __del__(self):
        print("last")
        sys.stdout.flush()
sys.last = Last()
clew.kept = Last()
@clew.trace
def handler(event, context):
    print("line")
handler({}, None)
"""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "AWS_LAMBDA_FUNCTION_NAME": "f"}
    done = python(tmp_path, code, **environ)
    untraced = python(tmp_path, code, **environ, CLEW_DISABLED="true")

    assert (done.stdout, done.stderr, done.returncode) == (untraced.stdout, "", 0)
    assert untraced.stdout.startswith("line\nlast\n")
    assert sink.lines() == ["line"]
