"""Invocations that run when they are heard of, and those that failed before they ran."""

from __future__ import annotations

import struct

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.domain.facts import Facts, Initialization, Result
from collector.domain.intake import read_traces
from tests.collector.domain.otlp import (
    MS,
    RECEIVED_MS,
    SECOND,
    START_NS,
    Attributes,
    call,
    exception,
    export,
    invocation,
    resource,
    span,
)

OPEN = {"clew.unfinished": True}
DAY_NS = 86_400 * SECOND


def read(*spans: Span, described: Attributes | None = None) -> Facts:
    return read_traces(export(resource=described, spans=spans), received_ms=RECEIVED_MS).facts


def test_an_open_invocation_runs() -> None:
    """Neither a failure nor an issue; its open call is neither, and is remembered with its deadline."""
    facts = read(
        invocation(id=1, duration=500 * MS, attrs={**OPEN, "clew.lambda.deadline": START_NS + 3 * SECOND}),
        call("S3.GetObject", id=2, parent=1),
        call("DynamoDB.PutItem", id=3, parent=1, start=20 * MS, attrs=OPEN),
    )
    (row,) = facts.invocations
    assert (row.finished, row.result, row.span_result, row.calls, row.call_errors) == (
        False,
        Result.RUNNING,
        Result.RUNNING,
        2,
        0,
    )
    assert [(found.running, found.error_type) for found in facts.calls] == [(False, None), (True, None)]
    assert (facts.issues, facts.occurrences) == ([], [])
    (kept,) = facts.unfinished
    assert (kept.deadline_ns, kept.culprit) == (START_NS + 3 * SECOND, "DynamoDB.PutItem")
    assert list(struct.iter_unpack(">qq", kept.calls)) == [(START_NS + 20 * MS, 3)]


@pytest.mark.parametrize(
    ("said", "deadline_ns"),
    [
        (None, START_NS + 3 * SECOND),  # the time limit
        (1, START_NS),
        (2**62, START_NS + DAY_NS),
        ("soon", START_NS + 3 * SECOND),
    ],
)
def test_a_deadline_that_cannot_be(said: object, deadline_ns: int) -> None:
    (kept,) = read(invocation(attrs={**OPEN, "clew.lambda.deadline": said})).unfinished
    assert kept.deadline_ns == deadline_ns


def test_without_a_limit_an_invocation_ends_after_a_quarter_of_an_hour() -> None:
    """Any other service's may run for ever."""
    (kept,) = read(invocation(attrs={**OPEN, "clew.lambda.timeout": None})).unfinished
    assert kept.deadline_ns == START_NS + 900 * SECOND
    job = span("nightly", kind=Span.SPAN_KIND_SERVER, attrs=OPEN)
    (kept,) = read(job, described={"service.name": "jobs"}).unfinished
    assert kept.deadline_ns is None


def test_a_timeout_is_none_that_runs() -> None:
    facts = read(invocation(attrs={**OPEN, "error.type": "Sandbox.Timedout"}, error="Task timed out"))
    assert (facts.invocations[0].result, facts.unfinished) == (Result.TIMEOUT, [])


def test_an_open_call_of_an_ended_invocation_never_returned() -> None:
    facts = read(invocation(id=1, error="boom"), call("S3.GetObject", parent=1, attrs=OPEN))
    assert (facts.calls[0].error_type, facts.invocations[0].call_errors) == ("Unfinished", 1)


def test_many_open_calls_are_bounded() -> None:
    spans = [call("S3.GetObject", id=number, parent=1, attrs=OPEN) for number in range(2, 500)]
    (kept,) = read(invocation(id=1, attrs=OPEN), *spans).unfinished
    assert len(kept.calls) == 64 * 16


def test_an_initialization_that_failed() -> None:
    """It has no request and no trigger, and its issue is that of its error."""
    facts = read(
        span(
            "audio-to-text",
            kind=Span.SPAN_KIND_SERVER,
            id=1,
            attrs={"clew.lambda.phase": "init", "error.type": "ImportModuleError", "faas.coldstart": True},
            error="Unable to import module 'app': No module named 'yaml'",
            events=[exception("Runtime.ImportModuleError", "Unable to import module 'app': No module named 'yaml'")],
        )
    )
    (row,) = facts.invocations
    assert (row.result, row.request_id, row.trigger, row.trigger_resource_id) == (Result.INIT_FAILED, None, "", None)
    assert [found.type for found in facts.issues] == ["ImportModuleError"]
    assert facts.link_keys == []


@pytest.mark.parametrize(
    ("said", "initialization", "cold"),
    [
        (None, None, True),
        ("on-demand", Initialization.ON_DEMAND, True),
        ("provisioned-concurrency", Initialization.PROVISIONED, False),
        ("snap-start", Initialization.SNAP_START, False),
        ("proactive", Initialization.PROACTIVE, False),
        ("something new", None, True),
        (7, None, True),
    ],
)
def test_only_on_demand_is_a_cold_start(said: object, initialization: Initialization | None, cold: bool) -> None:
    attrs = {"faas.coldstart": True, "clew.lambda.initialization_type": said, "clew.lambda.init_duration": 300.0}
    (row,) = read(invocation(attrs=attrs)).invocations
    assert (row.initialization, row.cold_start, row.init_ns) == (initialization, cold, 300 * MS if cold else None)


@pytest.mark.parametrize(
    ("size", "failed", "expected"),
    [
        (10, ["a", "b", "c"], (10, 3)),
        (10, [], (10, 0)),
        (10, None, (10, None)),
        (None, None, (None, None)),
        (2**62, "a", (1_000_000, None)),
        (-1, ["a"], (None, 1)),
    ],
)
def test_records_that_were_given_back(size: object, failed: object, expected: tuple[int | None, int | None]) -> None:
    """Handled, so no failure."""
    (row,) = read(invocation(attrs={"clew.batch.size": size, "clew.batch.failed": failed})).invocations
    assert (row.batch_size, row.batch_failed) == expected
    assert row.result == (Result.HANDLED if expected[1] else Result.OK)


def test_the_memory_of_resources_is_for_prices() -> None:
    assert resource()["host.arch"] == "amd64"
    assert read(invocation()).invocations[0].architecture == "x86_64"


@pytest.mark.parametrize(
    ("waited_ms", "expected"), [(90_000, [90_000]), (0, [0]), (-5, []), (10**12, [366 * 86_400_000])]
)
def test_how_long_the_oldest_message_waited(waited_ms: int, expected: list[int]) -> None:
    """Of what a queue handed over; a message of the future says nothing."""
    queue = {"clew.trigger.type": "sqs", "clew.trigger.resource": "arn:aws:sqs:eu-west-1:123456789012:orders"}
    plain = read(invocation(attrs=queue))
    started_ns = plain.invocations[0].started_ns
    read_ages = read(invocation(attrs={**queue, "clew.batch.oldest": started_ns - waited_ms * 1_000_000})).ages
    assert plain.ages == []
    assert [age.age_ms for age in read_ages] == expected
    assert all(age.resource_id == plain.invocations[0].trigger_resource_id for age in read_ages)
