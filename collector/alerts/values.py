"""A condition's value for a function, an issue or several functions as one, from the sums of the windows at a moment.

What is worked out for all functions is shared by all rules that ask for the same. A rule about few functions has its
values worked out for them alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import replace
from typing import NamedTuple

from collector.alerts import anomalies
from collector.alerts.conditions import step_s
from collector.alerts.model import ConditionKind, Rule
from collector.alerts.sums import COLD_STARTS, ERRORS, INVOCATIONS, NOTHING, THROTTLES, TOGETHER, Tags, Values, cost_pd
from collector.alerts.windows import Windows
from collector.domain.facts import IssueKind
from collector.domain.failures import MEMORY_TYPE, TIMEOUT_TYPE
from collector.domain.histogram import middle_ms, percentile_ms

DOLLAR_PD = 1e12
TIMEOUT_TYPES = frozenset({"Timeout", TIMEOUT_TYPE})
MEMORY_TYPES = frozenset({MEMORY_TYPE, "MemoryError"})

_TYPED = {
    ConditionKind.TIMEOUTS: (IssueKind.TIMEOUT, TIMEOUT_TYPES),
    ConditionKind.OUT_OF_MEMORY: (IssueKind.OUT_OF_MEMORY, MEMORY_TYPES),
    ConditionKind.THROTTLES: (IssueKind.THROTTLED, frozenset[str]()),
}

Part = tuple[float, int]  # a value, and the invocations that it is of
Scope = frozenset[int]


class Board(NamedTuple):
    """Values by function (or issue), and the same in order, so that a rule finds those beyond its threshold without
    looking at all."""

    values: Mapping[int, Part]
    order: list[tuple[float, int]]

    @staticmethod
    def of(values: Mapping[int, Part]) -> Board:
        return Board(values, sorted([(part[0], key) for key, part in values.items()]))

    def beyond(self, above: float | None, below: float | None) -> list[int]:
        """The keys of the values above or below."""
        found: list[int] = []
        if above is not None:
            found.extend(key for _, key in self.order[bisect_right(self.order, (above, 2**63)) :])
        if below is not None:
            found.extend(key for _, key in self.order[: bisect_left(self.order, (below, -(2**63)))])
        return found


def shape(rule: Rule) -> tuple[object, ...]:
    """What two rules must have in common to share their values by function."""
    condition = replace(rule.condition, above=None, below=None)
    return condition, rule.window_s, rule.ignore_4xx, rule.scope.execution_tags


def reading(windows: Windows, rule: Rule, id: int) -> Part | None:
    """The rule's value for one function at the windows' moment; None: it has none."""
    return _ONE[rule.condition.kind](windows, rule, id)


def board(windows: Windows, rule: Rule, key: Hashable | None = None) -> Board:
    """The same for all functions. `key` stands for the rule's shape; here and below."""
    key = ("board", key if key is not None else shape(rule))
    found: Board | None = windows.cache.get(key)
    if found is None:
        one = _ONE[rule.condition.kind]
        values: dict[int, Part] = {}
        for id in _known(windows, rule):
            part = one(windows, rule, id)
            if part is not None:
                values[id] = part
        found = windows.cache[key] = Board.of(values)
    return found


def together(windows: Windows, rule: Rule, scope: Scope, key: Hashable | None = None) -> Part | None:
    """The same of all functions of the scope as one."""
    if not scope:
        return None
    key = ("together", key if key is not None else shape(rule), rule.scope)
    if key not in windows.cache:
        windows.cache[key] = _together(windows, rule, scope)
    found: Part | None = windows.cache[key]
    return found


def issue_board(windows: Windows, rule: Rule, key: Hashable | None = None) -> Board:
    """Occurrences by issue; muted ones are left out, and where the rule says so those of 4xx."""
    types = rule.condition.types
    key = ("issues", key if key is not None else shape(rule))
    found: Board | None = windows.cache.get(key)
    if found is None:
        counts = windows.issues(rule.window_s, rule.scope.execution_tags)
        facts = windows.issue_facts(counts)
        values: dict[int, Part] = {}
        for id, (count,) in counts.items():
            issue = facts.get(id)
            if count <= 0 or issue is None or issue.muted or (rule.ignore_4xx and issue.client_error):
                continue
            if issue.is_of(types):
                values[id] = (count, count)
        found = windows.cache[key] = Board.of(values)
    return found


def ages(windows: Windows, window_s: int) -> Mapping[tuple[int, int], float]:
    """By function and resource, in seconds."""
    return {(key[0], key[1]): age_ms / 1000 for key, age_ms in windows.ages(window_s).items()}


def _known(windows: Windows, rule: Rule) -> Collection[int]:
    """The functions that may have a value."""
    kind, tags = rule.condition.kind, rule.scope.execution_tags
    if kind in (ConditionKind.INVOCATIONS, ConditionKind.ANOMALY):
        return windows.known
    if kind is ConditionKind.FORECAST or rule.condition.month:
        return anomalies.spent(windows).keys()
    if kind is ConditionKind.AGE:
        return {key[0] for key in windows.ages(rule.window_s)}
    if kind is ConditionKind.MEMORY:
        return [id for (id,) in windows.memory(rule.window_s)]
    if kind is ConditionKind.BURN_RATE:
        lengths = [burn.long_s for burn in rule.condition.burns if windows.now_s % step_s(burn.long_s) == 0]
        return windows.functions(max(lengths), tags).keys() if lengths else ()
    if kind in (ConditionKind.DURATION, ConditionKind.NEAR_TIMEOUT):
        return windows.histograms(rule.window_s, tags).keys()
    return windows.functions(rule.window_s, tags).keys()


def _sums(windows: Windows, rule: Rule, id: int) -> Values:
    return windows.functions(rule.window_s, rule.scope.execution_tags).get(id, NOTHING)


def _errors(windows: Windows, rule: Rule, id: int) -> Part:
    return _failed(windows, rule, _sums(windows, rule, id), rule.window_s, (id,))


def _error_rate(windows: Windows, rule: Rule, id: int) -> Part | None:
    return _rate(*_errors(windows, rule, id))


def _failed(windows: Windows, rule: Rule, sums: Values, window_s: int, ids: Collection[int]) -> Part:
    """Invocations of these functions that failed in a way that counts."""
    left_out = _left_out(windows, window_s, rule.scope.execution_tags, without_4xx=rule.ignore_4xx)
    count = sums[ERRORS]
    if left_out and len(ids) <= len(left_out):
        count -= sum([left_out.get(id, 0) for id in ids])
    elif left_out:
        count -= sum([number for id, number in left_out.items() if id in ids])
    return max(0, count), sums[INVOCATIONS]


def _rate(count: float, among: int) -> Part | None:
    return (count / among, among) if among > 0 else None


def _left_out(windows: Windows, window_s: int, tags: Tags, *, without_4xx: bool) -> Mapping[int, int]:
    """Failures that do not count, by function: of muted issues and, if asked for, of the client's own making."""
    key = ("left out", window_s, tags, without_4xx)
    found: dict[int, int] | None = windows.cache.get(key)
    if found is None:
        found = windows.cache[key] = {}
        counts = windows.issues(window_s, tags)
        facts = windows.issue_facts(counts)
        for id, (count,) in counts.items():
            issue = facts.get(id)
            if issue is not None and issue.failure and (issue.muted or (without_4xx and issue.client_error)):
                found[issue.function_id] = found.get(issue.function_id, 0) + count
    return found


def _of_types(windows: Windows, rule: Rule) -> Mapping[int, int]:
    """Occurrences of timeouts, of lack of memory or of refused invocations, by function."""
    kind, tags = rule.condition.kind, rule.scope.execution_tags
    key = ("types", kind, rule.window_s, tags)
    found: dict[int, int] | None = windows.cache.get(key)
    if found is None:
        found = windows.cache[key] = {}
        wanted, types = _TYPED[kind]
        counts = windows.issues(rule.window_s, tags)
        facts = windows.issue_facts(counts)
        for id, (count,) in counts.items():
            issue = facts.get(id)
            if issue is None or issue.muted or count <= 0:
                continue
            if issue.kind is wanted or (issue.failure and issue.type in types):
                found[issue.function_id] = found.get(issue.function_id, 0) + count
    return found


def _typed(windows: Windows, rule: Rule, id: int) -> Part | None:
    return _of_types(windows, rule).get(id, 0), _sums(windows, rule, id)[INVOCATIONS]


def _cold_starts(windows: Windows, rule: Rule, id: int) -> Part | None:
    sums = _sums(windows, rule, id)
    return _rate(sums[COLD_STARTS], sums[INVOCATIONS])


def _throttles(windows: Windows, rule: Rule, id: int) -> Part:
    """Its calls that were refused, and the invocations of it that were."""
    sums = _sums(windows, rule, id)
    return sums[THROTTLES] + _of_types(windows, rule).get(id, 0), sums[INVOCATIONS]


def _invocations(windows: Windows, rule: Rule, id: int) -> Part | None:
    """Functions that are quiet have a value too. One that is new to us was not quiet: it was unknown."""
    count = _sums(windows, rule, id)[INVOCATIONS]
    function = windows.catalog.functions.get(id)
    if not count and (function is None or function.first_seen_ms > (windows.now_s - rule.window_s) * 1000):
        return None
    return count, count


def _cost(windows: Windows, rule: Rule, id: int) -> Part:
    sums = anomalies.spent(windows).get(id, NOTHING) if rule.condition.month else _sums(windows, rule, id)
    return cost_pd(sums) / DOLLAR_PD, sums[INVOCATIONS]


def _forecast(windows: Windows, _rule: Rule, id: int) -> Part:
    return anomalies.forecast_of(windows, (id,)), 0


def _anomaly(windows: Windows, rule: Rule, id: int) -> Part | None:
    return anomalies.score_of(windows, rule.condition, (id,))


def _percentile(windows: Windows, rule: Rule, id: int) -> Part | None:
    counts = windows.histograms(rule.window_s, rule.scope.execution_tags).get(id)
    return percentile_of(counts, rule.condition.percentile) if counts else None


def percentile_of(counts: Mapping[int, int], share: float) -> Part | None:
    """In milliseconds."""
    some = [pair for pair in counts.items() if pair[1] > 0]
    value = percentile_ms(some, share)
    return (value, sum([count for _, count in some])) if value is not None else None


def _near_timeout(windows: Windows, rule: Rule, id: int) -> Part | None:
    """How many invocations took longer than a share of the function's time limit, to within 2 % of it."""
    function = windows.catalog.functions.get(id)
    counts = windows.histograms(rule.window_s, rule.scope.execution_tags).get(id)
    if counts is None or function is None or not function.timeout_ms:
        return None
    limit_ms = rule.condition.share * function.timeout_ms
    over = sum([count for bucket, count in counts.items() if count and middle_ms(bucket) > limit_ms])
    return over, sum(counts.values())


def _memory(windows: Windows, rule: Rule, id: int) -> Part | None:
    function = windows.catalog.functions.get(id)
    used_mb = windows.memory(rule.window_s).get((id,), 0)
    if function is None or not function.memory_mb or used_mb <= 0:
        return None
    return used_mb / function.memory_mb, _sums(windows, rule, id)[INVOCATIONS]


def _age(windows: Windows, rule: Rule, id: int) -> Part | None:
    found = [age_ms for (function_id, _), age_ms in windows.ages(rule.window_s).items() if function_id == id]
    return (max(found) / 1000, 0) if found else None


def _burn_rate(windows: Windows, rule: Rule, id: int) -> Part | None:
    return _burned(windows, rule, (id,), id, None)


def _burned(windows: Windows, rule: Rule, ids: Collection[int], key: int, joined: Scope | None) -> Part | None:
    """The pair of windows that is worst: how fast the budget goes in both, as a share of what the pair allows."""
    budget, tags = 1 - rule.condition.objective, rule.scope.execution_tags
    found: Part | None = None
    for burn in rule.condition.burns:
        if windows.now_s % step_s(burn.long_s):
            continue
        shares = []
        for length in (burn.long_s, burn.short_s):
            sums = windows.functions(length, tags, joined).get(key, NOTHING)
            shares.append(_rate(*_failed(windows, rule, sums, length, ids)))
        if shares[0] is not None:
            value = min(shares[0][0], shares[1][0] if shares[1] is not None else 0.0) / budget / burn.rate
            if found is None or value > found[0]:
                found = value, shares[0][1]
    return found


_ONE: Mapping[ConditionKind, Callable[[Windows, Rule, int], Part | None]] = {
    ConditionKind.ERRORS: _errors,
    ConditionKind.ERROR_RATE: _error_rate,
    ConditionKind.TIMEOUTS: _typed,
    ConditionKind.OUT_OF_MEMORY: _typed,
    ConditionKind.DURATION: _percentile,
    ConditionKind.NEAR_TIMEOUT: _near_timeout,
    ConditionKind.MEMORY: _memory,
    ConditionKind.COLD_STARTS: _cold_starts,
    ConditionKind.THROTTLES: _throttles,
    ConditionKind.INVOCATIONS: _invocations,
    ConditionKind.COST: _cost,
    ConditionKind.FORECAST: _forecast,
    ConditionKind.ANOMALY: _anomaly,
    ConditionKind.AGE: _age,
    ConditionKind.BURN_RATE: _burn_rate,
}


def _together(windows: Windows, rule: Rule, scope: Scope) -> Part | None:
    special = _TOGETHER.get(rule.condition.kind)
    if special is not None:
        return special(windows, rule, scope)
    if rule.condition.month:
        return _added(windows, rule, scope)
    kind = rule.condition.kind
    sums = windows.functions(rule.window_s, rule.scope.execution_tags, scope).get(TOGETHER, NOTHING)
    among = sums[INVOCATIONS]
    if kind in (ConditionKind.ERRORS, ConditionKind.ERROR_RATE):
        failed = _failed(windows, rule, sums, rule.window_s, scope)
        return failed if kind is ConditionKind.ERRORS else _rate(*failed)
    if kind is ConditionKind.COLD_STARTS:
        return _rate(sums[COLD_STARTS], among)
    if kind is ConditionKind.INVOCATIONS:
        known = [windows.catalog.functions[id].first_seen_ms for id in scope if id in windows.catalog.functions]
        quiet_since_ms = (windows.now_s - rule.window_s) * 1000
        return (among, among) if among or min(known, default=quiet_since_ms + 1) <= quiet_since_ms else None
    if kind is ConditionKind.COST:
        return cost_pd(sums) / DOLLAR_PD, among
    typed = sum(count for id, count in _of_types(windows, rule).items() if id in scope)
    return (sums[THROTTLES] if kind is ConditionKind.THROTTLES else 0) + typed, among


def _added(windows: Windows, rule: Rule, scope: Scope) -> Part:
    parts = [part for id, part in board(windows, rule).values.items() if id in scope]
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def _near_timeout_together(windows: Windows, rule: Rule, scope: Scope) -> Part | None:
    """Functions with the same time limit as one."""
    key = ("limits", rule.scope)
    limits: dict[int, Scope] | None = windows.lasting.get(key)
    if limits is None:
        found: dict[int, list[int]] = {}
        for id in scope:
            found.setdefault(windows.catalog.functions[id].timeout_ms or 0, []).append(id)
        limits = windows.lasting[key] = {limit: frozenset(ids) for limit, ids in found.items() if limit}
    over = among = 0
    for timeout_ms, ids in limits.items():
        counts = windows.histograms(rule.window_s, rule.scope.execution_tags, ids).get(TOGETHER, {})
        limit_ms = rule.condition.share * timeout_ms
        over += sum([count for bucket, count in counts.items() if middle_ms(bucket) > limit_ms])
        among += sum(counts.values())
    return over, among


def _percentile_together(windows: Windows, rule: Rule, scope: Scope) -> Part | None:
    counts = windows.histograms(rule.window_s, rule.scope.execution_tags, scope).get(TOGETHER)
    return percentile_of(counts, rule.condition.percentile) if counts else None


_TOGETHER: Mapping[ConditionKind, Callable[[Windows, Rule, Scope], Part | None]] = {
    ConditionKind.DURATION: _percentile_together,
    ConditionKind.NEAR_TIMEOUT: _near_timeout_together,
    ConditionKind.BURN_RATE: lambda windows, rule, scope: _burned(windows, rule, scope, TOGETHER, scope),
    ConditionKind.ANOMALY: lambda windows, rule, scope: anomalies.score_of(windows, rule.condition, scope),
    ConditionKind.FORECAST: lambda windows, _, scope: (anomalies.forecast_of(windows, scope), 0),
}
