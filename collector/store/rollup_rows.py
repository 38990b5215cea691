"""Writing the sums of one commit."""

from __future__ import annotations

from sqlalchemy import Connection

from collector.domain.rollups import Rollups
from collector.store import tables
from collector.store.statements import Conflict, adding, larger, write

_FUNCTION_STATS = Conflict(
    (
        *adding(
            tables.function_stats,
            "invocations",
            "errors",
            "cold_starts",
            "duration_us",
            "cost_pd",
            "unpriced",
        ).updates,
        larger(tables.function_stats, "max_memory_mb"),
    )
)
_FUNCTION_DURATIONS = adding(tables.function_durations, "count")
_EDGE_STATS = adding(tables.edge_stats, "calls", "errors", "duration_us")
_EDGE_DURATIONS = adding(tables.edge_durations, "count")
_ISSUE_STATS = adding(tables.issue_stats, "occurrences", "cost_pd")


def write_rollups(connection: Connection, rollups: Rollups) -> None:
    """Adds the sums to the rollup tables."""
    functions, edges = rollups.functions, rollups.edges
    write(
        connection,
        tables.function_stats,
        [
            (
                *key,
                total.invocations,
                total.errors,
                total.cold_starts,
                total.duration_us,
                total.max_memory_mb,
                total.cost_pd,
                total.unpriced,
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
            (resolution, start_s, *edge, total.calls, total.errors, total.duration_us)
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
