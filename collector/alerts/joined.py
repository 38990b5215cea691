"""A condition's value for everything in a scope as one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from collector.alerts import anomalies
from collector.alerts.boards import board
from collector.alerts.conditions import step_s
from collector.alerts.failures import failed, left_out, of_types, timeouts
from collector.alerts.model import ConditionKind, Rule
from collector.alerts.sums import COLD_STARTS, INVOCATIONS, NOTHING, THROTTLES, TOGETHER, Values, cost_pd
from collector.alerts.values import DOLLAR_PD, Part, burned, over, percentile_of, rate, shape
from collector.alerts.windows import Windows

Scope = frozenset[int]


def together(windows: Windows, rule: Rule, scope: Scope, key: Hashable | None = None) -> Part | None:
    """At the windows' moment; None: there is none. `key` stands for the rule's shape."""
    if not scope:
        return None
    name = ("together", key if key is not None else shape(rule), rule.scope)
    if name not in windows.cache:
        windows.cache[name] = _together(windows, rule, scope)
    found: Part | None = windows.cache[name]
    return found


def _together(windows: Windows, rule: Rule, scope: Scope) -> Part | None:
    special = _SPECIAL.get(rule.condition.kind)
    if special is not None:
        return special(windows, rule, scope)
    if rule.condition.month:
        return _added(windows, rule, scope)
    kind = rule.condition.kind
    sums_of = windows.functions if kind is ConditionKind.COLD_STARTS else windows.counted
    sums = sums_of(rule.window_s, rule.scope.execution_tags, scope).get(TOGETHER, NOTHING)
    among = sums[INVOCATIONS]
    if kind in (ConditionKind.ERRORS, ConditionKind.ERROR_RATE):
        part = _failed(windows, rule, sums, rule.window_s, scope)
        return part if kind is ConditionKind.ERRORS else rate(*part)
    if kind is ConditionKind.COLD_STARTS:
        return rate(sums[COLD_STARTS], among)
    if kind is ConditionKind.INVOCATIONS:
        known = [windows.catalog.functions[id].first_seen_ms for id in scope if id in windows.catalog.functions]
        quiet_since_ms = (windows.now_s - rule.window_s) * 1000
        return (among, among) if among or min(known, default=quiet_since_ms + 1) <= quiet_since_ms else None
    if kind is ConditionKind.COST:
        return cost_pd(sums) / DOLLAR_PD, among
    typed = _within(of_types(windows, rule), scope)
    return (sums[THROTTLES] if kind is ConditionKind.THROTTLES else 0) + typed, among


def _within(counts: Mapping[int, int], scope: Scope) -> int:
    return sum([count for id, count in counts.items() if id in scope])


def _failed(windows: Windows, rule: Rule, sums: Values, window_s: int, scope: Scope) -> tuple[int, int]:
    without = left_out(windows, window_s, rule.scope.execution_tags, without_4xx=rule.ignore_4xx)
    return failed(without, sums, scope)


def _added(windows: Windows, rule: Rule, scope: Scope) -> Part:
    parts = [part for id, part in board(windows, rule).values.items() if id in scope]
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def _near_timeout(windows: Windows, rule: Rule, scope: Scope) -> Part | None:
    """Functions with the same time limit as one."""
    key = ("limits", rule.scope)
    limits: dict[int, Scope] | None = windows.lasting.get(key)
    if limits is None:
        found: dict[int, list[int]] = {}
        for id in scope:
            found.setdefault(windows.catalog.functions[id].timeout_ms or 0, []).append(id)
        limits = windows.lasting[key] = {limit: frozenset(ids) for limit, ids in found.items() if limit}
    timed_out = timeouts(windows, rule)
    near = among = 0
    for timeout_ms, ids in limits.items():
        counts = windows.histograms(rule.window_s, rule.scope.execution_tags, ids).get(TOGETHER, {})
        near += max(0, over(counts, rule.condition.share * timeout_ms) - _within(timed_out, ids))
        among += sum(counts.values())
    return near, among


def _percentile(windows: Windows, rule: Rule, scope: Scope) -> Part | None:
    counts = windows.histograms(rule.window_s, rule.scope.execution_tags, scope).get(TOGETHER)
    return percentile_of(counts, rule.condition.percentile) if counts else None


def _burn_rate(windows: Windows, rule: Rule, scope: Scope) -> Part | None:
    budget, tags = 1 - rule.condition.objective, rule.scope.execution_tags
    found: Part | None = None
    for burn in rule.condition.burns:
        if windows.now_s % step_s(burn.long_s):
            continue
        shares = [
            rate(*_failed(windows, rule, windows.counted(length, tags, scope).get(TOGETHER, NOTHING), length, scope))
            for length in (burn.long_s, burn.short_s)
        ]
        part = burned(shares, budget, burn.rate)
        if part is not None and (found is None or part[0] > found[0]):
            found = part
    return found


_SPECIAL: Mapping[ConditionKind, Callable[[Windows, Rule, Scope], Part | None]] = {
    ConditionKind.DURATION: _percentile,
    ConditionKind.NEAR_TIMEOUT: _near_timeout,
    ConditionKind.BURN_RATE: _burn_rate,
    ConditionKind.ANOMALY: lambda windows, rule, scope: anomalies.score_of(windows, rule.condition, scope),
    ConditionKind.FORECAST: lambda windows, _, scope: (anomalies.forecast_of(windows, scope), 0),
}
