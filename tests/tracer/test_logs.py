"""Lines and records of an invocation."""

# ruff: noqa: T201  # the handlers print, because that is what is captured

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.tracer.runtime_api import Lambda
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("nothing_outside")


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


def test_lines_are_not_captured_when_switched_off(sink: Sink, trace: Any) -> None:
    """CLEW_CAPTURE_LOGS=false leaves what is printed alone."""
    trace(lambda event, context: print("x"), CLEW_CAPTURE_LOGS="false")({}, None)

    assert sink.lines() == []


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


JSON_FORMAT = """
import logging, clew
@clew.trace
def handler(event, context):
    logging.getLogger("shop").warning("paid %d", 5, extra={"order": 17, "token": "hunter2"})
"""


def test_lambdas_own_json_format(tmp_path: Path, sink: Sink) -> None:
    """The runtime writes it to a descriptor of its own, where its fields are only in what it formatted."""
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "CLEW_EXPORT_TIMEOUT": "5000",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
    }
    with Lambda(tmp_path, JSON_FORMAT, environ) as function:
        function.invoke({}, "request-1")
        function.invoke({}, "request-2")

    first, second = (json.loads(line) for line in sink.lines())
    assert (first["message"], first["order"], first["token"], first["requestId"]) == ("paid 5", 17, "****", "request-1")
    assert second["requestId"] == "request-2"
    assert {(record.severity_number, record.severity_text) for record in sink.records()} == {(13, "WARNING")}
