"""An invocation that runs into its timeout is exported before the platform ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.deadline import margin
from tests.tracer.local import LocalFunctions
from tests.tracer.runtime_api import Lambda
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from pathlib import Path

HANGS = """
import threading, time
import boto3, clew

release = threading.Event()
client = boto3.client("sqs", endpoint_url="http://127.0.0.1:{port}")

@clew.trace
def handler(event, context):
    print("begun")
    if event["call"]:
        client.send_message(QueueUrl="http://127.0.0.1:{port}/123456789012/orders", MessageBody="x")
    time.sleep(event["seconds"])
    return "done"
"""


def test_an_invocation_that_times_out_is_exported_with_the_call_that_hangs(tmp_path: Path, sink: Sink) -> None:
    """With a second's timeout, the open spans and lines arrive before it, marked unfinished."""
    silent = Sink("hang")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
    try:
        with Lambda(tmp_path, HANGS.format(port=silent.port), environ, timeout=1.0) as function:
            function.invoke_without_answer({"call": True, "seconds": 30, "token": "hunter2"})
            invocation, call = sorted(sink.wait_for_spans(2), key=lambda span: span.kind)
            lines = sink.wait_for_lines(1)
    finally:
        silent.close()

    found = attributes(invocation)
    assert found["clew.unfinished"] is True
    assert found["error.type"] == "Sandbox.Timedout"
    assert found["clew.lambda.timeout"] == 1000
    assert 0 < found["clew.lambda.deadline"] - invocation.start_time_unix_nano < 1_500_000_000
    assert found["clew.event"] == '{"call":true,"seconds":30,"token":"****"}'
    assert invocation.status.message == "Task timed out after 1.00 seconds"
    assert 0 < invocation.end_time_unix_nano - invocation.start_time_unix_nano < 1_500_000_000
    assert call.name == "SQS.SendMessage"
    assert call.parent_span_id == invocation.span_id
    assert attributes(call)["clew.unfinished"] is True
    assert "orders" in attributes(call)["clew.request"]
    assert lines == ["begun"]


def test_an_invocation_that_ends_after_all_is_exported_again_complete(tmp_path: Path, sink: Sink) -> None:
    """The second export has the same id and start, no mark, and the lines that were not sent yet."""
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "CLEW_EXPORT_TIMEOUT": "5000",
        "CLEW_TIMEOUT_MARGIN": "2500",
    }
    with Lambda(tmp_path, HANGS.format(port=1), environ, timeout=3.0) as function:
        answer = function.invoke({"call": False, "seconds": 1.5})
        unfinished, finished = sink.spans()

    assert answer.result == b'"done"'
    assert unfinished.span_id == finished.span_id
    assert unfinished.start_time_unix_nano == finished.start_time_unix_nano
    assert attributes(unfinished)["clew.unfinished"] is True
    assert "clew.unfinished" not in attributes(finished)
    assert "error.type" not in attributes(finished)
    assert finished.status.code == 0
    assert sink.lines() == ["begun"]


def test_later_invocations_of_an_environment_are_watched_too(tmp_path: Path, sink: Sink) -> None:
    """One that ends in time is not reported as unfinished, and does not keep the next from being so."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "CLEW_EXPORT_TIMEOUT": "5000"}
    with Lambda(tmp_path, HANGS.format(port=1), environ, timeout=1.0) as function:
        for _ in range(3):
            function.invoke({"call": False, "seconds": 0})
        function.invoke_without_answer({"call": False, "seconds": 30})
        spans = sink.wait_for_spans(4)

    assert [attributes(span).get("clew.unfinished") for span in spans] == [None, None, None, True]


@pytest.mark.parametrize(
    ("remaining", "chosen", "expected"),
    [(1.0, None, 0.1), (3.0, None, 0.3), (900.0, None, 0.5), (3.0, 1.0, 1.0), (0.5, 1.0, 0.5)],
)
def test_the_margin_fits_the_timeout(remaining: float, chosen: float | None, expected: float) -> None:
    """Half a second, a tenth of a short run, or what the environment says."""
    assert margin(remaining, chosen) == pytest.approx(expected)


@pytest.mark.parametrize("extension", ["true", "false"])
def test_a_deep_event_where_the_function_has_small_stacks(tmp_path: Path, sink: Sink, extension: str) -> None:
    """Its own threads have them. The one that describes the event has room for it, at a checkpoint and at the end."""
    code = """
        import threading, time
        threading.stack_size(131072)
        import clew

        @clew.trace
        def handler(event, context):
            time.sleep(event["seconds"])
            return threading.stack_size(131072)
        """
    inner: object = 1
    for _ in range(900):
        inner = [inner]
    with LocalFunctions(tmp_path, sink, code, CLEW_CHECKPOINT_AFTER="100", CLEW_EXTENSION=extension) as functions:
        outcomes = [functions.invoke({"seconds": seconds, "inner": inner}) for seconds in (0, 1.0)]

    assert [outcome.value() for outcome in outcomes] == [131072, 131072]
    assert "clew:" not in functions.log
    assert {attributes(span)["clew.trigger.type"] for span in sink.spans()} == {"direct"}
