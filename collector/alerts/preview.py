"""When a rule would have fired in the last days: the evaluation itself, over moments that are past.

It goes back from now, three hours at a time, until it has enough or has taken long enough. A kind of condition that no
function can have met within an hour, because the hour's sums do not allow for it, is not looked at in that hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from collector.alerts.catalog import Catalog, describe
from collector.alerts.conditions import completed
from collector.alerts.evaluation import TOGETHER_KEY, Hit, Plan, Planner, evaluate
from collector.alerts.failures import MEMORY_TYPES, TIMEOUT_TYPES
from collector.alerts.lifecycle import Record, merge
from collector.alerts.model import ConditionKind, Fired, Grouping, Preview, Rule, Subject, SubjectKind
from collector.alerts.notices import subject_of
from collector.alerts.settlement import subjects_of
from collector.alerts.sums import ERRORS
from collector.alerts.windows import Windows
from collector.domain.facts import IssueKind
from collector.store import tables
from collector.store.issue_tables import issue_changes

DAYS = 7
MOST = 100  # a rule that fires more often than that is no rule
LONGEST_S = 2.0  # of work; a page waits for it
_PART_S = 3 * 3_600
_HOUR_S = 3_600
_TYPED = {
    ConditionKind.TIMEOUTS: ({IssueKind.TIMEOUT}, TIMEOUT_TYPES),
    ConditionKind.OUT_OF_MEMORY: ({IssueKind.OUT_OF_MEMORY}, MEMORY_TYPES),
}
_NEVER_WITHOUT_ERRORS = frozenset({ConditionKind.ERRORS, ConditionKind.ERROR_RATE, ConditionKind.BURN_RATE})


def preview(
    connection: Connection,
    rule: Rule,
    *,
    now_ms: int,
    catalog: Catalog | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Preview:
    """The rule as if it had been there for the last seven days. Reads only."""
    rule = completed(rule)
    catalog = catalog or Catalog()
    catalog.refresh(connection)
    scope = catalog.within(rule.scope)
    end_s = now_ms // 60_000 * 60
    start_s = end_s - DAYS * 86_400
    if not scope:
        return Preview(start_s, end_s, reason="No function that was seen so far is in the scope.")
    past = _Past(connection, Planner().plan(rule), catalog, scope, end_s, now_ms)
    until = monotonic() + LONGEST_S
    hits: list[Hit] = []
    looked_s = end_s
    while looked_s > start_s and monotonic() < until:
        first = max(start_s, looked_s - _PART_S)
        hits.extend(past.hits(first, looked_s))
        looked_s = first
        if len({hit.key for hit in hits if hit.strict}) > MOST:
            break
    fired = past.fired(hits)
    return Preview(looked_s, end_s, tuple(fired[:MOST]), limited=looked_s > start_s or len(fired) > MOST)


@dataclass(frozen=True, slots=True)
class _Past:
    connection: Connection
    plan: Plan
    catalog: Catalog
    scope: frozenset[int]
    end_s: int
    now_ms: int
    troubled: dict[int, set[int]] = field(default_factory=dict)  # by hour the functions that had any

    def hits(self, first_s: int, last_s: int) -> list[Hit]:
        """Hits at the moments after `first_s` up to `last_s`."""
        ids, hours = self._candidates(first_s, last_s)
        hits = self._changed(first_s, last_s) if self.plan.rule.grouping is Grouping.ISSUE else []
        if not ids:
            return hits
        only = None if len(ids) > len(self.catalog.functions) // 2 else sorted(ids)
        moments = [
            t
            for t in range(first_s + 60, last_s + 1, 60)
            if t % self.plan.step_s == 0 and (hours is None or not hours.isdisjoint(_hours(t - self.plan.reach_s, t)))
        ]
        if not moments:
            return hits
        sums = Windows(self.connection, self.catalog, last_s=moments[-1], now_ms=self.now_ms, only=only)
        limit_s = self.now_ms // 1000 - self.plan.lag_s
        found = evaluate(sums, [self.plan], moments, lambda _, t: t <= limit_s, self.catalog).get(self.plan.rule.id, [])
        return hits + found

    def _candidates(self, first_s: int, last_s: int) -> tuple[frozenset[int], set[int] | None]:
        """The functions that may have met the condition, and in which hours there is anything to meet it; None: any."""
        rule, scope = self.plan.rule, self.scope
        kind = rule.condition.kind
        if rule.condition.below is not None or rule.scope.execution_tags:
            return scope, None
        about_sums = kind in _NEVER_WITHOUT_ERRORS
        about_issues = kind in (ConditionKind.TIMEOUTS, ConditionKind.OUT_OF_MEMORY) or rule.grouping is Grouping.ISSUE
        if not about_sums and not about_issues:
            return scope, None
        hours: set[int] = set()
        ids: set[int] = set()
        for hour in _hours(first_s - self.plan.reach_s, last_s):
            if hour not in self.troubled:
                self.troubled[hour] = self._issues_of(hour) if about_issues else self._failed_in(hour)
            found = self.troubled[hour]
            if not found.isdisjoint(scope):
                hours.add(hour)
                ids |= found
        if rule.grouping is Grouping.TOGETHER:
            return (scope if hours else frozenset()), hours
        return scope & ids, hours

    def _failed_in(self, hour: int) -> set[int]:
        sums = Windows(self.connection, self.catalog, last_s=hour, now_ms=self.now_ms)
        return {id for id, values in sums.hour(hour).items() if values[ERRORS] > 0}

    def _issues_of(self, hour: int) -> set[int]:
        kinds, types = _TYPED.get(self.plan.rule.condition.kind, (None, frozenset()))
        sums = Windows(self.connection, self.catalog, last_s=hour, now_ms=self.now_ms)
        counts = sums.issue_hour(hour)
        facts = sums.issue_facts(counts)
        return {
            facts[id].function_id
            for id in counts
            if id in facts and (kinds is None or facts[id].kind in kinds or facts[id].type in types)
        }

    def _changed(self, first_s: int, last_s: int) -> list[Hit]:
        """When issues came or came back."""
        rule, issues = self.plan.rule, tables.issues.c
        if rule.condition.kind is ConditionKind.NEW_ISSUE:
            seen_ms = issues.first_seen_ms
            statement = select(issues.id, issues.function_id, seen_ms).where(
                seen_ms >= first_s * 1000, seen_ms < last_s * 1000
            )
        elif rule.condition.kind is ConditionKind.REGRESSED_ISSUE:
            # When it came back is when it first occurred after it had been resolved.
            occurred, resolved_ms = tables.issue_occurrences.c, issue_changes.c.since_ms
            came_ns = (
                select(func.min(occurred.started_ns))
                .where(
                    occurred.issue_id == issue_changes.c.issue_id, occurred.started_ns >= (resolved_ms + 1) * 1_000_000
                )
                .scalar_subquery()
            )
            statement = (
                select(issues.id, issues.function_id, came_ns / 1_000_000)
                .join(issue_changes, issue_changes.c.issue_id == issues.id)
                .where(resolved_ms > 0, resolved_ms < last_s * 1000)
            )
        else:
            return []
        sums = Windows(self.connection, self.catalog, last_s=last_s, now_ms=last_s * 1000)
        rows = [
            (id, function_id, int(at_ms))
            for id, function_id, at_ms in self.connection.execute(statement)
            if at_ms is not None and first_s * 1000 <= at_ms < last_s * 1000
        ]
        facts = sums.issue_facts([row[0] for row in rows])
        found = []
        for id, function_id, at_ms in rows:
            issue = facts[id]
            if function_id not in self.scope or issue.muted or (rule.ignore_4xx and issue.client_error):
                continue
            if issue.is_of(rule.condition.types):
                found.append(Hit(at_ms // 60_000 * 60 + 60, f"issue:{id}", 1, 1, strict=True))
        return found

    def fired(self, hits: list[Hit]) -> list[Fired]:
        """The alerts that they would have made, newest first."""
        seen_s = self.end_s - self.plan.lag_s
        subjects = subjects_of(self.connection, self.catalog, {hit.key for hit in hits})
        records: dict[str, list[Record]] = {}
        by_key: dict[str, list[Hit]] = {}
        for hit in hits:
            by_key.setdefault(hit.key, []).append(hit)
        for key, some in by_key.items():
            subject = subjects.get(key)
            if key == TOGETHER_KEY:
                subject = Subject(SubjectKind.TOGETHER, key, describe(self.plan.rule.scope))
            if subject is not None:
                merge(self.plan, sorted(some), records.setdefault(key, []), subject, now_ms=self.now_ms)
        found = [
            Fired(
                subject=subject_of(record, self.catalog),
                since_s=record.since_s,
                until_s=record.last_s if seen_s - record.last_s >= self.plan.gap_s else None,
                peak=record.peak,
                threshold=self.plan.threshold,
            )
            for some in records.values()
            for record in some
        ]
        found.sort(key=lambda one: (-one.since_s, one.subject.name))
        return found


def _hours(start_s: int, end_s: int) -> range:
    return range(start_s // _HOUR_S * _HOUR_S, end_s, _HOUR_S)
