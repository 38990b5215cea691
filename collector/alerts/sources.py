"""Where sums are read from: the rollups, and for rules about execution tags the rollups of tags, or, where those do not
tell enough, the invocations that carry them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, select

from collector.alerts.sums import ISSUES, TOGETHER, VALUES, Row, Source, Tags, Values, add
from collector.domain.facts import FAILED, Result
from collector.domain.histogram import bucket_of
from collector.store import tables
from collector.store.queries.windows import MINUTE_S
from collector.store.tag_tables import tag_stats

NS = 1_000_000_000
FUNCTIONS, DURATIONS = "functions", "durations"
COUNTED = "counted"
COSTS = "costs"


def source_of(name: str, tags: Tags, only: Sequence[int] | None, *, joined: bool = False) -> Source:
    """FUNCTIONS: by function, the values of `collector.alerts.sums`; COUNTED: these without cold starts and throttled
    calls, of invocations with one tag's key; DURATIONS: by function and bucket, a count; ISSUES: by issue,
    occurrences; COSTS: by function, those of its invocations and of its calls."""
    if name == COUNTED:
        return TagSums(tags, only=only, joined=joined)
    if tags:
        return _TAGGED[name](tags, only, joined)
    if name == FUNCTIONS:
        return Source(tables.function_stats, ("function_id",), VALUES, only=only, joined=joined)
    if name == DURATIONS:
        return Source(tables.function_durations, ("function_id", "bucket"), ("count",), only=only, joined=joined)
    if name == COSTS:
        return Source(tables.function_stats, ("function_id",), ("cost_pd", "calls_cost_pd"), only=only, joined=joined)
    return Source(tables.issue_stats, ("issue_id",), ("occurrences",), only=only)


class TagSums(Source):
    """Sums of the invocations that have one of several values of one tag: an invocation has each key once."""

    def __init__(self, tags: Tags, *, only: Sequence[int] | None, joined: bool) -> None:
        stats = tag_stats.c
        ((key, values),) = _by_key(tags)
        super().__init__(
            tag_stats,
            ("function_id",),
            ("invocations", "errors", "cost_pd", "calls_cost_pd"),
            only=only,
            joined=joined,
            where=[stats.key == key, stats.value.in_(values)],
        )

    def total(self, connection: Connection, start_s: int, end_s: int) -> list[Row]:
        """Keys and sums."""
        return [_widened(row) for row in super().total(connection, start_s, end_s)]

    def minutes(self, connection: Connection, start_s: int, end_s: int) -> dict[int, list[Row]]:
        """Each minute's keys and sums."""
        found = {}
        for minute, rows in super().minutes(connection, start_s, end_s).items():
            sums: dict[Row, Values] = {}
            for row in rows:  # one for each value of the tag
                known = sums.get(row[:1])
                sums[row[:1]] = row[1:] if known is None else add(known, row[1:])
            found[minute] = [_widened((*key, *values)) for key, values in sums.items()]
        return found


def _widened(row: Row) -> Row:
    key, invocations, errors, cost_pd, calls_cost_pd = row
    return key, invocations, errors, 0, cost_pd, calls_cost_pd, 0


class TaggedSource(Source):
    """The same of the invocations that carry execution tags, read from their rows by the tags' index. `shape` makes one
    invocation's row into keys and values."""

    def __init__(
        self,
        tags: Tags,
        columns: Sequence[ColumnElement[Any]],
        shape: Callable[..., Row],
        *,
        only: Sequence[int] | None,
        keys: int = 1,
    ) -> None:
        self._tags = tags
        self._columns = columns
        self._shape = shape
        self._only = only
        self._width = keys

    def total(self, connection: Connection, start_s: int, end_s: int) -> list[Row]:
        """Keys and sums."""
        found: dict[Row, Values] = {}
        for _, row in self._rows(connection, start_s, end_s):
            self._add(found, row)
        return [(*key, *values) for key, values in found.items()]

    def _add(self, found: dict[Row, Values], row: Row) -> None:
        key, values = row[: self._width], row[self._width :]
        known = found.get(key)
        found[key] = values if known is None else add(known, values)

    def minutes(self, connection: Connection, start_s: int, end_s: int) -> dict[int, list[Row]]:
        """Each minute's keys and sums."""
        sums: defaultdict[int, dict[Row, Values]] = defaultdict(dict)
        for started_ns, row in self._rows(connection, start_s, end_s):
            self._add(sums[started_ns // NS // MINUTE_S * MINUTE_S], row)
        return {minute: [(*key, *values) for key, values in found.items()] for minute, found in sums.items()}

    def _rows(self, connection: Connection, start_s: int, end_s: int) -> Iterator[tuple[int, Row]]:
        if start_s >= end_s:
            return
        for started_ns, *row in connection.execute(self._select(start_s, end_s)):
            yield started_ns, self._shape(*row)

    def _select(self, start_s: int, end_s: int) -> Select[*tuple[Any, ...]]:
        rows, given = tables.invocations.c, tables.invocation_tags.c
        first, *others = _by_key(self._tags)
        same = and_(rows.started_ns == given.started_ns, rows.span_id == given.span_id)
        statement = (
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
        return statement if self._only is None else statement.where(rows.function_id.in_(self._only))


class TaggedIssues(TaggedSource):
    """Occurrences of issues in such invocations."""

    def _select(self, start_s: int, end_s: int) -> Select[*tuple[Any, ...]]:
        occurred, rows = tables.issue_occurrences.c, tables.invocations.c
        same = and_(occurred.started_ns == rows.started_ns, occurred.span_id == rows.span_id)
        return super()._select(start_s, end_s).join(tables.issue_occurrences, same)


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


def _functions(tags: Tags, only: Sequence[int] | None, joined: bool) -> Source:
    rows = tables.invocations.c

    def shape(function_id: int, result: int, cold_start: bool, cost_pd: int | None, calls_pd: int) -> Row:
        key = TOGETHER if joined else function_id
        return key, 1, int(result in FAILED), int(cold_start), cost_pd or 0, calls_pd, 0

    columns = (rows.function_id, rows.result, rows.cold_start, rows.cost_pd, rows.calls_cost_pd)
    return TaggedSource(tags, columns, shape, only=only)


def _durations(tags: Tags, only: Sequence[int] | None, joined: bool) -> Source:
    rows = tables.invocations.c

    def shape(function_id: int, duration_ns: int, reported_ns: int | None, finished: bool) -> Row:
        ran_ns = duration_ns if finished or reported_ns is None else reported_ns
        return TOGETHER if joined else function_id, bucket_of(ran_ns), 1

    columns = (rows.function_id, rows.duration_ns, rows.reported_ns, rows.finished)
    return TaggedSource(tags, columns, shape, only=only, keys=2)


def _issues(tags: Tags, only: Sequence[int] | None, _joined: bool) -> Source:
    return TaggedIssues(tags, (tables.issue_occurrences.c.issue_id,), lambda issue_id: (issue_id, 1), only=only)


_TAGGED: dict[str, Callable[[Tags, Sequence[int] | None, bool], Source]] = {
    FUNCTIONS: _functions,
    DURATIONS: _durations,
    ISSUES: _issues,
}
