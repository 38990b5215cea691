"""Rollups summed over windows that move on: what all conditions are worked out from.

A window that ends at `t` holds the minutes that began before `t`. Each kind of sum is read with one statement for the
window of the first moment (whole hours of it from the hours' rollups), and one each for the minutes that enter and
leave it afterwards. Windows of one process share what they read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import add as plus
from operator import sub as minus
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, literal, select

from collector.store import tables
from collector.store.queries.common import TimeRange
from collector.store.queries.windows import HOUR_S, MINUTE_S, Slice, rollup, slices, total

Tags = tuple[tuple[str, str], ...]
Values = tuple[int, ...]
Row = tuple[Any, ...]
ISSUES = "issues"
TOGETHER = 0  # the key of sums of several functions as one

# The values of a function's sums, by position.
INVOCATIONS, ERRORS, COLD_STARTS, COST_PD, CALLS_COST_PD, THROTTLES = range(6)
NOTHING: Values = (0,) * 6
VALUES = ("invocations", "errors", "cold_starts", "cost_pd", "calls_cost_pd", "throttles")


def cost_pd(values: Values) -> int:
    """What invocations and their calls cost, as far as it is known."""
    return values[COST_PD] + values[CALLS_COST_PD]


class Source:
    """Rows of one rollup: of `keys`, with `values` that add up. `only`: of these functions. `joined`: of all of them as
    one, under the key TOGETHER in the place of the first of `keys`."""

    def __init__(
        self,
        table: Table,
        keys: Sequence[str],
        values: Sequence[str],
        *,
        only: Sequence[int] | None = None,
        joined: bool = False,
        where: Iterable[ColumnElement[bool]] = (),
    ) -> None:
        self._table = table
        self._keys = [table.c[name] for name in keys[joined:]]
        self._first: list[ColumnElement[Any]] = [literal(TOGETHER).label("together")] if joined else []
        self._values = [table.c[name] for name in values]
        self._joined = joined
        self._where = list(where)
        self._every = only is None and table in BY_FUNCTION
        if only is not None:
            self._where.append(of_functions(table, only))

    def total(self, connection: Connection, start_s: int, end_s: int) -> list[Row]:
        """Keys and sums of whole minutes from `start_s` up to `end_s`."""
        if start_s >= end_s:
            return []
        window = slices(TimeRange(start_s * 1000, end_s * 1000))
        rows = rollup(self._table, window, [*self._keys, *self._values], *self._conditions(connection))
        keys = [rows.c[column.name] for column in self._keys]
        sums = [total(rows.c[column.name]) for column in self._values]
        return fetch(connection, select(*self._first, *keys, *sums).group_by(*keys))

    def minutes(self, connection: Connection, start_s: int, end_s: int) -> dict[int, list[Row]]:
        """Each minute's keys and values, by when the minute began."""
        if start_s >= end_s:
            return {}
        stats = self._table.c
        within = [stats.resolution == MINUTE_S, stats.start_s >= start_s, stats.start_s < end_s]
        if self._joined:
            sums = [total(column) for column in self._values]
            statement = select(stats.start_s, *self._first, *self._keys, *sums).group_by(stats.start_s, *self._keys)
        else:
            statement = select(stats.start_s, *self._keys, *self._values)
        return by_start(fetch(connection, statement.where(*within, *self._conditions(connection))))

    def hours(self, connection: Connection, starts: Iterable[int]) -> dict[int, list[Row]]:
        """The same of the hours that began then."""
        runs: list[Slice] = []
        for start_s in sorted(starts):
            if runs and runs[-1].end_s == start_s:
                runs[-1] = runs[-1]._replace(end_s=start_s + HOUR_S)
            else:
                runs.append(Slice(HOUR_S, start_s, start_s + HOUR_S))
        columns = [self._table.c.start_s, *self._keys, *self._values]
        return by_start(fetch(connection, select(rollup(self._table, runs, columns, *self._conditions(connection)))))

    def _conditions(self, connection: Connection) -> list[ColumnElement[bool]]:
        return [*self._where, *each_function(connection, self._table)] if self._every else self._where


Minutes = Mapping[int, Sequence[Row]]


class Moving:
    """Sums of a window that moves on, from `first_s`; `minutes` are those that enter it and leave it. `advance` moves
    it to a moment and can only go forward. `kept`: what it was at `keep_s`, for the next round to begin with."""

    def __init__(self, total: Iterable[Row], minutes: Minutes, window_s: int, first_s: int, keep_s: int) -> None:
        self._window_s = window_s
        self._at_s = first_s
        self._minutes = minutes
        self._keep_s = keep_s
        self._kept: list[Row] | None = None
        self._add(total)

    @property
    def kept(self) -> list[Row] | None:
        return self.rows() if self._at_s == self._keep_s else self._kept

    def advance(self, t: int) -> None:
        for minute in range(self._at_s, t, MINUTE_S):
            if minute == self._keep_s:
                self._kept = self.rows()
            self._add(self._minutes.get(minute, ()))
            self._take(self._minutes.get(minute - self._window_s, ()))
        self._at_s = max(self._at_s, t)

    def rows(self) -> list[Row]:
        """Keys and sums, as a source gives them."""
        raise NotImplementedError

    def _add(self, rows: Iterable[Row]) -> None:
        raise NotImplementedError

    def _take(self, rows: Iterable[Row]) -> None:
        raise NotImplementedError


class Sums(Moving):
    """Values by key."""

    def __init__(self, total: Iterable[Row], minutes: Minutes, window_s: int, first_s: int, keep_s: int) -> None:
        self.sums: dict[int, Values] = {}
        super().__init__(total, minutes, window_s, first_s, keep_s)

    def rows(self) -> list[Row]:
        return [(key, *values) for key, values in self.sums.items()]

    def _add(self, rows: Iterable[Row]) -> None:
        sums = self.sums
        for row in rows:
            known = sums.get(row[0])
            sums[row[0]] = row[1:] if known is None else tuple(map(plus, known, row[1:]))

    def _take(self, rows: Iterable[Row]) -> None:
        sums = self.sums
        for row in rows:
            known = sums.get(row[0]) or (0,) * (len(row) - 1)
            sums[row[0]] = tuple(map(minus, known, row[1:]))


class Histograms(Moving):
    """Counts by key and bucket. Buckets that are empty again stay, with 0."""

    def __init__(self, total: Iterable[Row], minutes: Minutes, window_s: int, first_s: int, keep_s: int) -> None:
        self.counts: defaultdict[int, dict[int, int]] = defaultdict(dict)
        super().__init__(total, minutes, window_s, first_s, keep_s)

    def rows(self) -> list[Row]:
        return [
            (key, bucket, count) for key, counts in self.counts.items() for bucket, count in counts.items() if count
        ]

    def _add(self, rows: Iterable[Row]) -> None:
        counts = self.counts
        for key, bucket, count in rows:
            of_key = counts[key]
            of_key[bucket] = of_key.get(bucket, 0) + count

    def _take(self, rows: Iterable[Row]) -> None:
        counts = self.counts
        for key, bucket, count in rows:
            of_key = counts[key]
            of_key[bucket] = of_key.get(bucket, 0) - count


def fetch(connection: Connection, statement: Select[*tuple[Any, ...]]) -> list[Row]:
    """All rows as the driver gives them. They are whole numbers, and SQLAlchemy's own rows take four times as long."""
    result = connection.execute(statement)
    try:
        return list(result.cursor.fetchall())
    finally:
        result.close()


def by_start(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """The rows without their first column, by it."""
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row[1:])
    return found


# Their keys begin with the function.
BY_FUNCTION = frozenset({tables.function_stats, tables.function_durations})


def each_function(connection: Connection, table: Table) -> list[ColumnElement[bool]]:
    """A condition that says nothing, for SQLite: it reads the rows of one function after the other then, as they lie.
    By time it would look each of them up in the index first: an hour of a thousand functions' durations took 413 ms
    instead of 157, a fortnight of their costs 257 instead of 48."""
    if connection.dialect.name != "sqlite":
        return []
    return [table.c.function_id.in_(select(tables.functions.c.id))]


def of_functions(table: Table, only: Sequence[int]) -> ColumnElement[bool]:
    if table is tables.issue_stats:
        return table.c.issue_id.in_(select(tables.issues.c.id).where(tables.issues.c.function_id.in_(only)))
    return table.c.function_id.in_(only)


def add(some: Sequence[int], others: Sequence[int]) -> Values:
    return tuple(map(plus, some, others))
