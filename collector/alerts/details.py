"""What a notice says beside its value: whom it hits, the error, an example, what it cost. Asked only of alerts that
are to be told, all of them together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, func, select

from collector.alerts.anomaly import month_start
from collector.alerts.boards import issue_board
from collector.alerts.catalog import Catalog
from collector.alerts.conditions import counts
from collector.alerts.evaluation import Plan
from collector.alerts.failures import MEMORY_TYPES, TIMEOUT_TYPES
from collector.alerts.joined import together
from collector.alerts.lifecycle import Record
from collector.alerts.model import Condition, ConditionKind, Grouping, IssueText, Sample
from collector.alerts.sources import NS
from collector.alerts.sums import ERRORS, INVOCATIONS, NOTHING, Values
from collector.alerts.values import DOLLAR_PD, reading
from collector.alerts.windows import Windows
from collector.domain.facts import FAILED, FAILURES, IssueKind
from collector.store import tables
from collector.store.queries.common import TimeRange
from collector.store.queries.windows import grouped, rollup, slices

MOST_FUNCTIONS = 10
MOST_SAMPLES = 50  # in one round: who gets hundreds of messages at once needs no example and no costs in each
LOOKED_BACK_S = 86_400  # for a sample, and for what an alert counts since it began


@dataclass(frozen=True, slots=True)
class Details:
    count: int = 0
    invocations: int = 0
    errors: int = 0  # of the invocations those that the rule is about
    functions: tuple[str, ...] = ()
    sample: Sample | None = None
    issue: IssueText | None = None
    cost_pd: int | None = None


def count_since(
    connection: Connection, catalog: Catalog, pairs: Sequence[tuple[Plan, Record]], *, now_s: int, now_ms: int
) -> dict[int, int]:
    """By alert what its condition counts from the alert's beginning up to `now_s`, of at most a day."""
    found: dict[int, int] = {}
    by_start: dict[int, list[tuple[Plan, Record]]] = {}
    for plan, record in pairs:
        if counts(plan.rule):
            start = max(record.since_s - plan.rule.window_s, now_s - LOOKED_BACK_S)
            by_start.setdefault(start, []).append((plan, record))
    for start, some in by_start.items():
        sums = Windows(connection, catalog, last_s=now_s, now_ms=now_ms)
        sums.at(now_s)
        for plan, record in some:
            found[record.id] = _count(sums, replace_window(plan, now_s - start), record, catalog)
    return found


def replace_window(plan: Plan, window_s: int) -> Plan:
    """The plan as if its rule had this window."""
    rule = replace(plan.rule, window_s=window_s)
    return replace(plan, rule=rule)


def _count(sums: Windows, plan: Plan, record: Record, catalog: Catalog) -> int:
    rule = plan.rule
    if rule.grouping is Grouping.ISSUE and record.issue_id is not None:
        return int(issue_board(sums, rule).board.values.get(record.issue_id, (0, 0))[0])
    if rule.grouping is Grouping.TOGETHER:
        return int((together(sums, rule, catalog.within(rule.scope)) or (0, 0))[0])
    if record.function_id is not None:
        return int((reading(sums, rule, record.function_id) or (0, 0))[0])
    return 0


def details_of(
    connection: Connection,
    catalog: Catalog,
    pairs: Sequence[tuple[Plan, Record]],
    *,
    now_s: int,
    now_ms: int,
    without: Mapping[int, Collection[int]] = MappingProxyType({}),
) -> dict[int, Details]:
    """By alert. `without`: by alert the issues that are told of elsewhere; another one is shown if there is any."""
    found: dict[int, Details] = {}
    counted = count_since(connection, catalog, pairs, now_s=now_s, now_ms=now_ms)
    issues: dict[int, IssueText] = {}
    lately: dict[int, Windows] = {}  # by the moment that the value is of
    for number, (plan, record) in enumerate(pairs):
        start_s = max(record.since_s - plan.rule.window_s, now_s - LOOKED_BACK_S)
        ids = _functions(catalog, plan, record)
        asked = _Asked(connection, plan, record, ids, start_s, now_s, without.get(record.id, ()))
        if record.last_s not in lately:
            lately[record.last_s] = Windows(connection, catalog, last_s=record.last_s, now_ms=now_ms)
        sums = lately[record.last_s].counted(plan.rule.window_s, plan.rule.scope.execution_tags)
        counted_by = _counting(plan)
        now = _count(lately[record.last_s], counted_by, record, catalog) if counted_by is not None else 0
        few = number < MOST_SAMPLES
        issue = _issue(asked, issues) if few else None
        among = [sums.get(id, NOTHING) for id in asked.ids]
        found[record.id] = Details(
            count=counted.get(record.id, 0),
            invocations=sum(one[INVOCATIONS] for one in among),
            errors=now,
            functions=_worst(catalog, asked.ids, sums),
            sample=_sample(asked, issue) if few else None,
            issue=issue,
            cost_pd=_cost(asked) if few else None,
        )
    return found


_INVOCATIONS = frozenset(
    {
        ConditionKind.ISSUE,
        ConditionKind.NEW_ISSUE,
        ConditionKind.REGRESSED_ISSUE,
        ConditionKind.ERRORS,
        ConditionKind.TIMEOUTS,
        ConditionKind.OUT_OF_MEMORY,
        ConditionKind.NEAR_TIMEOUT,
    }
)


def _counting(plan: Plan) -> Plan | None:
    """The plan as it counts the invocations that it is about: of a share of failures, the failures. None: it is not
    about some of the invocations, but about all."""
    rule = plan.rule
    if rule.condition.kind in _INVOCATIONS:
        return plan
    if rule.condition.kind in (ConditionKind.ERROR_RATE, ConditionKind.BURN_RATE):
        return replace(plan, rule=replace(rule, condition=Condition(ConditionKind.ERRORS, above=0)))
    return None


@dataclass(frozen=True, slots=True)
class _Asked:
    """One alert, its functions, and the time that is looked at."""

    connection: Connection
    plan: Plan
    record: Record
    ids: Collection[int]
    start_s: int
    now_s: int
    without: Collection[int]  # issues

    @property
    def kind(self) -> ConditionKind:
        return self.plan.rule.condition.kind

    @property
    def named(self) -> bool:
        """Whether its functions are few enough to be named in a statement."""
        return len(self.ids) <= MOST_FUNCTIONS or self.plan.rule.grouping is not Grouping.TOGETHER


def _functions(catalog: Catalog, plan: Plan, record: Record) -> Collection[int]:
    if record.function_id is not None:
        return [record.function_id] if record.function_id in catalog.functions else []
    return catalog.within(plan.rule.scope)


def _worst(catalog: Catalog, ids: Collection[int], sums: Mapping[int, Values]) -> tuple[str, ...]:
    """Names, those with most errors first, then those that ran most."""
    ran = [(sums.get(id, NOTHING), catalog.functions[id].name) for id in ids if id in catalog.functions]
    ran.sort(key=lambda pair: (-pair[0][ERRORS], -pair[0][INVOCATIONS], pair[1]))
    failed = [name for one, name in ran if one[ERRORS]]
    return tuple((failed or [name for _, name in ran])[:MOST_FUNCTIONS])


_OF_FAILURES = frozenset(
    {
        ConditionKind.ERRORS,
        ConditionKind.ERROR_RATE,
        ConditionKind.TIMEOUTS,
        ConditionKind.OUT_OF_MEMORY,
        ConditionKind.BURN_RATE,
    }
)


def _issue(asked: _Asked, known: dict[int, IssueText]) -> IssueText | None:
    """The alert's own issue, or of an alert about failures the one with most of them."""
    id = asked.record.issue_id
    if id is None and asked.kind in _OF_FAILURES and asked.ids:
        id = _most_frequent(asked)
    if id is None:
        return None
    if id not in known:
        issues = tables.issues.c
        columns = (issues.type, issues.message, issues.culprit, issues.first_seen_ms, issues.kind)
        row = asked.connection.execute(select(*columns).where(issues.id == id)).first()
        if row is None:
            return None
        type, message, culprit, first_seen_ms, kind = row
        known[id] = IssueText(id, type, message, culprit, first_seen_ms, kind == IssueKind.REPORTED)
    return known[id]


def _most_frequent(asked: _Asked) -> int | None:
    issues = tables.issues.c
    sums = _issue_sums(asked.start_s, asked.now_s)
    elsewhere = [issues.id.in_(sorted(asked.without))] if asked.without else []  # these last
    statement = (
        select(issues.id)
        .join(sums, sums.c.issue_id == issues.id)
        .where(issues.kind.in_(sorted(FAILURES)), sums.c.occurrences > 0)
        .order_by(*elsewhere, sums.c.occurrences.desc(), issues.last_seen_ms.desc(), issues.id)
        .limit(1)
    )
    if asked.named:
        statement = statement.where(issues.function_id.in_(sorted(asked.ids)))
    types = {ConditionKind.TIMEOUTS: TIMEOUT_TYPES, ConditionKind.OUT_OF_MEMORY: MEMORY_TYPES}.get(asked.kind)
    if types is not None:
        statement = statement.where(issues.type.in_(sorted(types)))
    found: int | None = asked.connection.scalar(statement)
    return found


def _issue_sums(start_s: int, end_s: int) -> Subquery:
    stats = tables.issue_stats.c
    rows = rollup(
        tables.issue_stats,
        slices(TimeRange(start_s * 1000, end_s * 1000)),
        [stats.issue_id, stats.occurrences, stats.cost_pd],
    )
    return grouped(rows, [rows.c.issue_id], "occurrences", "cost_pd").subquery()


def _sample(asked: _Asked, issue: IssueText | None) -> Sample | None:
    """The latest invocation that shows it: of the issue; or one that failed, took longest, used most memory …"""
    rows = tables.invocations.c
    columns = [rows.started_ns, rows.span_id, rows.trace_id, rows.request_id]
    if issue is not None:
        occurred = tables.issue_occurrences.c
        same = (occurred.started_ns == rows.started_ns) & (occurred.span_id == rows.span_id)
        statement = (
            select(*columns)
            .join(tables.issue_occurrences, same)
            .where(occurred.issue_id == issue.id, occurred.started_ns < asked.now_s * NS)
            .order_by(occurred.started_ns.desc(), occurred.span_id.desc())
            .limit(1)
        )
    else:
        if not asked.ids or len(asked.ids) > MOST_FUNCTIONS:
            return None
        within = [rows.started_ns >= asked.start_s * NS, rows.started_ns < asked.now_s * NS]
        if asked.record.resource_id is not None:
            within.append(rows.trigger_resource_id == asked.record.resource_id)
        statement = (
            select(*columns)
            .where(rows.function_id.in_(sorted(asked.ids)), *within)
            .order_by(*_most_telling(asked.kind), rows.started_ns.desc(), rows.span_id)
            .limit(1)
        )
    row = asked.connection.execute(statement).first()
    if row is None:
        return None
    members = tables.memberships.c
    transaction = asked.connection.scalar(
        select(members.transaction_id).where(members.trace_id == row.trace_id).order_by(members.transaction_id).limit(1)
    )
    return Sample(row.started_ns, row.span_id, row.trace_id, transaction, row.request_id)


def _most_telling(kind: ConditionKind) -> list[ColumnElement[Any]]:
    rows = tables.invocations.c
    if kind in (ConditionKind.DURATION, ConditionKind.NEAR_TIMEOUT):
        return [rows.duration_ns.desc()]
    if kind is ConditionKind.MEMORY:
        return [func.coalesce(rows.max_memory_mb, 0).desc()]
    if kind is ConditionKind.COLD_STARTS:
        return [rows.cold_start.desc()]
    if kind is ConditionKind.COST:
        return [func.coalesce(rows.cost_pd, 0).desc()]
    return [rows.result.in_(sorted(FAILED)).desc()]


def _cost(asked: _Asked) -> int | None:
    """What failed since the alert began; of an alert about costs the costs themselves."""
    if asked.kind is ConditionKind.COST:
        return round(asked.record.value * DOLLAR_PD)
    if asked.kind is ConditionKind.FORECAST:
        sums = Windows(asked.connection, Catalog(), last_s=asked.now_s, now_ms=asked.now_s * 1000)
        sums.at(asked.now_s)
        return sum(cost for id, cost in sums.spent(month_start(asked.now_s)).items() if id in asked.ids)
    if asked.record.issue_id is None and asked.kind not in _OF_FAILURES:
        return None
    issues = tables.issues.c
    sums_of = _issue_sums(asked.start_s, asked.now_s)
    statement = select(func.sum(sums_of.c.cost_pd)).join(tables.issues, issues.id == sums_of.c.issue_id)
    if asked.record.issue_id is not None:
        statement = statement.where(issues.id == asked.record.issue_id)
    else:
        statement = statement.where(issues.kind.in_(sorted(FAILURES)))
        if asked.named:
            statement = statement.where(issues.function_id.in_(sorted(asked.ids)))
    total = asked.connection.scalar(statement)
    return int(total) if total is not None else None
