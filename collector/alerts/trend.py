"""A rule's value over time, for a chart beside its threshold: of whatever is farthest beyond it, or of one subject."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from collector.alerts.boards import ages, board, issue_board
from collector.alerts.catalog import Catalog
from collector.alerts.conditions import KINDS, Unit, completed, threshold
from collector.alerts.evaluation import Plan, Planner
from collector.alerts.joined import together
from collector.alerts.model import Grouping, Rule
from collector.alerts.windows import Windows

LONGEST_S = 1.0  # of work; a page waits for it
_PART_S = 12 * 3_600


@dataclass(frozen=True, slots=True)
class Trend:
    """`points`: moments (seconds since 1970) with the value of the window that ends there, None where there is none;
    they ascend, and may begin late where the work would have taken too long."""

    step_s: int
    points: tuple[tuple[int, float | None], ...]
    threshold: float


def trend(
    connection: Connection,
    rule: Rule,
    *,
    start_s: int,
    end_s: int,
    step_s: int,
    now_ms: int,
    key: str | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Trend:
    """Every `step_s` or less often, as the rule is looked at. `key`: of this subject alone. Reads only."""
    rule = completed(rule)
    catalog = Catalog()
    catalog.refresh(connection)
    scope = catalog.within(rule.scope)
    plan = Planner().plan(rule)
    step_s = -(-step_s // plan.step_s) * plan.step_s
    about = _About(plan, scope, key)
    until = monotonic() + LONGEST_S
    parts: list[list[tuple[int, float | None]]] = []
    looked_s = end_s
    while looked_s > start_s and monotonic() < until:
        first_s = max(start_s, looked_s - _PART_S)
        moments = [t for t in range(first_s // step_s * step_s + step_s, looked_s + 1, step_s) if t % step_s == 0]
        if moments:
            sums = Windows(
                connection, catalog, last_s=moments[-1], now_ms=now_ms, only=about.functions(len(catalog.functions))
            )
            part = []
            for t in moments:
                sums.at(t)
                part.append((t, about.value(sums)))
            parts.append(part)
        looked_s = first_s
    return Trend(step_s, tuple(point for part in reversed(parts) for point in part), threshold(rule))


@dataclass(frozen=True, slots=True)
class _About:
    plan: Plan
    scope: frozenset[int]
    key: str | None

    def functions(self, known: int) -> list[int] | None:
        """To be read alone, where they are few."""
        kind, _, number = (self.key or "").partition(":")
        if kind == "function":
            return [int(number)]
        return sorted(self.scope) if len(self.scope) <= known // 2 else None

    def value(self, sums: Windows) -> float | None:
        """At the moment that the sums are at. Of what is counted there is always a value: none is 0."""
        found = self._value(sums)
        if found is None and KINDS[self.plan.rule.condition.kind].unit is Unit.COUNT and not self._minimum:
            return 0.0
        return found

    def _value(self, sums: Windows) -> float | None:
        rule = self.plan.rule
        _, _, number = (self.key or "").partition(":")
        if rule.grouping is Grouping.TOGETHER:
            part = together(sums, rule, self.scope, self.plan.key)
            return part[0] if part is not None and part[1] >= self._minimum else None
        if rule.grouping is Grouping.RESOURCE:
            oldest = ages(sums, rule.window_s)
            mine = number if number.isdigit() else None
            return self._worst(
                age
                for (function, id), age in oldest.items()
                if (mine and id == int(mine)) or (function in self.scope and not mine)
            )
        if rule.grouping is Grouping.ISSUE:
            values = issue_board(sums, rule).board.values
            facts = sums.issue_facts(())
            if number.isdigit():
                return values.get(int(number), (0.0, 0))[0]
            return self._worst(value for id, (value, _) in values.items() if facts[id].function_id in self.scope) or 0.0
        values = board(sums, rule, self.plan.key).values
        ids: Iterable[int] = (
            [int(number)] if number.isdigit() else self.scope if len(self.scope) < len(values) else values
        )
        return self._worst(
            values[id][0] for id in ids if id in values and id in self.scope and values[id][1] >= self._minimum
        )

    @property
    def _minimum(self) -> int:
        return self.plan.rule.minimum if KINDS[self.plan.rule.condition.kind].sampled else 0

    def _worst(self, values: Iterable[float]) -> float | None:
        condition = self.plan.rule.condition
        if condition.below is not None and condition.above is None:
            return min(values, default=None)
        return max(values, default=None)
