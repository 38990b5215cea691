"""Which of two alerts is told where both are of one failure: the one about its issue, for it says more.

An invocation that fails with a new issue meets two of the rules that are there from the beginning. Nobody is to be
woken twice for it: while an alert about an issue of the function was told a short while ago, one that counts the
function's failures waits, as long as it would not be there without that issue's failures. If it still goes on when it
would have been told again, it is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from collector.alerts.catalog import Catalog, IssueFacts
from collector.alerts.conditions import met
from collector.alerts.evaluation import Hit, Plan
from collector.alerts.lifecycle import Record
from collector.alerts.model import EVERY_EVENT, ConditionKind, Rule, Severity
from collector.alerts.windows import Windows
from collector.store import tables
from collector.store.issue_tables import issue_changes

HELD_S = 3_600  # of a rule that tells only once
ISSUE_KINDS = frozenset({ConditionKind.NEW_ISSUE, ConditionKind.REGRESSED_ISSUE})
_RANKS = {str(severity): rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert that waits for what is told of these issues. `moments`: when its condition was met, with its value."""

    plan: Plan
    record: Record
    issues: frozenset[int]
    moments: Mapping[int, float]


class Precedence:
    """Of one round. `records`: the alerts that are open, and that others may have been told instead of."""

    def __init__(self, plans: Mapping[str, Plan], records: Iterable[Record]) -> None:
        self._plans = plans
        self._issues: dict[int, list[Record]] = {}
        for record in records:
            plan = plans.get(record.rule_id)
            if plan is not None and plan.rule.condition.kind in ISSUE_KINDS and record.function_id is not None:
                self._issues.setdefault(record.function_id, []).append(record)

    def may_wait(self, record: Record) -> bool:
        """Whether it is an alert that may have to wait for one about an issue."""
        plan = self._plans.get(record.rule_id)
        return (
            plan is not None
            and plan.rule.condition.kind is ConditionKind.ERRORS
            and record.function_id is not None
            and plan.rule.repeat_s != EVERY_EVENT
        )

    def waiting(
        self,
        record: Record,
        due: Collection[int],
        soon: Mapping[int, frozenset[int]],
        hits: Iterable[Hit],
        *,
        now_ms: int,
    ) -> Waiting | None:
        """What the alert waits for: issues of its function that the same people are told of, at least as loudly, by
        the alerts that are `due` or a short while ago, and those that come `soon`. None: for nothing. `hits`: its
        rule's in this round."""
        told = self.told_instead(record, due, now_ms=now_ms)
        issues = frozenset(one.issue_id for one in told if one.issue_id is not None)
        issues |= soon.get(record.function_id or 0, frozenset())
        if not issues:
            return None
        moments = {
            hit.t: hit.value
            for hit in hits
            if hit.key == record.subject_key and record.since_s <= hit.t <= record.last_s
        }
        return Waiting(self._plans[record.rule_id], record, issues, {record.last_s: record.value, **moments})

    def told_instead(self, record: Record, due: Collection[int], *, now_ms: int) -> list[Record]:
        """The alerts about issues of its function that the same people are told of, at least as loudly: those that are
        `due`, and those that they were told of a short while ago."""
        plan = self._plans[record.rule_id]
        went_on_ms = min(now_ms, record.last_s * 1000)  # what is over by now is judged by when it was not
        found = []
        for issue in self._issues.get(record.function_id or 0, ()):
            if self._plans[issue.rule_id].rule.channels != plan.rule.channels:
                continue
            if _RANKS[issue.severity] > _RANKS[record.severity]:
                continue
            recently = issue.told_ms is not None and went_on_ms - issue.told_ms < held_s(plan.rule) * 1000
            if issue.id in due or recently:
                found.append(issue)
        return found

    def watches(self) -> bool:
        """Whether any rule tells of issues that come."""
        return any(plan.rule.condition.kind in ISSUE_KINDS for plan in self._plans.values())


def held_s(rule: Rule) -> int:
    """How long its alerts wait at most."""
    return rule.repeat_s or HELD_S


def coming(connection: Connection) -> dict[int, frozenset[int]]:
    """The issues that came since this round began, which the next one tells of, by function."""
    issues = tables.issues.c
    statement = (
        select(issues.function_id, issues.id)
        .join(issue_changes, issue_changes.c.issue_id == issues.id)
        .where(issue_changes.c.number.is_(None))
    )
    found: dict[int, frozenset[int]] = {}
    for function_id, id in connection.execute(statement):
        found[function_id] = found.get(function_id, frozenset()) | {id}
    return found


def explained(connection: Connection, catalog: Catalog, waiting: Sequence[Waiting], *, now_ms: int) -> set[int]:
    """The ids of the alerts whose condition was never met but for the failures of the issues that they wait for.

    An invocation that failed is an occurrence of one issue of the kinds that are failures. Values are older than what
    is read here, so that no failure is missed among the occurrences; one that came in between may make an alert wait
    for the next round. All are read together: one that waits costs a round 1.3 ms of CPU, 500 cost 9.
    """
    found = {one.record.id for one in waiting}
    by_moment: defaultdict[int, list[Waiting]] = defaultdict(list)
    for one in waiting:
        for t in one.moments:
            by_moment[t].append(one)
    if not by_moment:
        return found
    functions = {one.record.function_id for one in waiting if one.record.function_id is not None}
    sums = Windows(connection, catalog, last_s=max(by_moment), now_ms=now_ms, only=sorted(functions))
    facts = sums.issue_facts(sorted({id for one in waiting for id in one.issues}))
    for t in sorted(by_moment):
        sums.at(t)
        for one in by_moment[t]:
            rule = one.plan.rule
            occurrences = sums.issues(rule.window_s, rule.scope.execution_tags)
            told = sum(occurrences[id][0] for id in one.issues if id in occurrences and _counts(rule, facts.get(id)))
            if met(rule, one.moments[t] - told):
                found.discard(one.record.id)
    return found


def _counts(rule: Rule, issue: IssueFacts | None) -> bool:
    """Whether the issue's occurrences are among what the rule counts."""
    return issue is not None and issue.failure and not issue.muted and not (rule.ignore_4xx and issue.client_error)
