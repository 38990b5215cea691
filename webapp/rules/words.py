"""Rules in words: what they fire on, and values in their unit."""

from __future__ import annotations

from collections.abc import Callable

from collector.alerts.conditions import KINDS, Unit, completed
from collector.alerts.model import EVERY_EVENT, ONCE, Condition, ConditionKind, Grouping, Metric, MuteWindow, Rule
from collector.alerts.wording import span
from webapp.formatting.numbers import SPACE, count, milliseconds, ratio

TIMES = "\N{MULTIPLICATION SIGN}"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# What is counted: one of it, and many.
_COUNTED = {
    ConditionKind.ERRORS: ("an invocation fails", "invocations fail"),
    ConditionKind.TIMEOUTS: ("an invocation times out", "invocations time out"),
    ConditionKind.OUT_OF_MEMORY: ("an invocation runs out of memory", "invocations run out of memory"),
    ConditionKind.THROTTLES: ("a call is throttled", "calls are throttled"),
    ConditionKind.ISSUE: ("an issue occurs", "times an issue occurs"),
}
_METRICS = {
    Metric.INVOCATIONS: "the number of invocations",
    Metric.ERRORS: "the number of errors",
    Metric.DURATION: "the duration",
    Metric.COST: "the cost",
}
# For whoever chooses one.
ABOUT = {
    ConditionKind.NEW_ISSUE: "A function fails in a way that it never did before.",
    ConditionKind.REGRESSED_ISSUE: "An issue that somebody resolved comes back.",
    ConditionKind.ISSUE: "One issue, of chosen types or of any, occurs often.",
    ConditionKind.ERRORS: "Invocations fail, from the first one or from a number on.",
    ConditionKind.ERROR_RATE: "A share of the invocations fails.",
    ConditionKind.TIMEOUTS: "Invocations reach their time limit.",
    ConditionKind.OUT_OF_MEMORY: "Processes are ended because their memory is used up.",
    ConditionKind.DURATION: "The median, p95 or p99 of durations is too long, or too short.",
    ConditionKind.NEAR_TIMEOUT: "Invocations take nearly as long as they may.",
    ConditionKind.MEMORY: "An environment uses nearly all the memory that it has.",
    ConditionKind.COLD_STARTS: "Too many invocations wait for an environment to start.",
    ConditionKind.THROTTLES: "AWS refuses calls because they are too many.",
    ConditionKind.INVOCATIONS: "Too many invocations, too few, or none at all.",
    ConditionKind.COST: "What an hour, a day or the month so far costs.",
    ConditionKind.FORECAST: "The month is going to cost more than the budget.",
    ConditionKind.ANOMALY: "Far from what the same hour of past days was.",
    ConditionKind.AGE: "Messages of a queue or stream wait too long.",
    ConditionKind.BURN_RATE: "An error budget (SLO) is used up too fast, over a long and a short window.",
}
GROUPS = (
    (
        "Failures",
        (
            ConditionKind.ERRORS,
            ConditionKind.ERROR_RATE,
            ConditionKind.NEW_ISSUE,
            ConditionKind.REGRESSED_ISSUE,
            ConditionKind.ISSUE,
            ConditionKind.BURN_RATE,
        ),
    ),
    (
        "Limits",
        (
            ConditionKind.TIMEOUTS,
            ConditionKind.NEAR_TIMEOUT,
            ConditionKind.OUT_OF_MEMORY,
            ConditionKind.MEMORY,
            ConditionKind.THROTTLES,
        ),
    ),
    ("Speed", (ConditionKind.DURATION, ConditionKind.COLD_STARTS, ConditionKind.AGE)),
    (
        "Traffic and money",
        (ConditionKind.INVOCATIONS, ConditionKind.ANOMALY, ConditionKind.COST, ConditionKind.FORECAST),
    ),
)


def describe_condition(rule: Rule) -> str:
    """What the rule fires on, in one sentence without its end: "more than 5 % of invocations fail in 10 min"."""
    rule = completed(rule)
    condition = rule.condition
    said = _said(rule)
    if condition.types:
        said += f" (of {', '.join(condition.types[:5])}{' …' if len(condition.types) > 5 else ''})"
    if rule.minimum > 1:
        said += f", of at least {count(rule.minimum)} invocations"
    if rule.ignore_4xx:
        said += ", 4xx left out"
    if rule.grouping is Grouping.TOGETHER:
        said += ", all functions together"
    return said


def _said(rule: Rule) -> str:
    condition, within = rule.condition, f" in {span(rule.window_s)}"
    kind, above = condition.kind, condition.above or 0.0
    if kind in _COUNTED:
        one, many = _COUNTED[kind]
        return one if above == 0 else f"more than {quantity(condition, above)} {many}{within}"
    percentile = f"p{condition.percentile * 100:g}"
    bound = f"above {quantity(condition, above)}" if condition.above is not None else ""
    if condition.below is not None:
        bound += f"{' or ' if bound else ''}below {quantity(condition, condition.below)}"
    sentences: dict[ConditionKind, Callable[[], str]] = {
        ConditionKind.NEW_ISSUE: lambda: "a new issue appears",
        ConditionKind.REGRESSED_ISSUE: lambda: "an issue that was resolved comes back",
        ConditionKind.ERROR_RATE: lambda: f"more than {ratio(above)} of invocations fail{within}",
        ConditionKind.COLD_STARTS: lambda: f"more than {ratio(above)} of invocations are cold starts{within}",
        ConditionKind.MEMORY: lambda: f"more than {ratio(above)} of the memory is used",
        ConditionKind.NEAR_TIMEOUT: lambda: (
            f"{'an invocation takes' if above == 0 else f'more than {count(above)} invocations take'} more than "
            f"{ratio(condition.share)} of the time limit{within if above else ''}"
        ),
        ConditionKind.DURATION: lambda: f"{percentile} of durations is {bound}{within}",
        ConditionKind.INVOCATIONS: lambda: (
            f"nothing is invoked at all{within}"
            if condition.below == 1
            else f"the number of invocations is {bound}{within}"
        ),
        ConditionKind.COST: lambda: f"the cost is {bound}{' this month' if condition.month else within}",
        ConditionKind.FORECAST: lambda: f"the forecast of the month is {bound}",
        ConditionKind.ANOMALY: lambda: (
            f"{_METRICS[condition.metric]}{f' ({percentile})' if condition.metric is Metric.DURATION else ''} of an "
            f"hour is unlike the same hour of the last {condition.days} days: {bound} usual deviations"
        ),
        ConditionKind.AGE: lambda: f"a message waits longer than {quantity(condition, above)}",
        ConditionKind.BURN_RATE: lambda: (
            f"the error budget of an objective of {condition.objective * 100:g}{SPACE}% is used up "
            + " or ".join(
                f"{burn.rate:g}{TIMES} too fast in {span(burn.long_s)} and {span(burn.short_s)}"
                for burn in condition.burns
            )
        ),
    }
    return sentences[kind]()


def quantity(condition: Condition, value: float) -> str:
    """A value or threshold of the condition, with its unit: for axes and tables."""
    unit = KINDS[condition.kind].unit
    if unit is Unit.SHARE:
        return ratio(value)
    if unit is Unit.MILLISECONDS:
        return milliseconds(value)
    if unit is Unit.SECONDS:
        return span(value)
    if unit is Unit.DOLLARS:
        return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.2g}"
    if unit is Unit.TIMES:
        return f"{value:,.3g}{TIMES}"
    return count(value) if float(value).is_integer() or abs(value) >= 10 else f"{value:.2g}"


def describe_repeat(rule: Rule) -> str:
    """How often the same alert is told of again."""
    if rule.repeat_s is ONCE:
        return "once"
    return "every event" if rule.repeat_s == EVERY_EVENT else f"again every {span(rule.repeat_s)}"


def describe_time(mute: MuteWindow) -> str:
    """When a weekly mute window holds."""
    days = "every day" if len(mute.weekdays) == 7 else ", ".join(DAYS[day] for day in mute.weekdays)
    return f"{days} from {mute.start} for {span(mute.minutes * 60)}, {mute.timezone}"
