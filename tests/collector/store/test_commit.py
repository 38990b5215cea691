"""What one commit leaves in the tables, on both databases."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, Table, select

from collector.domain.facts import Age, Direction, Facts, Result
from collector.domain.histogram import bucket_of
from collector.store import alert_tables, tables
from collector.store.codec import decompress
from collector.store.commit import Seen, write_facts
from tests.collector.store.facts import BUCKET, MS, START_NS, call, facts, function, invocation


def commit(database: Engine, *group: Facts) -> None:
    with database.begin() as connection:
        write_facts(connection, group, Seen())


def rows(database: Engine, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    chosen = [table.c[name] for name in columns] if columns else list(table.c)
    with database.connect() as connection:
        return sorted((tuple(row) for row in connection.execute(select(*chosen))), key=repr)


def test_stores_an_export_whole(database: Engine) -> None:
    """The body comes out of the database as it went in."""
    given = facts(invocation(1), body=b"an export" * 100)

    commit(database, given)

    (stored,) = rows(database, tables.exports)
    assert given.export.id == stored[0]
    assert given.export.body == decompress(stored[2], stored[6])
    assert b"".join(sorted(given.traces)) == stored[5]


def test_a_request_sent_twice_counts_once(database: Engine) -> None:
    """Neither rows nor sums change when the same export comes again, in the same commit or a later one."""
    given = facts(invocation(1, result=Result.ERROR), calls=[call(1, span=2)])

    commit(database, given, given)
    once = {
        table.name: rows(database, table) for table in tables.metadata.sorted_tables if table.name != "stitch_queue"
    }
    commit(database, given)

    again = {
        table.name: rows(database, table) for table in tables.metadata.sorted_tables if table.name != "stitch_queue"
    }
    assert once == again
    assert [(1, 1), (1, 1)] == rows(database, tables.function_stats, "invocations", "errors")


def test_a_span_in_two_exports_counts_once(database: Engine) -> None:
    """A client that batches a retry differently adds nothing by it."""
    commit(database, facts(invocation(1), calls=[call(1, span=2)]))
    commit(database, facts(invocation(1), calls=[call(1, span=2), call(1, span=3)], body=b"other"))

    assert 1 == len(rows(database, tables.invocations))
    assert [(1,), (1,)] == rows(database, tables.function_stats, "invocations")
    assert [(2,), (2,)] == rows(database, tables.edge_stats, "calls")


def test_late_minutes_are_noted(database: Engine) -> None:
    """What changes the sums of a minute that the alerts have looked at is noted, once for each commit; what belongs to
    the present or is older than a day is not."""
    now_ms = time.time_ns() // MS
    ages_s = {"now": 0, "late": 600, "later": 3_600, "ancient": 200_000}
    for number, (name, age_s) in enumerate(ages_s.items()):
        start_ms = now_ms - age_s * 1000 - START_NS // MS
        commit(database, facts(invocation(number + 1, name=name, start_ms=start_ms)))

    late = rows(database, alert_tables.late_minutes, "function_id", "start_s")
    expected = [(function(name).id, (now_ms // 1000 - ages_s[name]) // 60 * 60) for name in ("late", "later")]
    assert sorted(expected) == sorted(late)


def test_the_oldest_message_counts(database: Engine) -> None:
    """Its age is kept for its function and resource, and an export that comes again changes nothing."""
    export = facts(invocation(1))
    export.ages = [Age(function().id, BUCKET.id, START_NS, 5_000), Age(function().id, BUCKET.id, START_NS, 7_000)]
    commit(database, export)
    commit(database, export)

    seconds = START_NS // 10**9
    starts = [(3600, seconds - seconds % 3600), (60, seconds - seconds % 60)]
    assert [(*start, function().id, BUCKET.id, 7_000) for start in starts] == rows(database, tables.age_stats)


def test_sums_per_minute_and_hour(database: Engine) -> None:
    """Rollups hold what the rows hold, in both resolutions."""
    commit(
        database,
        facts(
            invocation(1, duration_ms=10, cost_pd=5, trigger_resource_id=BUCKET.id),
            invocation(2, duration_ms=30, cost_pd=None, result=Result.ERROR, trigger_resource_id=BUCKET.id),
            calls=[call(1, span=3, duration_ms=7), call(2, span=4, duration_ms=9, error="NoSuchKey", cost_pd=None)],
        ),
    )
    commit(database, facts(invocation(3, duration_ms=20, cost_pd=7)))

    seconds = START_NS // 10**9
    sums = (3, 1, 0, 0, 0, 60_000, 60, 12, 1, 400_000, 1)
    assert [
        (function().id, 3600, seconds - seconds % 3600, *sums),
        (function().id, 60, seconds - seconds % 60, *sums),
    ] == rows(database, tables.function_stats)
    minute = [row for row in rows(database, tables.edge_stats) if row[0] == 60]
    start = seconds - seconds % 60
    assert [
        (60, start, function().id, BUCKET.id, Direction.CALLS, 2, 1, 16_000, 400_000, 1),
        (60, start, function().id, BUCKET.id, Direction.TRIGGERS, 2, 1, 0, 0, 0),
    ] == minute
    buckets = sorted(row[3:] for row in rows(database, tables.function_durations) if row[1] == 60)
    assert sorted((bucket_of(ms * MS), 1) for ms in (10, 20, 30)) == buckets


def test_the_end_replaces_the_unfinished(database: Engine) -> None:
    """An invocation and a call that end after all are counted as they ended, and the timeout is taken back."""
    commit(
        database,
        facts(
            invocation(1, finished=False, result=Result.TIMEOUT, duration_ms=2_600, cost_pd=9),
            calls=[call(1, span=2, error="Unfinished", duration_ms=2_800)],
        ),
    )
    commit(database, facts(invocation(1, duration_ms=2_650, cost_pd=10), calls=[call(1, span=2, duration_ms=2_550)]))

    assert [(2_650 * MS, True, Result.OK)] == rows(database, tables.invocations, "duration_ns", "finished", "result")
    assert [(1, 0, 2_650_000, 10)] * 2 == rows(
        database, tables.function_stats, "invocations", "errors", "duration_us", "cost_pd"
    )
    assert [(1, 0, 2_550_000)] * 2 == rows(database, tables.edge_stats, "calls", "errors", "duration_us")
    assert [(0, 0)] * 2 == rows(database, tables.issue_stats, "occurrences", "cost_pd")
    assert [] == rows(database, tables.issue_occurrences)
    assert {(bucket_of(2_650 * MS), 1), (bucket_of(2_600 * MS), 0)} >= {
        row[3:] for row in rows(database, tables.function_durations)
    }


def test_an_unfinished_span_that_comes_late_changes_nothing(database: Engine) -> None:
    """The outcome is that of the other order, also within one commit."""
    end = facts(invocation(1, duration_ms=2_650))
    cut = facts(invocation(1, finished=False, result=Result.TIMEOUT, duration_ms=2_600))

    commit(database, end, cut)
    commit(database, facts(invocation(1, finished=False, result=Result.TIMEOUT, duration_ms=2_600), body=b"again"))

    assert [(True, Result.OK)] == rows(database, tables.invocations, "finished", "result")
    assert [] == rows(database, tables.issue_occurrences)
    assert [(1, 0)] * 2 == rows(database, tables.function_stats, "invocations", "errors")


def test_issues_count_their_occurrences(database: Engine) -> None:
    """First and last seen hold whatever came first; the message is the latest's."""
    commit(database, facts(invocation(2, start_ms=5_000, result=Result.ERROR)))
    commit(
        database,
        facts(invocation(1, start_ms=0, result=Result.ERROR), invocation(3, start_ms=9_000, result=Result.ERROR)),
    )

    assert [(START_NS // MS, START_NS // MS + 9_000)] == rows(database, tables.issues, "first_seen_ms", "last_seen_ms")
    assert 3 == sum(row[0] for row in rows(database, tables.issue_stats, "occurrences", "resolution") if row[1] == 60)
    assert 3 == len(rows(database, tables.issue_occurrences))


def test_a_function_keeps_its_latest_configuration(database: Engine) -> None:
    """What was seen last counts, whatever arrived last; what is unknown replaces nothing."""
    later, earlier = facts(invocation(2)), facts(invocation(1))
    later.functions = [function(seen_ms=2_000)._replace(memory_mb=512, runtime=None)]
    earlier.functions = [function(seen_ms=1_000)]

    commit(database, later)
    commit(database, earlier)

    assert [(512, "python3.12", 1_000, 2_000)] == rows(
        database, tables.functions, "memory_mb", "runtime", "first_seen_ms", "updated_ms"
    )


def test_queues_every_trace_for_the_stitcher(database: Engine) -> None:
    """The traces of an export are in the queue in the commit that stored it."""
    commit(database, facts(invocation(1), traces=[7]))

    assert [(1).to_bytes(16, "big"), (7).to_bytes(16, "big")] == [row[1] for row in rows(database, tables.stitch_queue)]


def test_an_empty_export_is_not_stored(database: Engine) -> None:
    """Nothing was said, so nothing is kept."""
    empty = facts()
    empty.export = empty.export._replace(items=0)

    commit(database, empty)

    assert [] == rows(database, tables.exports)
