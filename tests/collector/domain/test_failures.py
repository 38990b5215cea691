"""Failures as they come out of whole exports: the issue is what a person reads first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.domain.facts import Facts, Result
from collector.domain.intake import read_traces
from collector.domain.spans import CLIENT
from tests.collector.domain.otlp import MS, RECEIVED_MS, Attributes, call, exception, export, invocation, resource, span

TRANSCRIBE = (
    "An error occurred (BadRequestException) when calling the StartTranscriptionJob operation: 1 validation error "
    "detected: Value 'my file.mp3' at 'transcriptionJobName' failed to satisfy constraint"
)
STACK = """Traceback (most recent call last):
  File "/var/task/app.py", line 12, in handler
    start(bucket, key)
  File "/var/task/botocore/client.py", line 1017, in _make_api_call
    raise error_class(parsed_response, operation_name)
"""


def read(*spans: Span) -> Facts:
    return read_traces(export(spans=spans), received_ms=RECEIVED_MS).facts


def failing(
    *calls: Span, attrs: Attributes | None = None, events: Sequence[Span.Event] = (), error: str = ""
) -> tuple[str, str, str | None]:
    """(type, message, culprit) of the issue of an invocation that failed."""
    facts = read(invocation(id=1, attrs=attrs, error=error, events=events), *calls)
    (issue,), (occurrence,) = facts.issues, facts.occurrences
    (row,) = facts.invocations
    assert (occurrence.issue_id, occurrence.span_id, occurrence.trace_id) == (issue.id, row.span_id, row.trace_id)
    assert (issue.function_id, issue.seen_ms) == (row.function_id, row.started_ns // MS)
    return issue.type, issue.message, issue.culprit


def test_the_failing_call_is_the_culprit() -> None:
    """The AWS error's code is the type, its first line the message, the call that raised it the culprit."""
    found = failing(
        call("S3.GetObject", parent=1, name="uploads"),
        call("Transcribe.StartTranscriptionJob", parent=1, error="no", error_type="BadRequestException"),
        events=[exception("botocore.errorfactory.BadRequestException", TRANSCRIBE + "\nmore", STACK)],
    )
    assert found == ("BadRequestException", TRANSCRIBE, "Transcribe.StartTranscriptionJob")


def test_two_file_names_are_one_issue() -> None:
    """The whole way from the exports: the same cause has the same id, another function another."""
    first = read(invocation(error="", events=[exception("X", TRANSCRIBE, STACK)]))
    other = TRANSCRIBE.replace("my file.mp3", "another one.mp3")
    second = read(invocation(error="", events=[exception("X", other, STACK.replace("line 12", "line 13"))]))
    elsewhere = export(
        resource=resource("other"), spans=[invocation(error="", events=[exception("X", TRANSCRIBE, STACK)])]
    )
    third = read_traces(elsewhere, received_ms=RECEIVED_MS).facts
    assert first.issues[0].id == second.issues[0].id != third.issues[0].id


def test_the_operation_decides_among_calls_that_failed_alike() -> None:
    """The message names the operation; a later call with the same code was handled."""
    found = failing(
        call("Transcribe.StartTranscriptionJob", parent=1, error="", error_type="BadRequestException"),
        call("Transcribe.GetTranscriptionJob", parent=1, start=MS, error="", error_type="BadRequestException"),
        events=[exception("BadRequestException", TRANSCRIBE)],
    )
    assert found[2] == "Transcribe.StartTranscriptionJob"


def test_of_equal_calls_the_last_is_to_blame_whatever_their_order_in_the_export() -> None:
    """Retries of the same call: the last that was made, not the last that was sent."""
    found = failing(
        call("B.Op", parent=1, start=5 * MS, error="", error_type="Throttled"),
        call("A.Op", parent=1, start=1 * MS, error="", error_type="Throttled"),
        events=[exception("Throttled", "slow down")],
    )
    assert found[2] == "B.Op"


def test_a_call_that_failed_otherwise_is_no_culprit() -> None:
    """A handled error of another kind does not explain the exception; the user's own line does."""
    found = failing(
        call("DynamoDB.PutItem", parent=1, error="", error_type="ConditionalCheckFailedException"),
        events=[exception("builtins.KeyError", "'name'", STACK)],
    )
    assert found == ("KeyError", "'name'", "app.py in handler")


def test_a_call_of_another_instrumentation_is_found_by_its_exception() -> None:
    """Instrumentations that set no `error.type` record the exception on the call's span."""
    failed = span(
        "DynamoDB.GetItem",
        kind=CLIENT,
        parent=1,
        attrs={"rpc.system": "aws-api", "rpc.service": "DynamoDB", "rpc.method": "GetItem"},
        error="",
        events=[exception("ResourceNotFoundException", "Requested resource not found")],
    )
    found = failing(failed, events=[exception("ResourceNotFoundException", "Requested resource not found")])
    assert found[2] == "DynamoDB.GetItem"


def test_the_last_exception_counts() -> None:
    """Earlier ones were recorded and handled."""
    found = failing(events=[exception("ValueError", "first"), exception("KeyError", "last")])
    assert found == ("KeyError", "last", None)


@pytest.mark.parametrize(
    ("attrs", "error", "expected"),
    [
        ({"error.type": "Runtime.ExitError"}, "it exited", ("ExitError", "it exited", None)),
        ({}, "just a status", ("Error", "just a status", None)),
        ({}, "", ("Error", "", None)),
    ],
)
def test_a_failure_without_an_exception(attrs: Attributes, error: str, expected: tuple[str, str, str | None]) -> None:
    """The error's type and the status' description have to do."""
    assert failing(attrs=attrs, error=error) == expected


def test_a_timeout_names_the_call_that_hung() -> None:
    """An invocation still open at its deadline timed out; the call that was still open is why."""
    facts = read(
        invocation(id=1, attrs={"clew.unfinished": True, "error.type": "Sandbox.Timedout"}, duration=2_900 * MS),
        call("DynamoDB.PutItem", parent=1, name="orders"),
        call("S3.GetObject", parent=1, name="uploads", start=MS, attrs={"clew.unfinished": True}),
    )
    assert facts.invocations[0].result == Result.TIMEOUT
    (issue,) = facts.issues
    assert (issue.type, issue.message, issue.culprit) == ("Timeout", "Task timed out", "S3.GetObject")


def test_a_timeout_that_was_reported_as_such() -> None:
    """AWS's error type of a timed-out invocation, with its message; the number of seconds makes no other issue."""
    timed_out = {"error.type": "Sandbox.Timedout"}
    one = read(invocation(attrs=timed_out, error="Task timed out after 3.00 seconds"))
    other = read(invocation(attrs=timed_out, error="Task timed out after 30.03 seconds"))
    assert one.invocations[0].result == Result.TIMEOUT
    assert one.issues[0].message == "Task timed out after 3.00 seconds"
    assert one.issues[0].id == other.issues[0].id


def test_an_invocation_that_went_well_has_no_issue() -> None:
    facts = read(invocation(id=1), call("S3.HeadObject", parent=1))
    assert (facts.issues, facts.occurrences, facts.invocations[0].result) == ([], [], Result.OK)


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (call("S3.GetObject", parent=1, error="", error_type="NoSuchKey"), "NoSuchKey"),
        (call("S3.GetObject", parent=1, attrs={"clew.unfinished": True}), "Unfinished"),
        (call("S3.GetObject", parent=1, attrs={"clew.unfinished": "true"}, error_type="Hung"), "Hung"),
        (call("S3.GetObject", parent=1, error="", attrs={"http.response.status_code": 503}), "503"),
        (call("S3.GetObject", parent=1, error="", attrs={"http.response.status_code": None}), "Error"),
        (call("S3.GetObject", parent=1), None),
    ],
)
def test_what_a_calls_failure_is_called(failed: Span, expected: str | None) -> None:
    """Its error type, else its exception, else its status, else just an error; None where it succeeded."""
    (row,) = read(invocation(id=1), failed).calls
    assert row.error_type == expected


def test_texts_of_a_failure_can_be_stored() -> None:
    """NUL, megabytes and nothing at all in type, message and stack trace."""
    huge = "\x00" * 1_000_000
    type, message, culprit = failing(events=[exception(huge, huge, f'File "{huge}", line 1, in x\x00')])
    assert "\x00" not in type + message + (culprit or "")
    assert (len(type), len(message)) == (256, 1_000)
