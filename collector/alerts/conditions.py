"""The kinds of conditions: what their values are, what they need, and when they are met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from collector.alerts.model import Burn, Condition, ConditionKind, Grouping, Metric, Rule

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
LONGEST_WINDOW_S = 7 * DAY_S
# An open alert's condition counts as met until its value has come back this far beyond the threshold: a value that
# wavers about it would otherwise resolve and open the alert again and again.
HYSTERESIS = 0.1
# Google's SRE workbook, chapter 5: a month's budget of 2 % in an hour, 5 % in six hours, 10 % in three days.
BURNS = (Burn(HOUR_S, 300, 14.4), Burn(6 * HOUR_S, 1_800, 6.0), Burn(3 * DAY_S, 6 * HOUR_S, 1.0))
PERCENTILES = (0.5, 0.95, 0.99)


class Unit(StrEnum):
    """What a condition's value and threshold are in."""

    COUNT = "count"
    SHARE = "share"  # 0..1
    MILLISECONDS = "ms"
    SECONDS = "s"
    DOLLARS = "usd"
    TIMES = "times"  # of the speed that a budget lasts with; of the usual deviation


@dataclass(frozen=True, slots=True)
class Kind:
    """`groupings`: the first is the default. `settled`: only whole minutes are looked at, because a minute that is
    not over may show what will not hold; the others can only grow with what is still to come."""

    title: str
    unit: Unit
    groupings: tuple[Grouping, ...]
    takes: frozenset[str] = frozenset()  # fields of Condition beside `kind`
    above: float | None = None  # the default
    window_s: int = 300  # the default
    settled: bool = False
    sampled: bool = False  # whether Rule.minimum counts
    tagged: bool = True  # whether the scope may name execution tags
    without_4xx: bool = False  # whether Rule.ignore_4xx means something


_BY_FUNCTION = (Grouping.FUNCTION, Grouping.TOGETHER)
_TOGETHER = (Grouping.TOGETHER, Grouping.FUNCTION)
_ISSUE = (Grouping.ISSUE,)
_ABOVE = frozenset({"above"})

KINDS: Mapping[ConditionKind, Kind] = {
    ConditionKind.NEW_ISSUE: Kind(
        "New issue", Unit.COUNT, _ISSUE, frozenset({"types"}), 0, tagged=False, without_4xx=True
    ),
    ConditionKind.REGRESSED_ISSUE: Kind(
        "Regressed issue", Unit.COUNT, _ISSUE, frozenset({"types"}), 0, tagged=False, without_4xx=True
    ),
    ConditionKind.ISSUE: Kind("Occurrences of an issue", Unit.COUNT, _ISSUE, _ABOVE | {"types"}, 0, without_4xx=True),
    ConditionKind.ERRORS: Kind("Errors", Unit.COUNT, _BY_FUNCTION, _ABOVE, 0, sampled=True, without_4xx=True),
    ConditionKind.ERROR_RATE: Kind(
        "Error rate", Unit.SHARE, _BY_FUNCTION, _ABOVE, 0.05, 600, settled=True, sampled=True, without_4xx=True
    ),
    ConditionKind.TIMEOUTS: Kind("Timeouts", Unit.COUNT, _BY_FUNCTION, _ABOVE, 0, sampled=True),
    ConditionKind.OUT_OF_MEMORY: Kind("Out of memory", Unit.COUNT, _BY_FUNCTION, _ABOVE, 0, sampled=True),
    ConditionKind.DURATION: Kind(
        "Duration",
        Unit.MILLISECONDS,
        _BY_FUNCTION,
        _ABOVE | {"below", "percentile"},
        1_000,
        settled=True,
        sampled=True,
    ),
    ConditionKind.NEAR_TIMEOUT: Kind(
        "About to time out", Unit.COUNT, _BY_FUNCTION, _ABOVE | {"share"}, 0, sampled=True
    ),
    ConditionKind.MEMORY: Kind("Memory", Unit.SHARE, (Grouping.FUNCTION,), _ABOVE, 0.95, sampled=True, tagged=False),
    ConditionKind.COLD_STARTS: Kind(
        "Cold starts", Unit.SHARE, _BY_FUNCTION, _ABOVE, 0.2, HOUR_S, settled=True, sampled=True
    ),
    ConditionKind.THROTTLES: Kind("Throttled calls", Unit.COUNT, _BY_FUNCTION, _ABOVE, 0, sampled=True, tagged=False),
    ConditionKind.INVOCATIONS: Kind("Invocations", Unit.COUNT, _BY_FUNCTION, _ABOVE | {"below"}),
    ConditionKind.COST: Kind("Cost", Unit.DOLLARS, _TOGETHER, _ABOVE | {"month"}, 1, HOUR_S),
    ConditionKind.FORECAST: Kind(
        "Cost forecast of the month", Unit.DOLLARS, _TOGETHER, _ABOVE, 100, DAY_S, settled=True, tagged=False
    ),
    ConditionKind.ANOMALY: Kind(
        "Unlike past days",
        Unit.TIMES,
        _BY_FUNCTION,
        _ABOVE | {"below", "metric", "days", "percentile"},
        5,
        HOUR_S,
        settled=True,
        sampled=True,
        tagged=False,
    ),
    ConditionKind.AGE: Kind(
        "Age of messages", Unit.SECONDS, (Grouping.RESOURCE, Grouping.FUNCTION), _ABOVE, 300, tagged=False
    ),
    ConditionKind.BURN_RATE: Kind(
        "Error budget burn rate",
        Unit.TIMES,
        _BY_FUNCTION,
        frozenset({"objective", "burns"}),
        1,
        HOUR_S,
        settled=True,
        sampled=True,
        without_4xx=True,
    ),
}


_OPTIONS = frozenset(one.name for one in fields(Condition)) - {"kind", "above", "below"}


def completed(rule: Rule) -> Rule:
    """With the defaults of its kind where the rule leaves open what it must say, and without what means nothing for
    it."""
    kind, condition = KINDS[rule.condition.kind], rule.condition
    plain = Condition(condition.kind)
    meaningless = _OPTIONS - kind.takes
    condition = replace(condition, **{name: getattr(plain, name) for name in meaningless})
    if condition.above is None and condition.below is None:
        condition = replace(condition, above=kind.above)
    if condition.kind is ConditionKind.BURN_RATE:
        condition = replace(condition, above=1, burns=condition.burns or BURNS)
    grouping = rule.grouping if rule.grouping in kind.groupings else kind.groupings[0]
    return replace(
        rule,
        condition=condition,
        grouping=grouping,
        minimum=rule.minimum if kind.sampled else 0,
        ignore_4xx=rule.ignore_4xx and kind.without_4xx,
    )


def threshold(rule: Rule) -> float:
    """What the value is compared with; of a burn rate 1: its values are shares of the rate that a pair allows."""
    condition = rule.condition
    if condition.above is not None:
        return condition.above
    return condition.below if condition.below is not None else 0.0


def met(rule: Rule, value: float) -> bool:
    """Whether an alert opens."""
    condition = rule.condition
    return (condition.above is not None and value > condition.above) or (
        condition.below is not None and value < condition.below
    )


def kept(rule: Rule, value: float) -> bool:
    """Whether an alert that is open stays so."""
    condition = rule.condition
    if KINDS[condition.kind].unit is Unit.COUNT:  # a number of things does not waver as a share does
        return met(rule, value)
    return (condition.above is not None and value > loosened(condition.above, -1)) or (
        condition.below is not None and value < loosened(condition.below, 1)
    )


def loosened(bound: float, direction: int) -> float:
    """The bound, HYSTERESIS of it lower (-1) or higher (1)."""
    return bound + direction * HYSTERESIS * abs(bound)


def windows(rule: Rule) -> tuple[int, ...]:
    """Every window that the rule looks at, in seconds."""
    if rule.condition.kind is ConditionKind.BURN_RATE:
        return tuple(sorted({length for burn in rule.condition.burns for length in (burn.long_s, burn.short_s)}))
    if rule.condition.kind is ConditionKind.ANOMALY:
        return (HOUR_S,)
    return (rule.window_s,)


def step_s(window_s: int) -> int:
    """How far apart the moments are at which a window is looked at: long ones change slowly."""
    if window_s <= HOUR_S:
        return MINUTE_S
    return 300 if window_s <= 6 * HOUR_S else 900


def finest_step_s(rule: Rule) -> int:
    """How often the rule is looked at."""
    kind = rule.condition.kind
    if kind is ConditionKind.BURN_RATE:
        return min(step_s(burn.long_s) for burn in rule.condition.burns)
    if kind is ConditionKind.FORECAST or (kind is ConditionKind.COST and rule.condition.month):
        return 900
    if kind is ConditionKind.ANOMALY:
        return 300
    return step_s(rule.window_s)


def gap_s(rule: Rule) -> int:
    """For how long the condition may not have been met within one alert."""
    kind = rule.condition.kind
    step = finest_step_s(rule)
    if kind is ConditionKind.BURN_RATE:
        step = max(step_s(burn.long_s) for burn in rule.condition.burns)
    return max(rule.resolve_after_s, step)


def counts(rule: Rule) -> bool:
    """Whether the condition is of things that add up as long as an alert lasts."""
    kind = rule.condition.kind
    return KINDS[kind].unit is Unit.COUNT and kind is not ConditionKind.INVOCATIONS


def looks_below(condition: Condition) -> bool:
    return condition.below is not None


def metric_unit(rule: Rule) -> Unit:
    """The unit of the rule's threshold."""
    return KINDS[rule.condition.kind].unit


METRIC_UNITS: Mapping[Metric, Unit] = {
    Metric.INVOCATIONS: Unit.COUNT,
    Metric.ERRORS: Unit.COUNT,
    Metric.DURATION: Unit.MILLISECONDS,
    Metric.COST: Unit.DOLLARS,
}
