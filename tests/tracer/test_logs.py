"""Lines and records of an invocation."""

# ruff: noqa: T201  # the handlers print, because that is what is captured

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING, Any

from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    import pytest


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


def test_streams_are_let_go_after_an_invocation(sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between invocations nothing of the tracer is on a stream, but for what the function has wrapped in turn."""

    class Own:
        def write(self, text: str) -> int:
            return len(text)

        def writelines(self, lines: Any) -> None:
            """A stream that is no file."""

    file, own, kept = io.StringIO(), Own(), Own()
    kept_write = kept.write
    monkeypatch.setattr(kept, "write", kept_write)
    for name, stream in (("stdout", file), ("stderr", own)):
        monkeypatch.setattr(sys, name, stream)

    def handler(event: Any, context: Any) -> None:
        print("captured")
        monkeypatch.setattr(sys, "stderr", kept)

    traced = trace(handler)
    assert "write" not in vars(file)
    traced({}, None)
    traced({}, None)
    assert (vars(file), vars(own), vars(kept)) == ({}, {}, {"write": kept_write})

    def wraps(event: Any, context: Any) -> None:
        write = file.write
        monkeypatch.setattr(file, "write", lambda text: write(text.upper()))
        print("in capitals")

    trace(wraps)({}, None)
    trace(handler)({}, None)

    assert file.getvalue() == "captured\ncaptured\nIN CAPITALS\nCAPTURED\n"
    assert sink.lines() == ["captured", "captured", "IN CAPITALS", "CAPTURED"]
