"""Rules against sums: for which subjects each rule's condition is met, moment by moment.

A *moment* is the end of a minute, and a rule's windows end there. Everything here is a function of the rollups and the
moments asked for; what is made of it is in `collector.alerts.lifecycle`. A live round and a preview go the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from collector.alerts.boards import ages, board, issue_board
from collector.alerts.catalog import Catalog
from collector.alerts.conditions import (
    KINDS,
    completed,
    finest_step_s,
    gap_s,
    kept,
    looks_below,
    loosened,
    met,
    threshold,
    windows,
)
from collector.alerts.joined import together
from collector.alerts.model import ConditionKind, Grouping, Rule
from collector.alerts.values import reader, shape
from collector.alerts.windows import Windows

TOGETHER_KEY = "all"
FEW = 50  # functions: of so few, values are worked out one by one unless those of all are there anyway
# How long after a moment the minutes before it are taken to be whole. Invocations are counted when they have ended and
# arrived; a rule about few of them waits longer, as what is still on its way looks like what never was.
WHOLE_S = 30
QUIET_S = 120


class Hit(NamedTuple):
    """The condition is met at a moment; `strict` where it would open an alert, else only keep one open."""

    t: int
    key: str  # of the subject
    value: float
    sample: int  # invocations
    strict: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A rule with what is worked out of it once."""

    rule: Rule
    key: int  # rules with one key share their values
    step_s: int
    gap_s: int
    reach_s: int  # the longest of its windows
    threshold: float
    lag_s: int  # how long after a moment it is looked at; 0: before the minute is over
    above: float | None  # loosened: beyond these an alert stays open
    below: float | None
    since_s: int  # moments before this are none of its business


class Planner:
    """Makes plans. It lasts, so that rules that are alike keep one key."""

    def __init__(self) -> None:
        self._keys: dict[tuple[object, ...], int] = {}
        self._numbers = count(1)

    def plan(self, rule: Rule, *, since_s: int = 0) -> Plan:
        """`since_s`: when the rule was made, or last changed."""
        rule = completed(rule)
        alike = shape(rule)
        key = self._keys.get(alike)
        if key is None:
            key = self._keys[alike] = next(self._numbers)
        condition, kind = rule.condition, KINDS[rule.condition.kind]
        exact = kept(rule, threshold(rule)) == met(rule, threshold(rule))
        return Plan(
            rule=rule,
            key=key,
            step_s=finest_step_s(rule),
            gap_s=gap_s(rule),
            reach_s=max(windows(rule)),
            threshold=threshold(rule),
            lag_s=QUIET_S if looks_below(condition) else WHOLE_S if kind.settled else 0,
            above=condition.above if exact or condition.above is None else loosened(condition.above, -1),
            below=condition.below if exact or condition.below is None else loosened(condition.below, 1),
            since_s=since_s,
        )


Wanted = Callable[[Plan, int], bool]
Changed = Callable[[Plan, int], frozenset[int] | None]


def _all(_plan: Plan, _t: int) -> frozenset[int] | None:
    return None


def evaluate(
    sums: Windows,
    plans: Sequence[Plan],
    moments: Iterable[int],
    wanted: Wanted,
    catalog: Catalog,
    *,
    changed: Changed = _all,
) -> dict[str, list[Hit]]:
    """By rule's id its hits at the moments, which must ascend; `wanted` says which rule is looked at when. `changed`
    may say of which functions alone there is anything to find; None: of all."""
    found: dict[str, list[Hit]] = {}
    scopes = {plan.rule.id: catalog.within(plan.rule.scope) for plan in plans}
    for t in moments:
        due = []
        for plan in plans:
            if t % plan.step_s or t < plan.since_s or not wanted(plan, t):
                continue
            scope, some = scopes[plan.rule.id], changed(plan, t)
            if some is not None:
                if some.isdisjoint(scope):
                    continue
                if plan.rule.grouping in (Grouping.FUNCTION, Grouping.ISSUE):
                    scope &= some
            due.append((plan, scope))
        if not due:
            continue
        sums.at(t)
        for plan, scope in due:
            hits = hits_at(sums, plan, t, scope)
            if hits:
                found.setdefault(plan.rule.id, []).extend(hits)
    return found


def hits_at(sums: Windows, plan: Plan, t: int, scope: frozenset[int]) -> list[Hit]:
    """Of one rule, whose scope holds these functions; `sums` are at the moment."""
    rule = plan.rule
    if rule.grouping is Grouping.FUNCTION:
        if len(scope) <= FEW and ("board", plan.key) not in sums.cache:
            read = reader(sums, rule, plan.key)
            found = [(id, part) for id in scope if (part := read(id)) is not None]
            return [_hit(plan, t, f"function:{id}", *part) for id, part in found if _keeps(plan, *part)]
        values = board(sums, rule, plan.key)
        return [
            _hit(plan, t, f"function:{id}", *values.values[id])
            for id in _chosen(values.beyond(plan.above, plan.below), scope)
            if _enough(plan, values.values[id][1])
        ]
    if rule.grouping is Grouping.TOGETHER:
        part = together(sums, rule, scope, plan.key)
        if part is None or not kept(rule, part[0]) or not _enough(plan, part[1]):
            return []
        return [_hit(plan, t, TOGETHER_KEY, *part)]
    if rule.grouping is Grouping.RESOURCE:
        oldest: dict[int, float] = {}
        for (function_id, resource_id), age_s in ages(sums, rule.window_s).items():
            if function_id in scope:
                oldest[resource_id] = max(age_s, oldest.get(resource_id, 0))
        return [_hit(plan, t, f"resource:{id}", age_s, 0) for id, age_s in oldest.items() if kept(rule, age_s)]
    return _issue_hits(sums, plan, t, scope)


def _issue_hits(sums: Windows, plan: Plan, t: int, scope: frozenset[int]) -> list[Hit]:
    """Of the issues of these functions."""
    counts = issue_board(sums, plan.rule)
    opens = plan.rule.condition.kind is ConditionKind.ISSUE  # the others open by what happens to issues
    if len(scope) <= FEW:
        ids: Iterable[int] = [id for function_id in scope for id in counts.by_function.get(function_id, ())]
    else:
        ids = [id for id in counts.board.beyond(plan.above, None) if counts.owners[id] in scope]
    return [
        Hit(t, f"issue:{id}", value, sample, strict=opens)
        for id in ids
        for value, sample in (counts.board.values[id],)
        if plan.above is None or value > plan.above
    ]


def _chosen(ids: Collection[int], scope: frozenset[int]) -> Iterable[int]:
    if len(ids) <= len(scope):
        return (id for id in ids if id in scope)
    return scope.intersection(ids)


def _keeps(plan: Plan, value: float, sample: int) -> bool:
    beyond = (plan.above is not None and value > plan.above) or (plan.below is not None and value < plan.below)
    return beyond and _enough(plan, sample)


def _enough(plan: Plan, sample: int) -> bool:
    return sample >= plan.rule.minimum or not KINDS[plan.rule.condition.kind].sampled


def _hit(plan: Plan, t: int, key: str, value: float, sample: int) -> Hit:
    return Hit(t, key, value, sample, strict=met(plan.rule, value))
