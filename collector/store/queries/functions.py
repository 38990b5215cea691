"""The Functions page: every function seen, with its figures over the window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from collector.domain.histogram import percentile_ms
from collector.store.queries.common import FunctionRef, TimeRange
from collector.store.queries.lookups import FUNCTION_COLUMNS, contains, searchable
from collector.store.queries.windows import TREND_BUCKETS, grouped, rollup, slices, trend
from collector.store.tables import function_durations, function_stats, functions, invocations

MOST = 1_000  # rows of the list: more than a page can usefully show; `search` reaches the others


@dataclass(frozen=True, slots=True)
class FunctionRow:
    function: FunctionRef
    runtime: str | None
    architecture: str | None
    memory_mb: int | None  # configured
    max_memory_mb: int | None  # used, within the window
    invocations: int
    errors: int
    cold_starts: int
    average_ms: float | None  # None: no invocation in the window
    p95_ms: float | None
    cost_pd: int | None  # None: unknown for all of them
    last_seen_ms: int | None  # start of its latest invocation ever
    trend: tuple[int, ...]  # invocations, 24 equal buckets over the window
    error_trend: tuple[int, ...]
    calls_cost_pd: int = 0  # of those of its calls that have a price
    unpriced_calls: int = 0
    unpriced: int = 0  # of `invocations`, those whose cost is unknown

    @property
    def whole_cost_pd(self) -> int | None:
        """With its calls; None where nothing is known."""
        return self.cost_pd if not self.calls_cost_pd else (self.cost_pd or 0) + self.calls_cost_pd


CALLS_COST = ("calls_cost_pd", "unpriced_calls")
SORTS = ("name", "invocations", "errors", "average", "p95", "memory", "cost", "last_seen")

_SORT_VALUES: dict[str, Callable[[FunctionRow], float | int | None]] = {
    "invocations": lambda row: row.invocations,
    "errors": lambda row: row.errors,
    "average": lambda row: row.average_ms,
    "p95": lambda row: row.p95_ms,
    "memory": lambda row: row.max_memory_mb,
    "cost": lambda row: row.whole_cost_pd,
    "last_seen": lambda row: row.last_seen_ms,
}


def list_functions(
    connection: Connection, window: TimeRange, *, search: str = "", sort: str = "errors", descending: bool = True
) -> list[FunctionRow]:
    """Every function ever seen whose name, region or runtime holds `search`; quiet ones with zeros, last.

    By name and by last seen, quiet ones stand where their name or time puts them. What has no value (no known cost,
    say) comes after what has one, either way round. At most MOST rows.
    """
    matching = _matching(searchable(search))
    chosen = select(functions.c.id).where(*matching)
    sums = _sums(connection, window, chosen)
    histograms = _histograms(connection, window, chosen)
    trends, error_trends = _trends(connection, window, chosen)
    quiet = (0,) * TREND_BUCKETS
    rows = []
    for found in connection.execute(_described(matching)):
        count, errors, cold_starts, duration_us, cost_pd, unpriced, calls_cost_pd, unpriced_calls, memory = sums.get(
            found.id, (0,) * 9
        )
        rows.append(
            FunctionRow(
                function=FunctionRef(*found[:5]),
                runtime=found.runtime,
                architecture=found.architecture,
                memory_mb=found.memory_mb,
                max_memory_mb=memory or None,
                invocations=count,
                errors=errors,
                cold_starts=cold_starts,
                average_ms=duration_us / count / 1e3 if count else None,
                p95_ms=percentile_ms(histograms.get(found.id, ()), 0.95),
                cost_pd=known_cost(found.kind, count, cost_pd, unpriced),
                last_seen_ms=found.last_seen_ns // 1_000_000 if found.last_seen_ns is not None else None,
                trend=tuple(trends.get(found.id, quiet)),
                error_trend=tuple(error_trends.get(found.id, quiet)),
                calls_cost_pd=calls_cost_pd,
                unpriced_calls=unpriced_calls,
                unpriced=unpriced,
            )
        )
    return _sorted(rows, sort, descending)[:MOST]


def known_cost(kind: str, invocations: int, cost_pd: int, unpriced: int) -> int | None:
    """What they cost together; None where no price is known for any, or, without any, where none would be."""
    if invocations:
        return cost_pd if unpriced < invocations else None
    return 0 if kind == "lambda" else None


def _matching(search: str) -> list[ColumnElement[bool]]:
    if not search:
        return []
    return [or_(*(contains(column, search) for column in (functions.c.name, functions.c.region, functions.c.runtime)))]


def _described(matching: list[ColumnElement[bool]]) -> Any:
    # One seek per function in the index (function_id, started_ns); a GROUP BY would read all invocations ever.
    last_seen = (
        select(func.max(invocations.c.started_ns)).where(invocations.c.function_id == functions.c.id).scalar_subquery()
    )
    return select(
        *FUNCTION_COLUMNS,
        functions.c.runtime,
        functions.c.architecture,
        functions.c.memory_mb,
        last_seen.label("last_seen_ns"),
    ).where(*matching)


def _sums(connection: Connection, window: TimeRange, chosen: Any) -> dict[int, tuple[int, ...]]:
    stats = function_stats.c
    names = ("invocations", "errors", "cold_starts", "duration_us", "cost_pd", "unpriced", *CALLS_COST)
    rows = rollup(
        function_stats,
        slices(window),
        [stats.function_id, stats.max_memory_mb, *(stats[name] for name in names)],
        stats.function_id.in_(chosen),
    )
    statement = grouped(rows, [rows.c.function_id], *names).add_columns(func.max(rows.c.max_memory_mb))
    return {row[0]: tuple(row[1:]) for row in connection.execute(statement)}


def _histograms(connection: Connection, window: TimeRange, chosen: Any) -> dict[int, list[tuple[int, int]]]:
    durations = function_durations.c
    rows = rollup(
        function_durations,
        slices(window),
        [durations.function_id, durations.bucket, durations.count],
        durations.function_id.in_(chosen),
    )
    found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for function_id, bucket, count in connection.execute(grouped(rows, [rows.c.function_id, rows.c.bucket], "count")):
        found[function_id].append((bucket, count))
    return found


def _trends(
    connection: Connection, window: TimeRange, chosen: Any
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    stats = function_stats.c
    parts, number = trend(window, stats.start_s)
    rows = rollup(
        function_stats,
        parts,
        [stats.function_id, number.label("number"), stats.invocations, stats.errors],
        stats.function_id.in_(chosen),
    )
    trends: defaultdict[int, list[int]] = defaultdict(lambda: [0] * TREND_BUCKETS)
    error_trends: defaultdict[int, list[int]] = defaultdict(lambda: [0] * TREND_BUCKETS)
    statement = grouped(rows, [rows.c.function_id, rows.c.number], "invocations", "errors")
    for function_id, bar, count, errors in connection.execute(statement):
        trends[function_id][bar] = count
        error_trends[function_id][bar] = errors
    return trends, error_trends


def _sorted(rows: list[FunctionRow], sort: str, descending: bool) -> list[FunctionRow]:
    """Python's sort keeps the order of equals: by name first, then by what was asked for."""
    rows.sort(key=lambda row: (row.function.name.lower(), row.function.id), reverse=sort == "name" and descending)
    if sort == "name":
        return rows
    value = _SORT_VALUES.get(sort, _SORT_VALUES["errors"])
    last = [row for row in rows if value(row) is None or (sort != "last_seen" and not row.invocations)]
    rest = {id(row) for row in last}
    first = [row for row in rows if id(row) not in rest]
    first.sort(key=lambda row: value(row) or 0, reverse=descending)
    # Those that ran and have no value come before the quiet ones.
    last.sort(key=lambda row: not row.invocations)
    return first + last
