"""Issues beside failures: what was handled, refused, or nearly too much. In any order of arrival, each once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from collector.domain.facts import Facts, IssueKind, Result
from collector.domain.limits import Limits
from collector.store import tables
from collector.store.commit import Seen, write_facts
from tests.collector.domain.otlp import MS, call, export, invocation, resource
from tests.collector.store.lives import checkpoint, end, known, only, report, rows, store, sweep, traces


def kinds(database: Engine) -> list[IssueKind]:
    """Of all occurrences that are stored."""
    by_id = {id: IssueKind(kind) for id, kind in rows(database, tables.issues, "id", "kind")}
    return sorted(by_id[row[0]] for row in rows(database, tables.issue_occurrences, "issue_id"))


def sums(database: Engine) -> tuple[int, ...]:
    """Of the hours: invocations, errors, handled."""
    found = rows(database, tables.function_stats, "resolution", "invocations", "errors", "handled")
    return tuple(sum(row[index] for row in found if row[0] == 3600) for index in (1, 2, 3))


def occurrences(database: Engine) -> tuple[int, int]:
    """How many the hours count, and what they cost."""
    found = [
        row for row in rows(database, tables.issue_stats, "resolution", "occurrences", "cost_pd") if row[0] == 3600
    ]
    return sum(row[1] for row in found), sum(row[2] for row in found)


def answered(status: str = "503", *, used: int = 64) -> Facts:
    attrs = {
        "clew.trigger.type": "apigateway",
        "error.type": status,
        "clew.lambda.max_memory_used": used * 1_048_576,
        "clew.lambda.timeout": 3_000,
    }
    return traces(
        export(
            spans=[
                invocation(id=16, request="request-1", duration=2_800 * MS, attrs=attrs, error=""),
                call("S3.GetObject", id=17, parent=16, name="a", error="", error_type="NoSuchKey", start=MS),
            ]
        )
    )


def in_orders(*facts: Facts) -> list[Sequence[Facts]]:
    return list(itertools.permutations(facts))


def test_handled_errors_count_apart_from_failures(database: Engine) -> None:
    """And once, however often they are sent."""
    for _ in range(2):
        store(database, answered())
    assert kinds(database) == [IssueKind.HANDLED, IssueKind.CALL, IssueKind.NEAR_TIMEOUT]
    assert sums(database) == (1, 0, 1)
    (cost,) = only(database, "cost_pd", table=tables.invocations)
    calls = only(database, "calls_cost_pd", table=tables.invocations)[0]
    assert occurrences(database) == (3, 2 * (cost + calls))  # a limit that was near costs nothing


@pytest.mark.parametrize("order", range(2))
@pytest.mark.parametrize(
    ("status", "error_type", "used", "result", "expected"),
    [
        ("success", None, 90, Result.HANDLED, [IssueKind.HANDLED, IssueKind.CALL, IssueKind.NEAR_TIMEOUT]),
        (
            "success",
            None,
            500,
            Result.HANDLED,
            [IssueKind.HANDLED, IssueKind.CALL, IssueKind.NEAR_TIMEOUT, IssueKind.NEAR_MEMORY],
        ),
        ("timeout", None, 90, Result.TIMEOUT, [IssueKind.TIMEOUT]),
        ("error", "Runtime.OutOfMemory", 512, Result.OUT_OF_MEMORY, [IssueKind.OUT_OF_MEMORY]),
        ("error", "Runtime.ExitError", 90, Result.ERROR, [IssueKind.FAILURE]),
    ],
)
def test_what_lambda_reports_comes_on_top(
    database: Engine,
    *,
    order: int,
    status: str,
    error_type: str | None,
    used: int,
    result: Result,
    expected: list[IssueKind],
) -> None:
    """Whichever came first; an invocation that failed in the end dealt with nothing."""
    said = report(1, status=status, error_type=error_type, used=used, lasted=2_801.5)
    for facts in in_orders(answered(), said)[order]:
        store(database, facts)
    sweep(database)
    assert only(database, "result") == (result,)
    assert kinds(database) == expected
    assert sums(database) == (1, int(result != Result.HANDLED), int(result == Result.HANDLED))
    row = only(database, "cost_pd", "calls_cost_pd")
    counted = [kind for kind in expected if kind not in (IssueKind.NEAR_TIMEOUT, IssueKind.NEAR_MEMORY)]
    assert occurrences(database) == (len(expected), len(counted) * sum(row))


@pytest.mark.parametrize("order", range(6))
def test_a_checkpoint_and_an_end_that_was_near_its_limits(database: Engine, order: int) -> None:
    """The checkpoint, the end and the report, in any order: as if the checkpoint never came."""
    told = [report(1, used=500), end(1, lasted=2_900), checkpoint(1)]
    for facts in in_orders(*told)[order]:
        store(database, facts)
    sweep(database)
    assert kinds(database) == [IssueKind.NEAR_TIMEOUT, IssueKind.NEAR_MEMORY]
    assert occurrences(database) == (2, 0)
    assert sums(database) == (1, 0, 0)


def test_limits_are_a_setting(database: Engine) -> None:
    """Shares; 0 is never."""
    with database.begin() as connection:
        write_facts(connection, [answered(used=300)], Seen(), limits=Limits(0.0, 0.5))
    assert kinds(database) == [IssueKind.HANDLED, IssueKind.CALL, IssueKind.NEAR_MEMORY]


THUMB = {"cloud.resource_id": "arn:aws:lambda:eu-west-1:123456789012:function:thumb"}


def refused(number: int = 1, error: str = "TooManyRequestsException") -> Facts:
    failed = call(
        "Lambda.Invoke", id=number * 16 + 1, trace=number, parent=number * 16, name="thumb", error="", error_type=error
    )
    return traces(export(spans=[invocation(id=number * 16, trace=number, request=f"request-{number}"), failed]))


def test_what_lambda_refused_is_an_issue_of_the_function_that_did_not_run(database: Engine) -> None:
    """And of its caller's as a failed call. It counts among nobody's invocations."""
    for _ in range(2):
        store(database, refused(1), refused(2))
    assert kinds(database) == [IssueKind.CALL, IssueKind.CALL, IssueKind.THROTTLED, IssueKind.THROTTLED]
    names = dict(rows(database, tables.functions, "id", "name"))
    owners = {IssueKind(kind): names[id] for id, kind in rows(database, tables.issues, "function_id", "kind")}
    assert owners == {IssueKind.CALL: "audio-to-text", IssueKind.THROTTLED: "thumb"}
    assert sums(database) == (2, 0, 2)


def test_a_refusal_does_not_describe_the_function_that_it_names(database: Engine) -> None:
    """What is known of its memory and runtime stays."""
    thumb = export(resource=resource("thumb"), spans=[invocation(id=99, trace=9, attrs=THUMB)])
    store(database, refused(1), traces(thumb), refused(2))
    store(database, refused(3))
    found = rows(database, tables.functions, "name", "runtime", "memory_mb", "timeout_ms")
    assert [row for row in found if row[0] == "thumb"] == [("thumb", "python3.12", 512, 3_000)]


def test_an_export_in_two_requests_is_the_same_as_in_one(database: Engine) -> None:
    """A refusal counts by its call, wherever its invocation's span came."""
    whole = refused()
    store(database, whole)
    first = known(database)
    store(database, whole, refused())
    assert known(database) == first
