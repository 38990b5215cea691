from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.domain.annotations import MAX_ISSUES, MAX_TAGS, tag_text
from collector.domain.facts import Facts, IssueKind, Result
from collector.domain.intake import read_traces
from tests.collector.domain.otlp import RECEIVED_MS, START_NS, attributes, call, export, invocation


def read(*spans: Span) -> Facts:
    return read_traces(export(spans=spans), received_ms=RECEIVED_MS).facts


def issue(type: object, message: object = "m") -> Span.Event:
    said = {"clew.issue.type": type, "clew.issue.message": message}
    return Span.Event(name="clew.issue", time_unix_nano=START_NS, attributes=attributes(said))


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (True, "true"), (False, "false"), (42, "42"), (-1, "-1"), (0.5, "0.5"), (3.0, "3"), (1e300, "1e+300")],
)
def test_a_tag_is_text(value: str | float, text: str) -> None:
    """However it was set, it is searched for as it is read."""
    assert tag_text(value) == text


def test_tags_of_an_invocation() -> None:
    """With the function they are of; tags of other spans are no tags of the invocation."""
    facts = read(
        invocation(id=1, attrs={"clew.tag.customer": "acme", "clew.tag.paid": True, "clew.tag.": "no key"}),
        call("S3.GetObject", parent=1, attrs={"clew.tag.customer": "other"}),
    )
    (row,) = facts.invocations
    assert {(tag.key, tag.value) for tag in facts.tags} == {("customer", "acme"), ("paid", "true")}
    assert {tag[:2] + tag[4:] for tag in facts.tags} == {(row.started_ns, row.span_id, row.function_id)}


def test_tags_are_bounded() -> None:
    """In number and length; NUL, which PostgreSQL cannot hold, is replaced."""
    attrs = {f"clew.tag.{'k' * 200}{number}": "v\0" * 400 for number in range(3)}
    (tag,) = read(invocation(attrs=attrs)).tags
    assert (len(tag.key), len(tag.value), "\0" in tag.value) == (128, 256, False)
    many = read(invocation(attrs={f"clew.tag.{number}": number for number in range(500)}))
    assert len(many.tags) == MAX_TAGS


def test_a_reported_issue_is_no_failure() -> None:
    """It has an issue and an occurrence, and the invocation succeeds."""
    facts = read(invocation(id=1, events=[issue("LowStock", "7 left\nof 100"), issue("LowStock", "6 left")]))
    (row,) = facts.invocations
    assert (row.result, row.reported_issues) == (Result.OK, 1)
    ((found,), (occurrence,)) = facts.issues, facts.occurrences
    assert (found.kind, found.type, found.message, found.culprit) == (IssueKind.REPORTED, "LowStock", "6 left", None)
    assert (occurrence.issue_id, occurrence.span_id) == (found.id, 1)


def test_a_failed_invocation_may_report_issues_too() -> None:
    """Both are told apart, also where they are called alike."""
    facts = read(invocation(id=1, attrs={"error.type": "LowStock"}, error="x", events=[issue("LowStock", "x")]))
    assert [found.kind for found in facts.issues] == [IssueKind.FAILURE, IssueKind.REPORTED]
    assert len({found.id for found in facts.issues}) == 2


def test_reported_issues_are_bounded_and_need_no_words() -> None:
    """A hostile function fills no table."""
    facts = read(invocation(events=[issue(str(number)) for number in range(500)]))
    assert (len(facts.issues), facts.invocations[0].reported_issues) == (MAX_ISSUES, MAX_ISSUES)
    (nameless,) = read(invocation(events=[issue(["?"], {})])).issues
    assert (nameless.type, nameless.message) == ("Issue", "")
