"""Writing the sums of one commit."""

from __future__ import annotations

import time

from sqlalchemy import Connection

from collector.domain.rollups import MINUTE_S, Rollups
from collector.store import alert_tables, tables
from collector.store.statements import Conflict, adding, larger, write
from collector.store.tag_rows import write_tag_stats

_FUNCTION_STATS = Conflict(
    (
        *adding(
            tables.function_stats,
            "invocations",
            "errors",
            "handled",
            "cold_starts",
            "throttles",
            "duration_us",
            "cost_pd",
            "unpriced",
            "calls_cost_pd",
            "unpriced_calls",
        ).updates,
        larger(tables.function_stats, "max_memory_mb"),
    )
)
_FUNCTION_DURATIONS = adding(tables.function_durations, "count")
_EDGE_STATS = adding(tables.edge_stats, "calls", "errors", "duration_us", "cost_pd", "unpriced")
_EDGE_DURATIONS = adding(tables.edge_durations, "count")
_ISSUE_STATS = adding(tables.issue_stats, "occurrences", "cost_pd")
_AGE_STATS = Conflict((larger(tables.age_stats, "max_age_ms"),))

# Minutes that ended before this are noted as late, for the alerts, which look at all later ones again anyway
# (collector.alerts.rounds). What is older than LATEST_S raises no alert any more.
SETTLED_S = 60
LATEST_S = 86_400


def write_rollups(connection: Connection, rollups: Rollups) -> None:
    """Adds the sums to the rollup tables."""
    functions, edges = rollups.functions, rollups.edges
    write_tag_stats(connection, rollups)
    write(
        connection,
        tables.function_stats,
        [
            (
                *key,
                total.invocations,
                total.errors,
                total.handled,
                total.cold_starts,
                total.throttles,
                total.duration_us,
                total.max_memory_mb,
                total.cost_pd,
                total.unpriced,
                total.calls_cost_pd,
                total.unpriced_calls,
            )
            for key, total in functions.items()
        ],
        _FUNCTION_STATS,
    )
    write(
        connection,
        tables.function_durations,
        [
            (*key, bucket, count)
            for key, total in functions.items()
            for bucket, count in total.durations.items()
            if count
        ],
        _FUNCTION_DURATIONS,
    )
    write(
        connection,
        tables.edge_stats,
        [
            (resolution, start_s, *edge, total.calls, total.errors, total.duration_us, total.cost_pd, total.unpriced)
            for (*edge, resolution, start_s), total in edges.items()
        ],
        _EDGE_STATS,
    )
    write(
        connection,
        tables.edge_durations,
        [
            (resolution, start_s, *edge, bucket, count)
            for (*edge, resolution, start_s), total in edges.items()
            for bucket, count in total.durations.items()
            if count
        ],
        _EDGE_DURATIONS,
    )
    write(
        connection,
        tables.issue_stats,
        [(*key, total.occurrences, total.cost_pd) for key, total in rollups.issues.items()],
        _ISSUE_STATS,
    )
    write(
        connection,
        tables.age_stats,
        [(*key, age_ms) for key, age_ms in rollups.ages.items()],
        _AGE_STATS,
    )
    _note_late(connection, rollups)


def _note_late(connection: Connection, rollups: Rollups) -> None:
    now_s = time.time_ns() // 1_000_000_000
    earliest, latest = now_s - LATEST_S, now_s - SETTLED_S - MINUTE_S
    # Nearly always nothing: 1 µs of a commit.
    late = [(function_id, start_s) for function_id, start_s in rollups.minutes if earliest < start_s < latest]
    if late:
        token = time.time_ns()
        write(connection, alert_tables.late_minutes, [(token, *key) for key in late])
