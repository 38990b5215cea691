"""The Issues page: what went wrong, grouped by cause, and what somebody decided about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, exists, func, literal, or_, select

from collector.domain.facts import FAILURES, IssueKind
from collector.domain.issue_states import Decision, Status
from collector.store.queries.common import FunctionRef, TimeRange
from collector.store.queries.lookups import FUNCTION_COLUMNS, contains, functions_by_id, searchable, storable
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
NOBODY = "-"  # the filter by assignee: those that nobody looks after


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
    cost_pd: int | None  # what the invocations with it cost; None where the function has no price
    first_seen_ms: int
    last_seen_ms: int
    trend: tuple[int, ...]  # occurrences, 24 equal buckets over the window
    latest_transaction_id: bytes | None  # where to look for an example
    kind: IssueKind = IssueKind.FAILURE
    assignee: str = ""  # nobody
    until_ms: int | None = None  # of a muted one: when it is open again; None: never


@dataclass(frozen=True, slots=True)
class IssueFilter:
    """Empty or None: whatever it is."""

    function_id: int | None = None
    type: str = ""
    statuses: Collection[Status] = ()
    kinds: Collection[IssueKind] = ()
    assignee: str = ""  # NOBODY: nobody's
    search: str = ""  # in type, message, culprit and function name


# `kind` is a function's as well.
_ISSUE_COLUMNS = (*(column for column in issues.c if column.name != "kind"), issues.c.kind.label("issue_kind"))
_STATE_COLUMNS = (func.coalesce(issue_states.c.assignee, "").label("assignee"), issue_states.c.until_ms)
_CAME_BACK = exists().where(
    issue_changes.c.issue_id == issue_states.c.issue_id, issue_changes.c.since_ms == issue_states.c.since_ms
)

SORTS = ("attention", "occurrences", "last_seen", "first_seen", "type", "cost")


def status_column(now_ms: int) -> ColumnElement[str]:
    """An issue's status by `collector.domain.issue_states.status_of`, of `issues` joined to `issue_states`."""
    resolved = issue_states.c.status == int(Decision.RESOLVED)
    muted = and_(
        issue_states.c.status == int(Decision.MUTED),
        or_(issue_states.c.until_ms.is_(None), issue_states.c.until_ms > now_ms),
    )
    return case(
        (and_(resolved, _CAME_BACK), literal(Status.REGRESSED.value)),
        (resolved, literal(Status.RESOLVED.value)),
        (muted, literal(Status.MUTED.value)),
        else_=literal(Status.OPEN.value),
    )


def list_issues(
    connection: Connection,
    window: TimeRange,
    wanted: IssueFilter | None = None,
    *,
    sort: str = "occurrences",
    descending: bool = True,
    now_ms: int | None = None,
) -> list[IssueRow]:
    """Issues that occurred within the window. `now_ms`: at which a mute is over or not; the window's end unless said.

    Equals stand with the one last seen first, unknown costs at the end. By `attention`: what came back first, then what
    made invocations fail, then the most frequent. At most MOST rows.
    """
    wanted = wanted or IssueFilter()
    if not storable(wanted.function_id):
        return []
    now_ms = now_ms or window.end_ms
    seen, status = _seen(window), status_column(now_ms)
    where = [seen.c.occurrences > 0, *_conditions(wanted, status)]
    sorts: dict[str, ColumnElement[object]] = {
        "occurrences": seen.c.occurrences,
        "last_seen": issues.c.last_seen_ms,
        "first_seen": issues.c.first_seen_ms,
        "type": func.lower(issues.c.type),
        "cost": case((functions.c.kind == "lambda", seen.c.cost_pd)),
    }
    first: list[ColumnElement[object]] = []
    if sort not in sorts:
        first = [
            case((status == literal(Status.REGRESSED.value), 0), else_=1),
            case((issues.c.kind.in_([int(kind) for kind in FAILURES]), 0), else_=1),
        ]
        sort, descending = "occurrences", True
    key = sorts[sort]
    found = connection.execute(
        select(
            *_ISSUE_COLUMNS,
            *FUNCTION_COLUMNS,
            seen.c.occurrences,
            seen.c.cost_pd,
            *_STATE_COLUMNS,
            status.label("status"),
        )
        .join(functions, functions.c.id == issues.c.function_id)
        .join(seen, seen.c.issue_id == issues.c.id)
        .outerjoin(issue_states, issue_states.c.issue_id == issues.c.id)
        .where(*where)
        .order_by(*first, (key.desc() if descending else key).nulls_last(), issues.c.last_seen_ms.desc(), issues.c.id)
        .limit(MOST)
    ).all()
    ids = [row[0] for row in found]
    trends = _trends(connection, window, ids)
    invocations = _invocations(connection, window, {row.function_id for row in found})
    latest = latest_transactions(connection, window, ids)
    first_of_function = len(_ISSUE_COLUMNS)
    return [
        IssueRow(
            id=row[0],
            type=row.type,
            message=row.message,
            culprit=row.culprit,
            status=Status(row.status),
            function=FunctionRef(*row[first_of_function : first_of_function + 5]),
            occurrences=row.occurrences,
            share=min(1.0, row.occurrences / max(1, invocations.get(row.function_id, 0))),
            cost_pd=row.cost_pd if row.kind == "lambda" else None,
            first_seen_ms=row.first_seen_ms,
            last_seen_ms=row.last_seen_ms,
            trend=tuple(trends[row[0]]),
            latest_transaction_id=latest.get(row[0]),
            kind=IssueKind(row.issue_kind),
            assignee=row.assignee,
            until_ms=row.until_ms if row.status == Status.MUTED else None,
        )
        for row in found
    ]


def count_issues(
    connection: Connection, window: TimeRange, wanted: IssueFilter | None = None, *, now_ms: int | None = None
) -> dict[Status, int]:
    """How many issues of each status occurred within the window, whatever statuses are wanted."""
    wanted = wanted or IssueFilter()
    found = dict.fromkeys(Status, 0)
    if not storable(wanted.function_id):
        return found
    seen, status = _seen(window), status_column(now_ms or window.end_ms)
    statement = (
        select(status.label("status"))
        .select_from(issues)
        .join(functions, functions.c.id == issues.c.function_id)
        .join(seen, seen.c.issue_id == issues.c.id)
        .outerjoin(issue_states, issue_states.c.issue_id == issues.c.id)
        .where(seen.c.occurrences > 0, *_conditions(wanted, None))
        .subquery()
    )
    for name, number in connection.execute(select(statement.c.status, func.count()).group_by(statement.c.status)):
        found[Status(name)] = number
    return found


def issue_choices(connection: Connection, window: TimeRange) -> tuple[list[tuple[IssueKind, int]], list[FunctionRef]]:
    """What the filters offer: kinds with their number of issues and functions, of issues that occurred within the
    window."""
    seen = _seen(window)
    kinds: dict[IssueKind, int] = {}
    function_ids: set[int] = set()
    for kind, function_id, number in connection.execute(
        select(issues.c.kind, issues.c.function_id, func.count())
        .join(seen, seen.c.issue_id == issues.c.id)
        .where(seen.c.occurrences > 0)
        .group_by(issues.c.kind, issues.c.function_id)
    ):
        kinds[IssueKind(kind)] = kinds.get(IssueKind(kind), 0) + number
        function_ids.add(function_id)
    names = functions_by_id(connection, function_ids)
    return (
        sorted(kinds.items(), key=lambda item: (item[0] not in FAILURES, item[0])),
        sorted(names.values(), key=lambda function: (function.name, function.region, function.id)),
    )


def assignees(connection: Connection) -> list[str]:
    """Everybody whom an issue is assigned to."""
    statement = select(issue_states.c.assignee).where(issue_states.c.assignee != "").distinct().limit(MOST)
    return sorted(connection.scalars(statement), key=str.casefold)


def _conditions(wanted: IssueFilter, status: ColumnElement[str] | None) -> list[ColumnElement[bool]]:
    """`status` None: of any."""
    where: list[ColumnElement[bool]] = []
    if wanted.function_id is not None:
        where.append(issues.c.function_id == wanted.function_id)
    if type := searchable(wanted.type):
        where.append(issues.c.type == type)
    if wanted.kinds:
        where.append(issues.c.kind.in_([int(kind) for kind in wanted.kinds]))
    if wanted.assignee:
        nobody = wanted.assignee == NOBODY
        where.append(func.coalesce(issue_states.c.assignee, "") == ("" if nobody else searchable(wanted.assignee)))
    if text := searchable(wanted.search):
        searched = (issues.c.type, issues.c.message, issues.c.culprit, functions.c.name)
        where.append(or_(*(contains(column, text) for column in searched)))
    if wanted.statuses and status is not None:
        where.append(status.in_([one.value for one in wanted.statuses]))
    return where


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


def latest_transactions(connection: Connection, window: TimeRange, ids: Sequence[int]) -> dict[int, bytes]:
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
