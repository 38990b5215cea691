"""What the platform reports of an invocation, early, late or never."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, delete, select

from collector.domain.facts import Result
from collector.store import tables
from tests.collector.domain.otlp import (
    MS,
    RECEIVED_MS,
    SECOND,
)
from tests.collector.store.lives import (
    checkpoint,
    end,
    only,
    report,
    rows,
    stitch,
    store,
    sweep,
)


def test_a_report_corrects_the_invocation(database: Engine) -> None:
    """Bill, memory and cost are the platform's from now on, in the sums too; what was estimated is taken back."""
    store(database, end())
    estimated = only(database, "reported_ns", "billed_ms", "max_memory_mb", "cost_pd")
    assert estimated[:3] == (None, 3_000, 78)

    store(database, report())
    stitch(database)

    assert only(database, "reported_ns", "billed_ms", "max_memory_mb", "duration_ns") == (
        3_001_500_000,
        3_002,
        91,
        3_000 * MS,
    )
    (cost_pd,) = only(database, "cost_pd")
    assert cost_pd == 25_216_717  # 0.5 GB * 3.002 s * 0.0000166667 + 0.0000002
    assert (
        rows(database, tables.function_stats, "invocations", "errors", "cost_pd", "max_memory_mb")
        == [(1, 0, cost_pd, 91)] * 2
    )
    assert only(database, "cost_pd", table=tables.transactions) == (cost_pd,)


@pytest.mark.parametrize("named", [True, False])
def test_a_report_may_come_first(database: Engine, named: bool) -> None:
    """It waits, and is joined in the commit that brings the invocation."""
    store(database, report(named=named))
    assert only(database, "request_id", table=tables.waiting_reports) == ("request-1",)

    store(database, end())

    assert only(database, "billed_ms", "result") == (3_002, Result.OK)
    assert rows(database, tables.waiting_reports, "request_id") == []
    assert [row[0] for row in rows(database, tables.function_stats, "invocations")] == [1, 1]


def test_a_report_of_an_invocation_that_never_comes_waits(database: Engine) -> None:
    """Through sweeps, however many; and changes nothing of another's."""
    store(database, end(2), report(1))
    sweep(database)

    assert only(database, "request_id", table=tables.waiting_reports) == ("request-1",)
    assert only(database, "reported_ns") == (None,)


def test_a_report_of_another_function_waits(database: Engine) -> None:
    """Request ids of two emulators may be the same; names are not."""
    store(database, end())
    foreign = report()
    foreign.reports = [foreign.reports[0]._replace(function="another")]
    store(database, foreign)

    assert only(database, "reported_ns") == (None,)


def test_each_attempt_has_its_own_report(database: Engine) -> None:
    """AWS keeps the request id when it tries again. The second's report does not wait for the first's."""
    minute = 60 * SECOND
    store(database, end(1, request="same"), report(1, request="same", status="timeout"))
    store(database, report(1, request="same", at=minute, lasted=2_000.0))
    store(database, end(2, request="same", at=minute, lasted=2_000))

    assert rows(database, tables.invocations, "billed_ms", "result") == [(2_001, Result.OK), (3_002, Result.TIMEOUT)]


def test_what_two_collectors_stored_at_once_is_joined_by_the_sweep(database: Engine) -> None:
    """Neither saw the other's: as if the invocation had been committed between look and write."""
    store(database, report())
    with database.begin() as connection:
        waiting = connection.execute(select(tables.waiting_reports)).all()
        connection.execute(delete(tables.waiting_reports))
    store(database, end())
    with database.begin() as connection:
        connection.execute(tables.waiting_reports.insert(), [row._asdict() for row in waiting])

    sweep(database, RECEIVED_MS * MS + SECOND)

    assert only(database, "billed_ms") == (3_002,)
    assert rows(database, tables.waiting_reports, "request_id") == []


@pytest.mark.parametrize("swept", [True, False])
def test_the_platform_tells_why(database: Engine, swept: bool) -> None:
    """Out of memory, before or after silence was noticed: one failure, with how long it really ran."""
    store(database, checkpoint())
    if swept:
        sweep(database)
    store(database, report(status="error", error_type="Runtime.OutOfMemory", used=512, lasted=1_750.0))
    sweep(database)
    stitch(database)

    assert only(database, "result", "reported_ns", "billed_ms") == (Result.OUT_OF_MEMORY, 1_750 * MS, 1_751)
    occurred = {row[0] for row in rows(database, tables.issue_occurrences, "issue_id")}
    issues = [row[1:] for row in rows(database, tables.issues, "id", "type", "culprit") if row[0] in occurred]
    assert issues == [("Runtime.OutOfMemory", "S3.PutObject")]
    assert rows(database, tables.function_stats, "invocations", "errors", "duration_us") == [(1, 1, 1_750_000)] * 2
    started_ns, ended_ns = only(database, "started_ns", "ended_ns", table=tables.transactions)
    assert ended_ns - started_ns == 1_750 * MS


def test_a_lost_end_that_the_platform_saw_is_none(database: Engine) -> None:
    """The last export never came, and the invocation succeeded."""
    store(database, checkpoint())
    sweep(database)
    store(database, report())

    assert only(database, "result", "finished") == (Result.OK, False)
    assert rows(database, tables.function_stats, "invocations", "errors", "duration_us") == [(1, 0, 3_001_500)] * 2
    assert rows(database, tables.issue_occurrences, "issue_id") == []
    assert rows(database, tables.edge_stats, "calls", "errors") == [(1, 0)] * 2


def test_a_timeout_that_was_none(database: Engine) -> None:
    """The function ended within its last moments."""
    store(database, checkpoint(after=2_900, timeout=True))
    assert rows(database, tables.function_stats, "errors") == [(1,), (1,)]
    store(database, report(lasted=2_950.0))

    assert only(database, "result", "billed_ms") == (Result.OK, 2_951)
    assert rows(database, tables.function_stats, "errors") == [(0,), (0,)]
    assert rows(database, tables.issue_occurrences, "issue_id") == []


def test_a_reported_issue_outlives_a_verdict(database: Engine) -> None:
    """What the function said itself is no failure that a report could take back; its cost follows the bill."""
    given = end(lasted=2_600)
    (row,) = given.invocations
    issue_id = 77
    from collector.domain.facts import Issue, IssueKind, Occurrence

    given.invocations = [row._replace(reported_issues=1)]
    given.issues.append(Issue(issue_id, row.function_id, "LowStock", "7 left", None, 1, IssueKind.REPORTED))
    given.occurrences.append(Occurrence(issue_id, row.started_ns, row.span_id, row.trace_id))
    store(database, given)
    store(database, report(status="timeout"))
    stitch(database)

    cost_pd, calls_cost_pd = only(database, "cost_pd", "calls_cost_pd")
    assert sorted(row[0] for row in rows(database, tables.issues, "type")) == ["LowStock", "Timeout"]
    assert rows(database, tables.issue_stats, "occurrences", "cost_pd") == [(1, cost_pd + calls_cost_pd)] * 4
    assert only(database, "reported_issues", "failed_invocations", table=tables.transactions) == (1, 1)
