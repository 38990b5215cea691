"""Lines that a function prints while it is being imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tracer.runtime_api import Lambda
from tests.tracer.sink import Sink, attributes
from tests.tracer.test_handlers import python

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("nothing_outside")


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
