"""Which of two alerts is told where both are of one failure: the one about its issue, for it says more.

An invocation that fails with a new issue meets two of the rules that are there from the beginning. Nobody is to be
woken twice for it: while an alert about an issue of the function was told a short while ago, one that counts the
function's failures waits. If it still goes on when it would have been told again, it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection, select

from collector.alerts.evaluation import Plan
from collector.alerts.lifecycle import Record
from collector.alerts.model import EVERY_EVENT, ConditionKind, Severity
from collector.store import tables
from collector.store.issue_tables import issue_changes

HELD_S = 3_600  # of a rule that tells only once
ISSUE_KINDS = frozenset({ConditionKind.NEW_ISSUE, ConditionKind.REGRESSED_ISSUE})
_RANKS = {str(severity): rank for rank, severity in enumerate(Severity)}


class Precedence:
    """Of one round. `records`: the alerts that are open, and that others may have been told instead of."""

    def __init__(self, plans: Mapping[str, Plan], records: Iterable[Record]) -> None:
        self._plans = plans
        self._issues: dict[int, list[Record]] = {}
        for record in records:
            plan = plans.get(record.rule_id)
            if plan is not None and plan.rule.condition.kind in ISSUE_KINDS and record.function_id is not None:
                self._issues.setdefault(record.function_id, []).append(record)

    def waits(self, record: Record) -> bool:
        """Whether it is an alert that may have to wait for one about an issue."""
        plan = self._plans.get(record.rule_id)
        return (
            plan is not None
            and plan.rule.condition.kind is ConditionKind.ERRORS
            and record.function_id is not None
            and plan.rule.repeat_s != EVERY_EVENT
        )

    def told_by(self, record: Record, due: Collection[int], *, now_ms: int) -> bool:
        """Whether an alert about an issue of its function tells the same people, at least as loudly: among the alerts
        that are `due`, or a short while ago."""
        plan = self._plans[record.rule_id]
        held_ms = (plan.rule.repeat_s or HELD_S) * 1000
        went_on_ms = min(now_ms, record.last_s * 1000)  # what is over by now is judged by when it was not
        for issue in self._issues.get(record.function_id or 0, ()):
            if self._plans[issue.rule_id].rule.channels != plan.rule.channels:
                continue
            if _RANKS[issue.severity] > _RANKS[record.severity]:
                continue
            if issue.id in due or (issue.told_ms is not None and went_on_ms - issue.told_ms < held_ms):
                return True
        return False

    def watches(self) -> bool:
        """Whether any rule tells of issues that come."""
        return any(plan.rule.condition.kind in ISSUE_KINDS for plan in self._plans.values())


def coming(connection: Connection) -> set[int]:
    """The functions with issues that came since this round began, which the next one tells of."""
    issues = tables.issues.c
    statement = (
        select(issues.function_id)
        .join(issue_changes, issue_changes.c.issue_id == issues.id)
        .where(issue_changes.c.number.is_(None))
    )
    return set(connection.execute(statement).scalars())
