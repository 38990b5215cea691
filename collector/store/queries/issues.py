"""The Issues page: failures grouped by cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Subquery, case, exists, func, or_, select

from collector.domain.facts import IssueKind
from collector.domain.issue_states import Status, status_of
from collector.store.queries.common import FunctionRef, TimeRange
from collector.store.queries.lookups import FUNCTION_COLUMNS, contains, searchable, storable
from collector.store.queries.windows import TREND_BUCKETS, grouped, nanoseconds, rollup, slices, trend
from collector.store.tables import (
    function_stats,
    functions,
    issue_changes,
    issue_occurrences,
    issue_states,
    issue_stats,
    issues,
    memberships,
)

MOST = 500  # rows of the list; the filters reach the others


@dataclass(frozen=True, slots=True)
class IssueRow:
    id: int
    type: str
    message: str
    culprit: str | None
    status: Status
    function: FunctionRef
    occurrences: int  # within the window
    share: float  # of the function's invocations in the window, 0..1
    cost_pd: int | None  # what the failed invocations cost; None where the function has no price
    first_seen_ms: int
    last_seen_ms: int
    trend: tuple[int, ...]  # occurrences, 24 equal buckets over the window
    latest_transaction_id: bytes | None  # where to look for an example
    kind: IssueKind = IssueKind.FAILURE


# `kind` is a function's as well.
_ISSUE_COLUMNS = (*(column for column in issues.c if column.name != "kind"), issues.c.kind.label("issue_kind"))

# Of `issue_states`, joined to `issues` where there is one.
STATE_COLUMNS = (
    issue_states.c.status.label("decision"),
    issue_states.c.until_ms,
    exists()
    .where(issue_changes.c.issue_id == issue_states.c.issue_id, issue_changes.c.since_ms == issue_states.c.since_ms)
    .label("regressed"),
)

SORTS = ("occurrences", "last_seen", "first_seen", "type", "cost")


def list_issues(
    connection: Connection,
    window: TimeRange,
    *,
    function_id: int | None = None,
    type: str = "",
    search: str = "",
    sort: str = "occurrences",
    descending: bool = True,
    now_ms: int | None = None,
) -> list[IssueRow]:
    """Issues that occurred within the window. `search` looks in type, message, culprit and function name. `now_ms`: at
    which a mute is over or not; the window's end unless said.

    Equals stand with the one last seen first, unknown costs at the end. At most MOST rows.
    """
    if not storable(function_id):
        return []
    seen = _seen(window)
    where = [seen.c.occurrences > 0]
    if function_id is not None:
        where.append(issues.c.function_id == function_id)
    if type := searchable(type):
        where.append(issues.c.type == type)
    if wanted := searchable(search):
        searched = (issues.c.type, issues.c.message, issues.c.culprit, functions.c.name)
        where.append(or_(*(contains(column, wanted) for column in searched)))
    sorts: dict[str, ColumnElement[object]] = {
        "occurrences": seen.c.occurrences,
        "last_seen": issues.c.last_seen_ms,
        "first_seen": issues.c.first_seen_ms,
        "type": func.lower(issues.c.type),
        "cost": case((functions.c.kind == "lambda", seen.c.cost_pd)),
    }
    key = sorts.get(sort, sorts["occurrences"])
    found = connection.execute(
        select(*_ISSUE_COLUMNS, *FUNCTION_COLUMNS, seen.c.occurrences, seen.c.cost_pd, *STATE_COLUMNS)
        .join(functions, functions.c.id == issues.c.function_id)
        .join(seen, seen.c.issue_id == issues.c.id)
        .outerjoin(issue_states, issue_states.c.issue_id == issues.c.id)
        .where(*where)
        .order_by((key.desc() if descending else key).nulls_last(), issues.c.last_seen_ms.desc(), issues.c.id)
        .limit(MOST)
    ).all()
    ids = [row[0] for row in found]
    trends = _trends(connection, window, ids)
    invocations = _invocations(connection, window, {row.function_id for row in found})
    latest = _latest_transactions(connection, window, ids)
    first_of_function = len(_ISSUE_COLUMNS)
    return [
        IssueRow(
            id=row[0],
            type=row.type,
            message=row.message,
            culprit=row.culprit,
            status=status_of(row.decision, row.until_ms, regressed=row.regressed, now_ms=now_ms or window.end_ms),
            function=FunctionRef(*row[first_of_function : first_of_function + 5]),
            occurrences=row.occurrences,
            share=min(1.0, row.occurrences / max(1, invocations.get(row.function_id, 0))),
            cost_pd=row.cost_pd if row.kind == "lambda" else None,
            first_seen_ms=row.first_seen_ms,
            last_seen_ms=row.last_seen_ms,
            trend=tuple(trends[row[0]]),
            latest_transaction_id=latest.get(row[0]),
            kind=IssueKind(row.issue_kind),
        )
        for row in found
    ]


def issue_types(connection: Connection, window: TimeRange) -> list[tuple[str, int]]:
    """Types that occurred within the window with their number of issues, most first: the filter's choices."""
    seen = _seen(window)
    count = func.count().label("count")
    statement = (
        select(issues.c.type, count)
        .join(seen, seen.c.issue_id == issues.c.id)
        .where(seen.c.occurrences > 0)
        .group_by(issues.c.type)
        .order_by(count.desc(), issues.c.type)
        .limit(MOST)
    )
    return [(type, number) for type, number in connection.execute(statement)]


def _seen(window: TimeRange) -> Subquery:
    stats = issue_stats.c
    rows = rollup(issue_stats, slices(window), [stats.issue_id, stats.occurrences, stats.cost_pd])
    return grouped(rows, [rows.c.issue_id], "occurrences", "cost_pd").subquery()


def _trends(connection: Connection, window: TimeRange, ids: Sequence[int]) -> dict[int, list[int]]:
    stats = issue_stats.c
    parts, number = trend(window, stats.start_s)
    rows = rollup(
        issue_stats, parts, [stats.issue_id, number.label("number"), stats.occurrences], stats.issue_id.in_(ids)
    )
    trends: defaultdict[int, list[int]] = defaultdict(lambda: [0] * TREND_BUCKETS)
    for issue_id, bar, count in connection.execute(grouped(rows, [rows.c.issue_id, rows.c.number], "occurrences")):
        trends[issue_id][bar] = count
    return trends


def _invocations(connection: Connection, window: TimeRange, function_ids: set[int]) -> dict[int, int]:
    stats = function_stats.c
    rows = rollup(
        function_stats, slices(window), [stats.function_id, stats.invocations], stats.function_id.in_(function_ids)
    )
    statement = grouped(rows, [rows.c.function_id], "invocations")
    return {row.function_id: row.invocations for row in connection.execute(statement)}


def _latest_transactions(connection: Connection, window: TimeRange, ids: Sequence[int]) -> dict[int, bytes]:
    """A transaction of each issue's latest occurrence in the window; of a batch's several the one with the smallest
    id, so that a reload leads to the same one."""
    start_ns, end_ns = nanoseconds(window)
    occurred = issue_occurrences.c
    # One seek per issue; a GROUP BY would read all occurrences.
    trace_id = (
        select(occurred.trace_id)
        .where(occurred.issue_id == issues.c.id, occurred.started_ns >= start_ns, occurred.started_ns < end_ns)
        .order_by(occurred.started_ns.desc(), occurred.span_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    latest = select(issues.c.id, trace_id.label("trace_id")).where(issues.c.id.in_(ids)).subquery()
    statement = (
        select(latest.c.id, memberships.c.transaction_id)
        .join(memberships, memberships.c.trace_id == latest.c.trace_id)
        .order_by(memberships.c.transaction_id.desc())
    )
    return {row.id: row.transaction_id for row in connection.execute(statement)}
