"""Windows of time on rollups: which rows add up to a window, and into which bars of a chart they fall.

Sums are exact to the minute. A window's edges are rounded outwards to whole minutes; whole hours inside it are read
from the hours' rollups, what is left at both ends from the minutes'. So a week costs 168 rows and up to 118 more,
not 10,080, and a window that begins at 12:34 counts nothing of 12:33.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    Table,
    cast,
    func,
    select,
    union_all,
)

from collector.store.queries.common import Point, TimeRange
from collector.store.tables import function_stats

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400
NS = 1_000_000_000
TREND_BUCKETS = 24
MOST_BUCKETS = 90
# Widths that people read off an axis without counting.
_WIDTHS_S = tuple(MINUTE_S * n for n in (1, 2, 5, 10, 15, 30)) + tuple(HOUR_S * n for n in (1, 2, 3, 4, 6, 8, 12, 24))
_LATEST_MS = (2**63 - 1) // 1_000_000 - DAY_S * 1000  # the last day that nanoseconds in eight bytes can name


class Slice(NamedTuple):
    """Rollup rows of one resolution: `start_s` from here, and before there."""

    resolution: int
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Buckets:
    """The bars of a chart: `count` of them, `width_s` seconds each; the first begins at `start_s`."""

    start_s: int
    width_s: int
    count: int

    def points(self, values: dict[int, float], missing: float = 0) -> tuple[Point, ...]:
        """All bars from the values of some, by number."""
        return tuple(
            Point((self.start_s + number * self.width_s) * 1000, values.get(number, missing))
            for number in range(self.count)
        )

    def number(self, seconds: ColumnElement[int]) -> ColumnElement[int]:
        """The bar that a time in seconds falls into."""
        return (seconds - self.start_s) // self.width_s


def nanoseconds(window: TimeRange) -> tuple[int, int]:
    """Start (included) and end (not), within what eight bytes hold."""
    return _within(window.start_ms) * 1_000_000, _within(window.end_ms) * 1_000_000


def minutes(window: TimeRange) -> tuple[int, int]:
    """The window in seconds, its edges rounded outwards to whole minutes; at least one minute."""
    start = _within(window.start_ms) // 1000 // MINUTE_S * MINUTE_S
    end = -(-_within(window.end_ms) // 1000 // MINUTE_S) * MINUTE_S
    return start, max(end, start + MINUTE_S)


def slices(window: TimeRange, *, finest_s: int = HOUR_S) -> list[Slice]:
    """The rollup rows that add up to the window. `finest_s`: the width of the bars they are sorted into, if any;
    bars narrower than an hour need minutes throughout."""
    start, end = minutes(window)
    first_hour, last_hour = -(-start // HOUR_S) * HOUR_S, end // HOUR_S * HOUR_S
    if finest_s < HOUR_S or first_hour >= last_hour:
        return [Slice(MINUTE_S, start, end)]
    found = [Slice(HOUR_S, first_hour, last_hour)]
    if start < first_hour:
        found.append(Slice(MINUTE_S, start, first_hour))
    if last_hour < end:
        found.append(Slice(MINUTE_S, last_hour, end))
    return found


def trend(window: TimeRange, seconds: ColumnElement[int]) -> tuple[list[Slice], ColumnElement[int]]:
    """For a sparkline of TREND_BUCKETS equal bars over the whole window: the rollup rows that it needs, and the bar,
    from 0 on, that a row which begins at `seconds` falls into."""
    start, end = minutes(window)
    finest_s = (end - start) // TREND_BUCKETS
    return slices(window, finest_s=finest_s), (seconds - start) * TREND_BUCKETS // (end - start)


def chart_buckets(window: TimeRange) -> Buckets:
    """30 to 90 bars of a round width that begin at round times; fewer where the window has fewer minutes."""
    start, end = minutes(window)
    days = 1
    widths = iter(_WIDTHS_S)
    while True:
        width = next(widths, days * DAY_S)
        days += width >= DAY_S
        first = start // width * width
        count = -(-(end - first) // width)
        if count <= MOST_BUCKETS:
            return Buckets(first, width, count)


def rollup(
    table: Table, window: Sequence[Slice], columns: Sequence[ColumnElement[Any]], *where: ColumnElement[bool]
) -> Subquery:
    """The rows of `table` that add up to the window, with these columns.

    One SELECT per slice instead of one with OR: each reads one range of an index on either database.
    """
    parts: list[Select[*tuple[Any, ...]]] = [
        select(*columns).where(
            table.c.resolution == part.resolution,
            table.c.start_s >= part.start_s,
            table.c.start_s < part.end_s,
            *where,
        )
        for part in window
    ]
    return (parts[0] if len(parts) == 1 else union_all(*parts)).subquery()


def total(column: ColumnElement[int]) -> ColumnElement[int]:
    """A sum as an integer: PostgreSQL's sum of eight-byte integers is a decimal, and of nothing it is NULL."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def grouped(rows: FromClause, keys: Sequence[ColumnElement[Any]], *sums: str) -> Select[*tuple[Any, ...]]:
    """`rows` summed up per distinct keys: a SELECT of the keys, then the sums of the named columns."""
    return select(*keys, *(total(rows.c[name]).label(name) for name in sums)).group_by(*keys)


def first_minute(connection: Connection) -> int | None:
    """When the first invocation began that is still counted, in seconds, to the minute or the hour; None: there is
    none."""
    stats = function_stats.c
    starts = [
        connection.scalar(select(func.min(stats.start_s)).where(stats.resolution == resolution))
        for resolution in (MINUTE_S, HOUR_S)
    ]
    found = [start for start in starts if start is not None]
    # Minutes are kept for a shorter time than hours; an hour begins before its first minute.
    return None if not found else found[0] if found[0] - found[-1] < HOUR_S else found[-1]


def _within(time_ms: int) -> int:
    return min(max(time_ms, 0), _LATEST_MS)
