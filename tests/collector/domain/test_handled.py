"""Errors that an invocation dealt with: shown, and no failures."""

from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.domain.facts import FAILED, Facts, IssueKind, Result
from collector.domain.intake import read_traces
from tests.collector.domain.otlp import MS, RECEIVED_MS, call, exception, export, invocation, resource

HTTP = {"clew.trigger.type": "apigateway"}


def read(*spans: Span, sender: dict[str, object] | None = None) -> Facts:
    return read_traces(export(resource=sender or resource(), spans=spans), received_ms=RECEIVED_MS).facts


def issues(facts: Facts) -> list[tuple[IssueKind, str, str, str | None]]:
    assert [row.issue_id for row in facts.occurrences] == [issue.id for issue in facts.issues]
    row = facts.invocations[0]
    assert {(found.started_ns, found.span_id) for found in facts.occurrences} <= {(row.started_ns, row.span_id)}
    return [(IssueKind(issue.kind), issue.type, issue.message, issue.culprit) for issue in facts.issues]


def test_an_answer_of_5xx_is_no_failure() -> None:
    """The handler returned it."""
    facts = read(invocation(id=1, attrs=HTTP | {"error.type": "503"}, error=""))
    (row,) = facts.invocations
    assert (row.result, row.span_result) == (Result.HANDLED, Result.HANDLED)
    assert row.result not in FAILED
    assert issues(facts) == [(IssueKind.HANDLED, "HTTP 503", "It answered 503", None)]


@pytest.mark.parametrize("name", ["http.response.status_code", "http.status_code"])
def test_other_instrumentations_call_it_well(name: str) -> None:
    """They tell the status and set no error."""
    facts = read(invocation(id=1, attrs={"faas.trigger": "http", name: 502}))
    assert facts.invocations[0].result == Result.HANDLED
    assert issues(facts) == [(IssueKind.HANDLED, "HTTP 502", "It answered 502", None)]
    assert read(invocation(attrs={"faas.trigger": "http", name: 404})).invocations[0].result == Result.OK
    assert read(invocation(attrs={"faas.trigger": "pubsub", name: 502})).invocations[0].result == Result.OK


def test_what_was_raised_is_a_failure_whatever_the_status() -> None:
    """The status is then Lambda's."""
    raised = invocation(id=1, attrs=HTTP | {"error.type": "502"}, error="", events=[exception("KeyError", "'x'")])
    facts = read(raised)
    assert facts.invocations[0].result == Result.ERROR
    assert issues(facts) == [(IssueKind.FAILURE, "KeyError", "'x'", None)]


@pytest.mark.parametrize("type", ["5000", "50", "404", "5xx", "٥٠٣", "ValueError"])
def test_what_is_no_such_status_is_a_failure(type: str) -> None:
    facts = read(invocation(id=1, attrs=HTTP | {"error.type": type}, error=""))
    assert facts.invocations[0].result == Result.ERROR
    assert facts.issues[0].kind == IssueKind.FAILURE


def test_a_service_fails_by_its_answer() -> None:
    """Nothing else tells that it failed."""
    attrs: dict[str, object] = {
        "faas.invocation_id": None,
        "cloud.resource_id": None,
        "http.request.method": "GET",
        "error.type": "503",
    }
    sender = resource("shop", faas__name=None, cloud__platform=None)
    facts = read(invocation(id=1, attrs=attrs, error=""), sender=sender)
    assert facts.functions[0].kind == "service"
    assert facts.invocations[0].result == Result.ERROR
    assert issues(facts) == [(IssueKind.FAILURE, "HTTP 503", "It answered 503", None)]


def test_records_that_were_given_back() -> None:
    """One issue, however many they are."""
    one = read(invocation(attrs={"clew.batch.size": 10, "clew.batch.failed": ["a", "b", "c"]}))
    other = read(invocation(attrs={"clew.batch.failed": ["a"]}))
    assert issues(one) == [(IssueKind.HANDLED, "Records given back", "3 of 10 records", None)]
    assert issues(other) == [(IssueKind.HANDLED, "Records given back", "Records: 1", None)]
    assert one.issues[0].id == other.issues[0].id


def test_a_call_that_failed_and_was_caught() -> None:
    """One issue for each resource, operation and error, with the last message; a call that is still open is none."""
    facts = read(
        invocation(id=1),
        call("S3.HeadObject", parent=1, name="uploads", error="first", error_type="404"),
        call("S3.HeadObject", parent=1, name="uploads", start=MS, error="last", error_type="404"),
        call("S3.HeadObject", parent=1, name="others", start=2 * MS, error="", error_type="404"),
        call("S3.GetObject", parent=1, name="uploads", start=3 * MS, attrs={"clew.unfinished": True}),
        call("S3.GetObject", parent=1, name="uploads", start=4 * MS),
    )
    assert facts.invocations[0].result == Result.HANDLED
    assert issues(facts) == [
        (IssueKind.CALL, "HTTP 404", "last", "S3.HeadObject (uploads)"),
        (IssueKind.CALL, "HTTP 404", "", "S3.HeadObject (others)"),
    ]


def test_a_call_that_failed_in_an_invocation_that_failed_is_no_issue_of_its_own() -> None:
    """The failure names it already."""
    facts = read(
        invocation(id=1, error="", events=[exception("NoSuchKey", "gone")]),
        call("S3.GetObject", parent=1, error="", error_type="NoSuchKey"),
    )
    assert issues(facts) == [(IssueKind.FAILURE, "NoSuchKey", "gone", "S3.GetObject")]


def test_an_invocation_that_runs_has_dealt_with_nothing_yet() -> None:
    facts = read(
        invocation(id=1, attrs={"clew.unfinished": True}),
        call("S3.GetObject", parent=1, error="", error_type="NoSuchKey"),
    )
    assert facts.invocations[0].result == Result.RUNNING
    assert facts.issues == []


def test_causes_are_bounded() -> None:
    """Of an invocation with hundreds of them."""
    calls = [
        call("S3.GetObject", id=100 + number, parent=1, name=f"bucket-{number}", error="", error_type="NoSuchKey")
        for number in range(80)
    ]
    assert len(read(invocation(id=1), *calls).issues) == 50


THROTTLED = {"clew.response": '{"Error":{"Code":"TooManyRequestsException"},"Reason": "CallerRateLimitExceeded"}'}


def test_an_invocation_that_lambda_refused() -> None:
    """It is told of the function that would have run, with the account of who called it."""
    facts = read(
        invocation(id=1),
        call("Lambda.Invoke", id=2, parent=1, name="thumb", error="no", error_type="TooManyRequestsException"),
        call("Lambda.Invoke", id=3, parent=1, name="thumb", error="slow", error_type="429", start=MS, attrs=THROTTLED),
        call("SQS.SendMessage", id=4, parent=1, name="jobs", error="", error_type="429"),
        call("Lambda.GetFunction", id=5, parent=1, name="thumb", error="", error_type="TooManyRequestsException"),
    )
    caller, refused = facts.functions[0], facts.functions[-1]
    assert (refused.kind, refused.account, refused.region, refused.name) == (
        "lambda",
        caller.account,
        caller.region,
        "thumb",
    )
    assert [(row.function_id, row.message, row.culprit) for row in facts.throttles] == [
        (refused.id, "no", "Invoke by audio-to-text"),
        (refused.id, "CallerRateLimitExceeded", "Invoke by audio-to-text"),
    ]
    assert {issue.kind for issue in facts.issues} == {IssueKind.CALL}


def test_a_function_that_is_named_by_its_arn_has_its_own_account() -> None:
    arn = "arn:aws:lambda:us-east-1:999999999999:function:thumb"
    failed = call(
        "Lambda.Invoke", parent=1, error="", error_type="TooManyRequestsException", attrs={"clew.resource.arn": arn}
    )
    refused = read(invocation(id=1), failed).functions[-1]
    assert (refused.account, refused.region, refused.name) == ("999999999999", "us-east-1", "thumb")
