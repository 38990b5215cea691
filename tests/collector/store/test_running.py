"""Invocations that still run, and those whose deadline passes without an end."""

from __future__ import annotations

from sqlalchemy import Engine

from collector.domain.facts import Result
from collector.store import tables
from tests.collector.domain.otlp import (
    MS,
    SECOND,
    START_NS,
)
from tests.collector.store.lives import (
    checkpoint,
    end,
    only,
    rows,
    stitch,
    store,
    sweep,
)


def test_a_running_invocation_is_counted_nowhere(database: Engine) -> None:
    """Its transaction is there, and says that it runs."""
    store(database, checkpoint())
    stitch(database)

    assert only(database, "result", "services", "calls") == (Result.RUNNING, "s3 2", 2)
    # The call that ended is, with what it cost.
    assert rows(database, tables.function_stats, "invocations", "duration_us", "cost_pd") == [(0, 0, 0)] * 2
    assert rows(database, tables.function_stats, "calls_cost_pd", "unpriced_calls") == [(400_000, 0)] * 2
    assert rows(database, tables.edge_stats, "calls", "cost_pd") == [(1, 400_000)] * 2
    assert only(database, "result", "running_invocations", "failed_invocations", table=tables.transactions) == (
        Result.RUNNING,
        1,
        0,
    )


def test_a_later_checkpoint_takes_the_place_of_an_earlier(database: Engine) -> None:
    """However they arrive; and the end that of both, with what it says of calls and tags."""
    for group in ((500, 1_000), (1_000, 500)):
        for after in group:
            store(database, checkpoint(after=after))
        assert only(database, "duration_ns", "calls") == (1_000 * MS, 2)
    store(database, end())
    store(database, checkpoint(after=1_500))

    assert only(database, "duration_ns", "finished", "result", "services", "calls") == (
        3_000 * MS,
        True,
        Result.OK,
        "s3 2",
        2,
    )
    assert rows(database, tables.function_stats, "invocations", "duration_us") == [(1, 3_000_000)] * 2
    assert rows(database, tables.edge_stats, "calls", "errors", "duration_us") == [(2, 0, 2_010_000)] * 2
    assert rows(database, tables.invocation_tags, "key", "value") == [("number", "1"), ("version", "end")]
    assert rows(database, tables.unfinished, "span_id") == []


def test_silence_after_the_deadline_is_a_crash(database: Engine) -> None:
    """Not before the grace has passed; once, however often it is looked for; with the call that it waited for."""
    store(database, checkpoint())
    deadline_ns = START_NS + 3 * SECOND
    sweep(database, deadline_ns + 60 * SECOND)
    assert only(database, "result") == (Result.RUNNING,)

    for _ in range(3):
        sweep(database, deadline_ns + 60 * SECOND + 1)
    stitch(database)

    assert only(database, "result", "span_result", "finished") == (Result.CRASHED, Result.RUNNING, False)
    assert rows(database, tables.function_stats, "invocations", "errors") == [(1, 1)] * 2
    assert only(database, "type", "culprit", table=tables.issues) == ("Runtime.ExitError", "S3.PutObject")
    assert rows(database, tables.issue_stats, "occurrences") == [(1,), (1,)]
    assert rows(database, tables.edge_stats, "calls", "errors") == [(2, 1)] * 2
    assert only(database, "result", "failed_invocations", "running_invocations", table=tables.transactions) == (
        Result.CRASHED,
        1,
        0,
    )


def test_an_end_after_all_undoes_the_crash(database: Engine) -> None:
    store(database, checkpoint())
    sweep(database)
    store(database, end(lasted=2_600))
    sweep(database)
    stitch(database)

    assert only(database, "result", "finished") == (Result.OK, True)
    assert rows(database, tables.function_stats, "invocations", "errors") == [(1, 0)] * 2
    assert rows(database, tables.issue_occurrences, "issue_id") == []
    assert rows(database, tables.issue_stats, "occurrences", "cost_pd") == [(0, 0)] * 2
    assert rows(database, tables.edge_stats, "calls", "errors") == [(2, 0)] * 2
    assert only(database, "failed_invocations", "running_invocations", table=tables.transactions) == (0, 0)
