"""The page of one issue: what it is, how often and where it occurs, and what was done about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select

from collector.domain.facts import IssueKind
from collector.domain.issue_states import Action, Status
from collector.store.queries.common import FunctionRef, Point, TimeRange
from collector.store.queries.issue_samples import Samples, read_samples
from collector.store.queries.issues import status_column
from collector.store.queries.lookups import FUNCTION_COLUMNS, storable
from collector.store.queries.retries import Retries, retries_of_issue
from collector.store.queries.windows import chart_buckets, grouped, nanoseconds, rollup, slices, total
from collector.store.tables import (
    function_stats,
    functions,
    invocation_tags,
    issue_changes,
    issue_history,
    issue_occurrences,
    issue_states,
    issue_stats,
    issues,
)

MOST_TAGGED = 1_000  # occurrences, the newest, whose tags are counted
MOST_TAG_KEYS = 12
MOST_TAG_VALUES = 5  # of each key
MOST_HISTORY = 200  # changes, the newest


@dataclass(frozen=True, slots=True)
class TagCounts:
    """How the occurrences of an issue are tagged with one key: the most frequent values first."""

    key: str
    occurrences: int  # that have the key
    values: tuple[tuple[str, int], ...]
    others: int  # occurrences with further values


@dataclass(frozen=True, slots=True)
class IssueEvent:
    """Something that happened to the issue. `action` None: it came back, by itself."""

    at_ms: int
    action: Action | None
    actor: str  # "" where nobody had to say who it was
    until_ms: int | None  # of a mute
    assignee: str  # of an assignment; "" for nobody


@dataclass(frozen=True, slots=True)
class IssueDetail:
    id: int
    type: str
    message: str
    culprit: str | None
    kind: IssueKind
    function: FunctionRef
    status: Status
    since_ms: int | None  # when it was resolved or muted; None where nobody ever decided
    until_ms: int | None  # of a muted one: when it is open again; None: never
    assignee: str
    first_seen_ms: int
    last_seen_ms: int
    occurrences: int  # within the window
    invocations: int  # of its function, within the window
    cost_pd: int | None  # what the invocations with it cost within the window
    occurrences_ever: int
    cost_ever_pd: int | None
    retries: Retries  # among the invocations with it, within the window
    bucket_s: int
    trend: tuple[Point, ...]  # occurrences
    tags: tuple[TagCounts, ...]  # of the window's newest occurrences
    tagged: int  # how many occurrences these are of
    samples: Samples
    history: tuple[IssueEvent, ...]  # newest first


def get_issue(connection: Connection, id: int, window: TimeRange, *, now_ms: int) -> IssueDetail | None:
    """None: no such issue. `now_ms`: at which a mute is over or not."""
    if not storable(id):
        return None
    row = connection.execute(
        select(
            issues.c.type,
            issues.c.message,
            issues.c.culprit,
            issues.c.kind.label("issue_kind"),
            issues.c.first_seen_ms,
            issues.c.last_seen_ms,
            issue_states.c.since_ms,
            issue_states.c.until_ms,
            func.coalesce(issue_states.c.assignee, "").label("assignee"),
            status_column(now_ms).label("status"),
            *FUNCTION_COLUMNS,
        )
        .select_from(issues)
        .join(functions, functions.c.id == issues.c.function_id)
        .outerjoin(issue_states, issue_states.c.issue_id == issues.c.id)
        .where(issues.c.id == id)
    ).one_or_none()
    if row is None:
        return None
    function = FunctionRef(*row[-5:])
    priced = function.kind == "lambda"
    buckets = chart_buckets(window)
    stats = issue_stats.c
    rows = rollup(
        issue_stats,
        slices(window, finest_s=buckets.width_s),
        [buckets.number(stats.start_s).label("bar"), stats.occurrences, stats.cost_pd],
        stats.issue_id == id,
    )
    bars = connection.execute(grouped(rows, [rows.c.bar], "occurrences", "cost_pd")).all()
    ever = connection.execute(
        select(total(stats.occurrences), total(stats.cost_pd)).where(stats.issue_id == id, stats.resolution == 3600)
    ).one()
    tags, tagged = _tags(connection, id, window)
    return IssueDetail(
        id=id,
        type=row.type,
        message=row.message,
        culprit=row.culprit,
        kind=IssueKind(row.issue_kind),
        function=function,
        status=Status(row.status),
        since_ms=row.since_ms,
        until_ms=row.until_ms if row.status == Status.MUTED else None,
        assignee=row.assignee,
        first_seen_ms=row.first_seen_ms,
        last_seen_ms=row.last_seen_ms,
        occurrences=sum(bar.occurrences for bar in bars),
        invocations=_invocations(connection, function.id, window),
        cost_pd=sum(bar.cost_pd for bar in bars) if priced else None,
        occurrences_ever=ever[0],
        cost_ever_pd=ever[1] if priced else None,
        retries=retries_of_issue(connection, id, function.id, window),
        bucket_s=buckets.width_s,
        trend=buckets.points({bar.bar: bar.occurrences for bar in bars}),
        tags=tags,
        tagged=tagged,
        samples=read_samples(connection, id, window),
        history=_history(connection, id),
    )


def _invocations(connection: Connection, function_id: int, window: TimeRange) -> int:
    stats = function_stats.c
    rows = rollup(function_stats, slices(window), [stats.invocations], stats.function_id == function_id)
    return connection.scalar(select(total(rows.c.invocations))) or 0


def _tags(connection: Connection, id: int, window: TimeRange) -> tuple[tuple[TagCounts, ...], int]:
    """Of the newest MOST_TAGGED occurrences; the keys that most of them have, and how many occurrences there are."""
    start_ns, end_ns = nanoseconds(window)
    occurred = issue_occurrences.c
    newest = (
        select(occurred.started_ns, occurred.span_id)
        .where(occurred.issue_id == id, occurred.started_ns >= start_ns, occurred.started_ns < end_ns)
        .order_by(occurred.started_ns.desc(), occurred.span_id.desc())
        .limit(MOST_TAGGED)
        .subquery()
    )
    tagged = connection.scalar(select(func.count()).select_from(newest)) or 0
    counts: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for key, value, number in connection.execute(
        select(invocation_tags.c.key, invocation_tags.c.value, func.count())
        .select_from(newest)
        .join(
            invocation_tags,
            and_(invocation_tags.c.started_ns == newest.c.started_ns, invocation_tags.c.span_id == newest.c.span_id),
        )
        .group_by(invocation_tags.c.key, invocation_tags.c.value)
    ):
        counts[key].append((value, number))
    found = [_tag_counts(key, values) for key, values in counts.items()]
    found.sort(key=lambda tag: (-tag.occurrences, tag.key))
    return tuple(found[:MOST_TAG_KEYS]), tagged


def _tag_counts(key: str, values: Sequence[tuple[str, int]]) -> TagCounts:
    ordered = sorted(values, key=lambda item: (-item[1], item[0]))
    shown = tuple(ordered[:MOST_TAG_VALUES])
    occurrences = sum(number for _, number in values)
    return TagCounts(key, occurrences, shown, occurrences - sum(number for _, number in shown))


def _history(connection: Connection, id: int) -> tuple[IssueEvent, ...]:
    """What people did, and each time that it came back after somebody had resolved it."""
    history, occurred = issue_history.c, issue_occurrences.c
    events = [
        IssueEvent(row.changed_ns // 1_000_000, Action(row.action), row.actor, row.until_ms, row.assignee)
        for row in connection.execute(
            select(issue_history).where(history.issue_id == id).order_by(history.changed_ns.desc()).limit(MOST_HISTORY)
        )
    ]
    came_back_ns = (
        select(func.min(occurred.started_ns))
        .where(occurred.issue_id == id, occurred.started_ns >= (issue_changes.c.since_ms + 1) * 1_000_000)
        .scalar_subquery()
    )
    for (at_ns,) in connection.execute(
        select(came_back_ns).where(issue_changes.c.issue_id == id, issue_changes.c.since_ms > 0)
    ):
        if at_ns is not None:  # it may be so long ago that no row tells of it any more
            events.append(IssueEvent(at_ns // 1_000_000, None, "", None, ""))
    events.sort(key=lambda event: event.at_ms, reverse=True)
    return tuple(events)
