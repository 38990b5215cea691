"""A condition's value for one function, from the sums of the windows at a moment."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace

from collector.alerts import anomalies
from collector.alerts.conditions import step_s
from collector.alerts.failures import failed, left_out, of_types, timeouts
from collector.alerts.model import ConditionKind, Rule
from collector.alerts.sums import COLD_STARTS, ERRORS, INVOCATIONS, NOTHING, THROTTLES, Values, cost_pd
from collector.alerts.windows import Windows
from collector.domain.histogram import middle_ms, percentile_ms

DOLLAR_PD = 1e12
Part = tuple[float, int]  # a value, and the invocations that it is of
Reader = Callable[[int], Part | None]


def shape(rule: Rule) -> tuple[object, ...]:
    """What two rules must have in common to share their values by function."""
    condition = replace(rule.condition, above=None, below=None)
    return condition, rule.window_s, rule.ignore_4xx, rule.scope.execution_tags


def reading(windows: Windows, rule: Rule, id: int) -> Part | None:
    """The rule's value for one function at the windows' moment; None: it has none."""
    return reader(windows, rule)(id)


def reader(windows: Windows, rule: Rule, key: Hashable | None = None) -> Reader:
    """Reads the rule's value for one function after the other. What all of them need is looked up once, which is most
    of the work. `key` stands for the rule's shape."""
    name = ("reader", key if key is not None else shape(rule))
    found: Reader | None = windows.cache.get(name)
    if found is None:
        found = windows.cache[name] = _READERS[rule.condition.kind](windows, rule)
    return found


def rate(count: float, among: int) -> Part | None:
    """A share."""
    return (count / among, among) if among > 0 else None


def _sums(windows: Windows, rule: Rule) -> Mapping[int, Values]:
    return windows.counted(rule.window_s, rule.scope.execution_tags)


def _errors(windows: Windows, rule: Rule) -> Reader:
    sums = _sums(windows, rule)
    without = left_out(windows, rule.window_s, rule.scope.execution_tags, without_4xx=rule.ignore_4xx)

    def read(id: int) -> Part:
        one = sums.get(id, NOTHING)
        return max(0, one[ERRORS] - without.get(id, 0)), one[INVOCATIONS]

    return read


def _error_rate(windows: Windows, rule: Rule) -> Reader:
    errors = _errors(windows, rule)

    def read(id: int) -> Part | None:
        part = errors(id)
        return rate(*part) if part is not None else None

    return read


def _typed(windows: Windows, rule: Rule) -> Reader:
    sums, typed = _sums(windows, rule), of_types(windows, rule)

    def read(id: int) -> Part:
        return typed.get(id, 0), sums.get(id, NOTHING)[INVOCATIONS]

    return read


def _cold_starts(windows: Windows, rule: Rule) -> Reader:
    sums = windows.functions(rule.window_s, rule.scope.execution_tags)

    def read(id: int) -> Part | None:
        one = sums.get(id, NOTHING)
        return rate(one[COLD_STARTS], one[INVOCATIONS])

    return read


def _throttles(windows: Windows, rule: Rule) -> Reader:
    """Its calls that were refused, and the invocations of it that were."""
    sums, typed = _sums(windows, rule), of_types(windows, rule)

    def read(id: int) -> Part:
        one = sums.get(id, NOTHING)
        return one[THROTTLES] + typed.get(id, 0), one[INVOCATIONS]

    return read


def _invocations(windows: Windows, rule: Rule) -> Reader:
    """Functions that are quiet have a value too. One that is new to us was not quiet: it was unknown."""
    sums, functions = _sums(windows, rule), windows.catalog.functions
    quiet_since_ms = (windows.now_s - rule.window_s) * 1000

    def read(id: int) -> Part | None:
        count = sums.get(id, NOTHING)[INVOCATIONS]
        if not count and (id not in functions or functions[id].first_seen_ms > quiet_since_ms):
            return None
        return count, count

    return read


def _cost(windows: Windows, rule: Rule) -> Reader:
    ran = _sums(windows, rule)
    if rule.condition.month:
        spent = anomalies.spent(windows)

        def read_month(id: int) -> Part:
            return spent.get(id, 0) / DOLLAR_PD, ran.get(id, NOTHING)[INVOCATIONS]

        return read_month

    def read(id: int) -> Part:
        one = ran.get(id, NOTHING)
        return cost_pd(one) / DOLLAR_PD, one[INVOCATIONS]

    return read


def _forecast(windows: Windows, _rule: Rule) -> Reader:

    def read(id: int) -> Part:
        return anomalies.forecast_of(windows, (id,)), 0

    return read


def _anomaly(windows: Windows, rule: Rule) -> Reader:

    def read(id: int) -> Part | None:
        return anomalies.score_of(windows, rule.condition, (id,))

    return read


def _percentile(windows: Windows, rule: Rule) -> Reader:
    histograms, share = windows.histograms(rule.window_s, rule.scope.execution_tags), rule.condition.percentile

    def read(id: int) -> Part | None:
        counts = histograms.get(id)
        return percentile_of(counts, share) if counts else None

    return read


def percentile_of(counts: Mapping[int, int], share: float) -> Part | None:
    """In milliseconds."""
    some = [pair for pair in counts.items() if pair[1] > 0]
    value = percentile_ms(some, share)
    return (value, sum([count for _, count in some])) if value is not None else None


def over(counts: Mapping[int, int], limit_ms: float) -> int:
    """How many durations are longer, to within 2 % of it."""
    return sum([count for bucket, count in counts.items() if count and middle_ms(bucket) > limit_ms])


def _near_timeout(windows: Windows, rule: Rule) -> Reader:
    """How many invocations took longer than a share of the function's time limit, and ended before it."""
    functions = windows.catalog.functions
    histograms = windows.histograms(rule.window_s, rule.scope.execution_tags)
    timed_out, share = timeouts(windows, rule), rule.condition.share

    def read(id: int) -> Part | None:
        function, counts = functions.get(id), histograms.get(id)
        if counts is None or function is None or not function.timeout_ms:
            return None
        count = over(counts, share * function.timeout_ms)
        return max(0, count - timed_out.get(id, 0)), sum(counts.values())

    return read


def _memory(windows: Windows, rule: Rule) -> Reader:
    functions, used, sums = windows.catalog.functions, windows.memory(rule.window_s), _sums(windows, rule)

    def read(id: int) -> Part | None:
        function, used_mb = functions.get(id), used.get((id,), 0)
        if function is None or not function.memory_mb or used_mb <= 0:
            return None
        return used_mb / function.memory_mb, sums.get(id, NOTHING)[INVOCATIONS]

    return read


def _age(windows: Windows, rule: Rule) -> Reader:
    oldest: dict[int, int] = {}
    for (function_id, _), age_ms in windows.ages(rule.window_s).items():
        oldest[function_id] = max(age_ms, oldest.get(function_id, 0))

    def read(id: int) -> Part | None:
        return (oldest[id] / 1000, 0) if id in oldest else None

    return read


def _burn_rate(windows: Windows, rule: Rule) -> Reader:
    """The pair of windows that is worst: how fast the budget goes in both, as a share of what the pair allows."""
    budget, tags = 1 - rule.condition.objective, rule.scope.execution_tags
    pairs = []
    for burn in rule.condition.burns:
        if windows.now_s % step_s(burn.long_s) == 0:
            both = [
                (windows.counted(length, tags), left_out(windows, length, tags, without_4xx=rule.ignore_4xx))
                for length in (burn.long_s, burn.short_s)
            ]
            pairs.append((burn.rate, both))

    def read(id: int) -> Part | None:
        found: Part | None = None
        for allowed, both in pairs:
            shares = [rate(*failed(without, sums.get(id, NOTHING), (id,))) for sums, without in both]
            part = burned(shares, budget, allowed)
            if part is not None and (found is None or part[0] > found[0]):
                found = part
        return found

    return read


def burned(shares: list[Part | None], budget: float, allowed: float) -> Part | None:
    """Of the shares that failed in the long and the short window: how fast both use up the budget, as a share of the
    speed that is allowed."""
    long, short = shares
    if long is None:
        return None
    return min(long[0], short[0] if short is not None else 0.0) / budget / allowed, long[1]


_READERS: Mapping[ConditionKind, Callable[[Windows, Rule], Reader]] = {
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
