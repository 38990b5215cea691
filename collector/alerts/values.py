"""A condition's value for every function, issue or queue at one moment, from the sums of the windows.

What is worked out is shared by all rules that ask for the same: a thousand rules on five kinds of conditions cost five
passes over the functions, not a thousand.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from collector.alerts import anomaly
from collector.alerts.conditions import step_s
from collector.alerts.model import Condition, ConditionKind, Metric, Rule
from collector.alerts.sums import COLD_STARTS, COST_PD, ERRORS, INVOCATIONS, NOTHING, THROTTLES, Tags
from collector.alerts.windows import Windows
from collector.domain.failures import MEMORY_TYPE, TIMEOUT_TYPE
from collector.domain.histogram import middle_ms, percentile_ms

DOLLAR_PD = 1e12
TIMEOUT_TYPES = frozenset({"Timeout", TIMEOUT_TYPE})
MEMORY_TYPES = frozenset({MEMORY_TYPE, "MemoryError"})

Part = tuple[float, int]  # what is counted, and the invocations among which it is
Parts = Mapping[int, Part]  # by function


class Board(NamedTuple):
    """Values by function (or issue, or resource), and the same in order, so that a rule finds those beyond its
    threshold without looking at all."""

    values: Mapping[int, Part]
    order: list[tuple[float, int]]

    @staticmethod
    def of(values: Mapping[int, Part]) -> Board:
        return Board(values, sorted((value, key) for key, (value, _) in values.items()))

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


def board(windows: Windows, rule: Rule, key: Hashable | None = None) -> Board:
    """The rule's values by function at the windows' moment. `key` stands for the rule's shape; here and below."""
    key = ("board", key if key is not None else shape(rule))
    found: Board | None = windows.cache.get(key)
    if found is None:
        found = windows.cache[key] = Board.of(_by_function(windows, rule))
    return found


def together(windows: Windows, rule: Rule, scope: Collection[int], key: Hashable | None = None) -> Part | None:
    """The same of all functions of the scope as one; None: there is no value."""
    key = ("together", key if key is not None else shape(rule), rule.scope)
    if key not in windows.cache:
        windows.cache[key] = _together(windows, rule, scope)
    found: Part | None = windows.cache[key]
    return found


def issue_board(windows: Windows, rule: Rule, key: Hashable | None = None) -> Board:
    """Occurrences by issue; muted ones are left out, and where the rule says so those of 4xx."""
    types, tags = rule.condition.types, rule.scope.execution_tags
    key = ("issues", key if key is not None else shape(rule))
    found: Board | None = windows.cache.get(key)
    if found is None:
        counts = windows.issues(rule.window_s, tags)
        facts = windows.issue_facts([id for (id,) in counts])
        values: dict[int, Part] = {}
        for (id,), (count,) in counts.items():
            issue = facts.get(id)
            if count <= 0 or issue is None or issue.muted or (rule.ignore_4xx and issue.client_error):
                continue
            if not types or issue.type in types:
                values[id] = (count, count)
        found = windows.cache[key] = Board.of(values)
    return found


def ages(windows: Windows, window_s: int) -> Mapping[tuple[int, int], float]:
    """By function and resource, in seconds."""
    return {(key[0], key[1]): age_ms / 1000 for key, age_ms in windows.ages(window_s).items()}


def _by_function(windows: Windows, rule: Rule) -> Parts:
    special = _SPECIAL.get(rule.condition.kind)
    if special is not None:
        return special(windows, rule)
    if rule.condition.month:
        return _costs(windows.since(anomaly.month_start(windows.now_s)))
    parts = _parts(windows, rule, rule.window_s)
    if rule.condition.kind in _RATES:
        return {id: (count / among, among) for id, (count, among) in parts.items() if among > 0}
    return parts


_RATES = frozenset({ConditionKind.ERROR_RATE, ConditionKind.COLD_STARTS})


def _parts(windows: Windows, rule: Rule, window_s: int) -> Parts:
    """What is counted, by function; of everything that adds up over functions."""
    condition, tags = rule.condition, rule.scope.execution_tags
    kind = condition.kind
    sums = windows.functions(window_s, tags)
    if kind in (ConditionKind.ERRORS, ConditionKind.ERROR_RATE, ConditionKind.BURN_RATE):
        left_out = _left_out(windows, window_s, tags, without_4xx=rule.ignore_4xx)
        return {id: (max(0, one[ERRORS] - left_out.get(id, 0)), one[INVOCATIONS]) for (id,), one in sums.items()}
    if kind is ConditionKind.COLD_STARTS:
        return {id: (one[COLD_STARTS], one[INVOCATIONS]) for (id,), one in sums.items()}
    if kind is ConditionKind.THROTTLES:
        return {id: (one[THROTTLES], one[INVOCATIONS]) for (id,), one in sums.items()}
    if kind is ConditionKind.COST:
        return _costs(sums)
    if kind in (ConditionKind.TIMEOUTS, ConditionKind.OUT_OF_MEMORY):
        types = TIMEOUT_TYPES if kind is ConditionKind.TIMEOUTS else MEMORY_TYPES
        return {
            id: (count, sums.get((id,), NOTHING)[INVOCATIONS])
            for id, count in _of_types(windows, window_s, tags, types).items()
        }
    if kind is ConditionKind.NEAR_TIMEOUT:
        return _near_timeouts(windows, condition.share, window_s, tags)
    # Of INVOCATIONS functions that are quiet have a value too. One that is new to us was not quiet: it was unknown.
    early_ms = (windows.now_s - window_s) * 1000
    quiet = {id: (0, 0) for id, one in windows.catalog.functions.items() if one.first_seen_ms <= early_ms}
    return quiet | {id: (one[INVOCATIONS], one[INVOCATIONS]) for (id,), one in sums.items()}


def _costs(sums: Mapping[tuple[int, ...], tuple[int, ...]]) -> Parts:
    return {id: (one[COST_PD] / DOLLAR_PD, one[INVOCATIONS]) for (id,), one in sums.items()}


def _left_out(windows: Windows, window_s: int, tags: Tags, *, without_4xx: bool) -> Mapping[int, int]:
    """Failures that do not count: of muted issues and, if asked for, of the client's own making."""
    key = ("left out", window_s, tags, without_4xx)
    found: dict[int, int] | None = windows.cache.get(key)
    if found is None:
        found = windows.cache[key] = {}
        counts = windows.issues(window_s, tags)
        facts = windows.issue_facts([id for (id,) in counts])
        for (id,), (count,) in counts.items():
            issue = facts.get(id)
            if issue is not None and issue.failure and (issue.muted or (without_4xx and issue.client_error)):
                found[issue.function_id] = found.get(issue.function_id, 0) + count
    return found


def _of_types(windows: Windows, window_s: int, tags: Tags, types: Collection[str]) -> Mapping[int, int]:
    found: dict[int, int] = {}
    counts = windows.issues(window_s, tags)
    facts = windows.issue_facts([id for (id,) in counts])
    for (id,), (count,) in counts.items():
        issue = facts.get(id)
        if issue is not None and issue.type in types and not issue.muted and count > 0:
            found[issue.function_id] = found.get(issue.function_id, 0) + count
    return found


def _percentiles(windows: Windows, share: float, window_s: int, tags: Tags) -> Parts:
    found: dict[int, Part] = {}
    for id, counts in windows.histograms(window_s, tags).items():
        value = percentile_ms(counts, share)
        if value is not None:
            found[id] = (value, sum(count for _, count in counts))
    return found


def _near_timeouts(windows: Windows, share: float, window_s: int, tags: Tags) -> Parts:
    """How many invocations took longer than a share of the function's time limit, to within 2 % of it."""
    found: dict[int, Part] = {}
    for id, counts in windows.histograms(window_s, tags).items():
        function = windows.catalog.functions.get(id)
        if function is None or not function.timeout_ms:
            continue
        limit_ms = share * function.timeout_ms
        found[id] = (
            sum(count for bucket, count in counts if middle_ms(bucket) > limit_ms),
            sum(count for _, count in counts),
        )
    return found


def _memory(windows: Windows, window_s: int) -> Parts:
    sums = windows.functions(window_s)
    found: dict[int, Part] = {}
    for (id,), used_mb in windows.memory(window_s).items():
        function = windows.catalog.functions.get(id)
        if function is not None and function.memory_mb and used_mb > 0:
            found[id] = (used_mb / function.memory_mb, sums.get((id,), NOTHING)[INVOCATIONS])
    return found


def _oldest(windows: Windows, window_s: int) -> Parts:
    found: dict[int, Part] = {}
    for (id, _), age_s in ages(windows, window_s).items():
        if age_s > found.get(id, (0.0, 0))[0]:
            found[id] = (age_s, 0)
    return found


def _burn_rates(windows: Windows, rule: Rule, scope: Collection[int] | None) -> Parts:
    """The pair of windows that is worst: how fast the budget goes in both, as a share of what the pair allows. With
    `scope` of all its functions as one, by the key 0."""
    budget = 1 - rule.condition.objective
    found: dict[int, Part] = {}
    for burn in rule.condition.burns:
        if windows.now_s % step_s(burn.long_s):
            continue
        long, short = (_shares(windows, rule, length, scope) for length in (burn.long_s, burn.short_s))
        for id, (failed, among) in long.items():
            lately, _ = short.get(id, (0.0, 0))
            value = min(failed, lately) / budget / burn.rate
            if id not in found or value > found[id][0]:
                found[id] = (value, among)
    return found


def _shares(windows: Windows, rule: Rule, window_s: int, scope: Collection[int] | None) -> Parts:
    key = ("shares", window_s, rule.ignore_4xx, rule.scope.execution_tags)
    parts: Parts | None = windows.cache.get(key)
    if parts is None:
        parts = windows.cache[key] = _parts(windows, rule, window_s)
    if scope is not None:
        parts = {0: _added(parts, scope)}
    return {id: (count / among, among) for id, (count, among) in parts.items() if among > 0}


def _forecasts(windows: Windows) -> Parts:
    t = windows.now_s
    so_far = _costs(windows.since(anomaly.month_start(t)))
    start = anomaly.pace_start(t, windows.oldest_s)
    lately = _costs(windows.since(start))
    return {
        id: (anomaly.forecast(so_far.get(id, (0.0, 0))[0], lately.get(id, (0.0, 0))[0], t - start, t), 0)
        for id in so_far.keys() | lately.keys()
    }


def _anomalies(windows: Windows, condition: Condition, scope: Collection[int] | None = None) -> Parts:
    """By function; with `scope` of all its functions as one, by the key 0."""
    now = _metric(windows, condition, None, scope)
    past = [
        (first, _metric(windows, condition, first, scope), _metric(windows, condition, second, scope), share)
        for first, second, share in anomaly.same_hours(windows.now_s, condition.days)
        if first >= windows.oldest_s
    ]
    found: dict[int, Part] = {}
    quiet = {0} if scope is not None else windows.catalog.functions.keys()
    for id in quiet | now.keys():
        value, sample = now.get(id, (0.0, 0))
        days = []
        for first, one, other, share in past:
            known_ms = windows.catalog.functions[id].first_seen_ms if id in windows.catalog.functions else 0
            if known_ms > first * 1000:
                continue
            if condition.metric is Metric.DURATION:
                # Of no invocations no duration is usual; where only one of the two hours has some, it speaks for both.
                both = [hour[id][0] for hour in (one, other) if id in hour]
                if both:
                    days.append(both[0] + share * (both[-1] - both[0]))
            else:
                days.append((1 - share) * one.get(id, (0.0, 0))[0] + share * other.get(id, (0.0, 0))[0])
        if condition.metric is Metric.DURATION and id not in now:
            continue
        counted = condition.metric in (Metric.INVOCATIONS, Metric.ERRORS)
        score = anomaly.deviation(value, days, counted=counted)
        if score is not None:
            found[id] = (score, sample)
    return found


def _metric(windows: Windows, condition: Condition, hour_s: int | None, scope: Collection[int] | None) -> Parts:
    """The metric in the hour that began then, or (None) in the last hour."""
    metric, share = condition.metric, condition.percentile
    key = ("metric", metric, share, hour_s)
    parts: Parts | None = None if scope is not None and metric is Metric.DURATION else windows.cache.get(key)
    if parts is None and metric is Metric.DURATION:
        counts = windows.durations(anomaly.HOUR_S) if hour_s is None else windows.hour(hour_s, durations=True)
        merged: dict[int, list[tuple[int, int]]] = {}
        for (id, bucket), (count,) in counts.items():
            if scope is None or id in scope:
                merged.setdefault(id if scope is None else 0, []).append((bucket, count))
        parts = {
            id: (percentile_ms(some, share) or 0.0, total) for id, some in merged.items() if (total := _size(some))
        }
        if scope is not None:
            return parts
    if parts is None:
        sums = windows.functions(anomaly.HOUR_S) if hour_s is None else windows.hour(hour_s)
        position = {Metric.INVOCATIONS: INVOCATIONS, Metric.ERRORS: ERRORS, Metric.COST: COST_PD}[metric]
        scale = DOLLAR_PD if metric is Metric.COST else 1
        parts = {id: (one[position] / scale, one[INVOCATIONS]) for (id,), one in sums.items()}
    windows.cache[key] = parts
    return parts if scope is None else {0: _added(parts, scope)}


def _size(counts: Iterable[tuple[int, int]]) -> int:
    return sum(count for _, count in counts)


def _together(windows: Windows, rule: Rule, scope: Collection[int]) -> Part | None:
    condition, window_s, tags = rule.condition, rule.window_s, rule.scope.execution_tags
    kind = condition.kind
    if kind is ConditionKind.DURATION:
        merged = [pair for id, counts in windows.histograms(window_s, tags).items() if id in scope for pair in counts]
        value = percentile_ms(merged, condition.percentile)
        return (value, _size(merged)) if value is not None else None
    if kind is ConditionKind.BURN_RATE:
        return _burn_rates(windows, rule, scope).get(0)
    if kind is ConditionKind.ANOMALY:
        return _anomalies(windows, condition, scope).get(0)
    if kind is ConditionKind.FORECAST or (kind is ConditionKind.COST and condition.month):
        return _added(board(windows, rule).values, scope)
    count, among = _added(_shared_parts(windows, rule), scope)
    if kind in _RATES:
        return (count / among, among) if among > 0 else None
    if kind is ConditionKind.INVOCATIONS and not scope:
        return None
    return count, among


def _shared_parts(windows: Windows, rule: Rule) -> Parts:
    key = (
        "parts",
        rule.condition.kind,
        rule.condition.share,
        rule.window_s,
        rule.ignore_4xx,
        rule.scope.execution_tags,
    )
    found: Parts | None = windows.cache.get(key)
    if found is None:
        found = windows.cache[key] = _parts(windows, rule, rule.window_s)
    return found


def _added(parts: Parts, scope: Collection[int]) -> Part:
    some = (
        [parts[id] for id in scope if id in parts]
        if len(scope) < len(parts)
        else [part for id, part in parts.items() if id in scope]
    )
    return sum(part[0] for part in some), sum(part[1] for part in some)


# Those of which the values of several functions do not simply add up.
_SPECIAL: Mapping[ConditionKind, Callable[[Windows, Rule], Parts]] = {
    ConditionKind.DURATION: lambda windows, rule: _percentiles(
        windows, rule.condition.percentile, rule.window_s, rule.scope.execution_tags
    ),
    ConditionKind.BURN_RATE: lambda windows, rule: _burn_rates(windows, rule, None),
    ConditionKind.ANOMALY: lambda windows, rule: _anomalies(windows, rule.condition),
    ConditionKind.MEMORY: lambda windows, rule: _memory(windows, rule.window_s),
    ConditionKind.AGE: lambda windows, rule: _oldest(windows, rule.window_s),
    ConditionKind.FORECAST: lambda windows, _: _forecasts(windows),
}
