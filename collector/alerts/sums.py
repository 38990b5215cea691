"""Rollups summed over windows that move on: what all conditions are worked out from.

A window that ends at `t` holds the minutes that began before `t`. Each kind of sum is read with one statement for the
window of the first moment (whole hours of it from the hours' rollups), and one each for the minutes that enter and
leave it afterwards. Windows of one process share what they read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, select

from collector.domain.facts import FAILED, Result
from collector.domain.histogram import bucket_of
from collector.store import tables
from collector.store.queries.common import TimeRange
from collector.store.queries.windows import MINUTE_S, grouped, rollup, slices

NS = 1_000_000_000
Tags = tuple[tuple[str, str], ...]
Key = tuple[int, ...]
Values = tuple[int, ...]

# The values of a function's sums, by position.
INVOCATIONS, ERRORS, COLD_STARTS, COST_PD, UNPRICED, THROTTLES = range(6)
NOTHING: Values = (0,) * 6
ISSUES = "issues"
_NAMES = ("invocations", "errors", "cold_starts", "cost_pd", "unpriced", "throttles")


class Source:
    """Rows of one rollup: of `keys`, with `values` that add up. `only`: of these functions."""

    def __init__(
        self,
        table: Table,
        keys: Sequence[str],
        values: Sequence[str],
        *,
        only: Sequence[int] | None = None,
    ) -> None:
        self._table = table
        self._keys = keys
        self._values = values
        self._where: list[ColumnElement[bool]] = []
        if only is not None:
            self._where.append(_of_functions(table, only))

    def total(self, connection: Connection, start_s: int, end_s: int) -> dict[Key, Values]:
        """The sums of whole minutes from `start_s` up to `end_s`."""
        if start_s >= end_s:
            return {}
        columns = [self._table.c[name] for name in (*self._keys, *self._values)]
        rows = rollup(self._table, slices(TimeRange(start_s * 1000, end_s * 1000)), columns, *self._where)
        statement = grouped(rows, [rows.c[name] for name in self._keys], *self._values)
        width = len(self._keys)
        return {tuple(row[:width]): tuple(row[width:]) for row in connection.execute(statement)}

    def minutes(self, connection: Connection, start_s: int, end_s: int) -> dict[int, list[tuple[Key, Values]]]:
        """Each minute's rows, by when the minute began."""
        found: defaultdict[int, list[tuple[Key, Values]]] = defaultdict(list)
        if start_s >= end_s:
            return found
        stats = self._table.c
        statement = select(stats.start_s, *(stats[name] for name in (*self._keys, *self._values))).where(
            stats.resolution == MINUTE_S, stats.start_s >= start_s, stats.start_s < end_s, *self._where
        )
        width = len(self._keys) + 1
        for row in connection.execute(statement):
            found[row[0]].append((tuple(row[1:width]), tuple(row[width:])))
        return found


class Maxima:
    """Rows of one rollup: of `keys`, with a value of which the largest counts. `only`: of these functions."""

    def __init__(self, table: Table, keys: Sequence[str], value: str) -> None:
        self._table = table
        self._keys = keys
        self._value = value
        self._where: list[ColumnElement[bool]] = []

    def limit(self, only: Sequence[int] | None) -> None:
        """To these functions."""
        self._where = [] if only is None else [_of_functions(self._table, only)]

    def largest(self, connection: Connection, start_s: int, end_s: int) -> dict[Key, int]:
        """Over whole minutes from `start_s` up to `end_s`."""
        if start_s >= end_s:
            return {}
        columns = [self._table.c[name] for name in (*self._keys, self._value)]
        rows = rollup(self._table, slices(TimeRange(start_s * 1000, end_s * 1000)), columns, *self._where)
        keys = [rows.c[name] for name in self._keys]
        statement = select(*keys, func.max(rows.c[self._value])).group_by(*keys)
        return {tuple(row[:-1]): row[-1] for row in connection.execute(statement)}

    def minutes(self, connection: Connection, start_s: int, end_s: int) -> dict[int, list[tuple[Key, int]]]:
        """Each minute's values, by when the minute began."""
        found: defaultdict[int, list[tuple[Key, int]]] = defaultdict(list)
        if start_s >= end_s:
            return found
        stats = self._table.c
        statement = select(stats.start_s, *(stats[name] for name in self._keys), stats[self._value]).where(
            stats.resolution == MINUTE_S, stats.start_s >= start_s, stats.start_s < end_s, *self._where
        )
        for row in connection.execute(statement):
            found[row[0]].append((tuple(row[1:-1]), row[-1]))
        return found


def _of_functions(table: Table, only: Sequence[int]) -> ColumnElement[bool]:
    if table is tables.issue_stats:
        return table.c.issue_id.in_(select(tables.issues.c.id).where(tables.issues.c.function_id.in_(only)))
    return table.c.function_id.in_(only)


class TaggedSource(Source):
    """The same of the invocations that carry execution tags, which no rollup tells apart: read from their rows by the
    tags' index. `shape` makes one invocation's row into keys and values."""

    def __init__(self, tags: Tags, columns: Sequence[ColumnElement[Any]], shape: Callable[..., tuple[Key, Values]]):
        self._tags = tags
        self._columns = columns
        self._shape = shape

    def total(self, connection: Connection, start_s: int, end_s: int) -> dict[Key, Values]:
        found: dict[Key, Values] = {}
        for _, key, values in self._rows(connection, start_s, end_s):
            known = found.get(key)
            found[key] = values if known is None else add(known, values)
        return found

    def minutes(self, connection: Connection, start_s: int, end_s: int) -> dict[int, list[tuple[Key, Values]]]:
        found: defaultdict[int, list[tuple[Key, Values]]] = defaultdict(list)
        for started_ns, key, values in self._rows(connection, start_s, end_s):
            found[started_ns // NS // MINUTE_S * MINUTE_S].append((key, values))
        return found

    def _rows(self, connection: Connection, start_s: int, end_s: int) -> Iterator[tuple[int, Key, Values]]:
        if start_s >= end_s:
            return
        for started_ns, *row in connection.execute(self._select(start_s, end_s)):
            yield started_ns, *self._shape(*row)

    def _select(self, start_s: int, end_s: int) -> Select[*tuple[Any, ...]]:
        rows, given = tables.invocations.c, tables.invocation_tags.c
        first, *others = _by_key(self._tags)
        same = and_(rows.started_ns == given.started_ns, rows.span_id == given.span_id)
        return (
            select(rows.started_ns, *self._columns)
            .select_from(tables.invocation_tags.join(tables.invocations, same))
            .where(
                given.key == first[0],
                given.value.in_(first[1]),
                given.started_ns >= start_s * NS,
                given.started_ns < end_s * NS,
                rows.result != Result.RUNNING,
                *(_has(key, values) for key, values in others),
            )
        )


class TaggedIssues(TaggedSource):
    """Occurrences of issues in such invocations."""

    def _select(self, start_s: int, end_s: int) -> Select[*tuple[Any, ...]]:
        occurred, rows = tables.issue_occurrences.c, tables.invocations.c
        return (
            super()
            ._select(start_s, end_s)
            .join(
                tables.issue_occurrences,
                and_(occurred.started_ns == rows.started_ns, occurred.span_id == rows.span_id),
            )
        )


def _by_key(tags: Tags) -> list[tuple[str, list[str]]]:
    """Values with one key are alternatives."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in tags:
        found[key].append(value)
    return sorted(found.items())


def _has(key: str, values: Sequence[str]) -> ColumnElement[bool]:
    """Whether an invocation has one more tag."""
    rows, given = tables.invocations.c, tables.invocation_tags.alias().c
    return (
        select(given.span_id)
        .where(
            given.started_ns == rows.started_ns,
            given.span_id == rows.span_id,
            given.key == key,
            given.value.in_(values),
        )
        .exists()
    )


def function_source(tags: Tags, only: Sequence[int] | None) -> Source:
    """By (function,): the values named above."""
    if not tags:
        return Source(tables.function_stats, ("function_id",), _NAMES, only=only)
    rows = tables.invocations.c
    columns = (rows.function_id, rows.result, rows.cold_start, rows.cost_pd)
    return TaggedSource(tags, columns, _invocation_values)


def duration_source(tags: Tags, only: Sequence[int] | None) -> Source:
    """By (function, bucket): (count,)."""
    if not tags:
        return Source(tables.function_durations, ("function_id", "bucket"), ("count",), only=only)
    rows = tables.invocations.c
    columns = (rows.function_id, rows.duration_ns, rows.reported_ns, rows.finished)
    return TaggedSource(tags, columns, _invocation_bucket)


def issue_source(tags: Tags, only: Sequence[int] | None) -> Source:
    """By (issue,): (occurrences,)."""
    if not tags:
        return Source(tables.issue_stats, ("issue_id",), ("occurrences",), only=only)
    return TaggedIssues(tags, (tables.issue_occurrences.c.issue_id,), lambda issue_id: ((issue_id,), (1,)))


def _invocation_values(function_id: int, result: int, cold_start: bool, cost_pd: int | None) -> tuple[Key, Values]:
    return (function_id,), (1, int(result in FAILED), int(cold_start), cost_pd or 0, int(cost_pd is None), 0)


def _invocation_bucket(
    function_id: int, duration_ns: int, reported_ns: int | None, finished: bool
) -> tuple[Key, Values]:
    ran_ns = duration_ns if finished or reported_ns is None else reported_ns
    return (function_id, bucket_of(ran_ns)), (1,)


class Sliding:
    """Sums over the last `window_s` before `t`, which only goes forward; `advance` moves it there."""

    def __init__(self, connection: Connection, source: Source, window_s: int, first_s: int, last_s: int) -> None:
        self.sums = source.total(connection, first_s - window_s, first_s)
        self._window_s = window_s
        self._first_s = self._at_s = first_s
        self._entering = source.minutes(connection, first_s, last_s)
        self._leaving = source.minutes(connection, first_s - window_s, min(first_s, last_s - window_s))

    def advance(self, t: int) -> dict[Key, Values]:
        """The sums of the window that ends at `t`. Not to be changed, and only until the next call."""
        sums = self.sums
        for minute in range(self._at_s, t, MINUTE_S):
            for key, values in self._entering.get(minute, ()):
                known = sums.get(key)
                sums[key] = values if known is None else add(known, values)
            gone = minute - self._window_s
            for key, values in (self._leaving if gone < self._first_s else self._entering).get(gone, ()):
                sums[key] = subtract(sums.get(key, (0,) * len(values)), values)
        self._at_s = max(self._at_s, t)
        return sums


class Largest:
    """The largest value of the last `window_s` before `t`, by key; `t` only goes forward."""

    def __init__(self, connection: Connection, source: Maxima, window_s: int, first_s: int, last_s: int) -> None:
        self._window_s = window_s
        # What all of these windows hold is read as one. It is nothing where they are shorter than the time between.
        common = min(last_s - window_s, first_s)
        self._common = source.largest(connection, common, first_s)
        self._minutes = source.minutes(connection, first_s - window_s, common)
        self._minutes.update(source.minutes(connection, first_s, last_s))
        if last_s - window_s > first_s:
            self._minutes = source.minutes(connection, first_s - window_s, last_s)

    def advance(self, t: int) -> dict[Key, int]:
        """By key, over the window that ends at `t`."""
        found = dict(self._common)
        for minute, values in self._minutes.items():
            if t - self._window_s <= minute < t:
                for key, value in values:
                    if value > found.get(key, 0):
                        found[key] = value
        return found


def add(some: Values, others: Values) -> Values:
    return tuple([one + other for one, other in zip(some, others, strict=True)])


def subtract(some: Values, others: Values) -> Values:
    return tuple([one - other for one, other in zip(some, others, strict=True)])
