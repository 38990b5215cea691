"""Alerts in words: what broke, what was measured, since when, whom it hits, what it cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from collector.alerts.model import Condition, ConditionKind, Metric, Notice, NoticeKind, SubjectKind

STATES = {
    NoticeKind.OPENED: "",
    NoticeKind.REPEATED: "Still: ",
    NoticeKind.ACKNOWLEDGED: "Acknowledged: ",
    NoticeKind.RESOLVED: "Resolved: ",
    NoticeKind.TEST: "",
}
_PICODOLLARS = 10**12
_SHARES = frozenset({ConditionKind.ERROR_RATE, ConditionKind.MEMORY, ConditionKind.COLD_STARTS})
_COUNTED = {
    ConditionKind.NEW_ISSUE: "occurrence",
    ConditionKind.REGRESSED_ISSUE: "occurrence",
    ConditionKind.ISSUE: "occurrence",
    ConditionKind.ERRORS: "failed invocation",
    ConditionKind.TIMEOUTS: "timeout",
    ConditionKind.OUT_OF_MEMORY: "invocation out of memory",
    ConditionKind.NEAR_TIMEOUT: "invocation close to the time limit",
    ConditionKind.THROTTLES: "throttled call",
    ConditionKind.INVOCATIONS: "invocation",
}
_PLURALS = {
    "invocation out of memory": "invocations out of memory",
    "invocation close to the time limit": "invocations close to the time limit",
}
_WHAT = {
    ConditionKind.ERROR_RATE: "of invocations fail",
    ConditionKind.MEMORY: "of its memory is in use",
    ConditionKind.COLD_STARTS: "of invocations are cold starts",
}


def title(notice: Notice) -> str:
    """What broke, in one line."""
    if notice.kind is NoticeKind.TEST:
        return "This is a test of the channel: it works"
    name, condition_ = notice.subject.name, notice.rule.condition
    issue = _issue_name(notice)
    titles: dict[ConditionKind, Callable[[], str]] = {
        ConditionKind.NEW_ISSUE: lambda: f"New issue: {issue}",
        ConditionKind.REGRESSED_ISSUE: lambda: f"An issue is back: {issue}",
        ConditionKind.ISSUE: lambda: issue,
        ConditionKind.ERRORS: lambda: f"{name} fails",
        ConditionKind.ERROR_RATE: lambda: f"{name}: {share(notice.value)} of invocations fail",
        ConditionKind.TIMEOUTS: lambda: f"{name} times out",
        ConditionKind.OUT_OF_MEMORY: lambda: f"{name} runs out of memory",
        ConditionKind.DURATION: lambda: f"{name}: {_percentile(condition_)} is {_direction(condition_, notice.value)}",
        ConditionKind.NEAR_TIMEOUT: lambda: f"{name} is about to time out",
        ConditionKind.MEMORY: lambda: f"{name} uses {share(notice.value)} of its memory",
        ConditionKind.COLD_STARTS: lambda: f"{name}: {share(notice.value)} of invocations are cold starts",
        ConditionKind.THROTTLES: lambda: f"{name}: calls are throttled",
        ConditionKind.INVOCATIONS: lambda: f"{name}: {_number(notice.value)} invocations in {span(notice.window_s)}",
        ConditionKind.COST: lambda: f"{name} cost {_dollars(notice.value)} {_period(notice)}",
        ConditionKind.FORECAST: lambda: f"{name} will cost {_dollars(notice.value)} this month",
        ConditionKind.ANOMALY: lambda: f"{name}: {_metric(condition_)} unlike the same hour of past days",
        ConditionKind.AGE: lambda: f"{name}: messages wait for {span(notice.value)}",
        ConditionKind.BURN_RATE: lambda: f"{name} uses up its error budget {_number(notice.value)} times too fast",
    }
    return titles[condition_.kind]()


def condition(notice: Notice) -> str:
    """What was measured, and what the rule allows."""
    if notice.kind is NoticeKind.TEST:
        return "Alerts that are sent here arrive"
    rule = notice.rule.condition
    limit = "below" if rule.below is not None else "above"
    measured, allowed = amount(rule, notice.value), amount(rule, notice.threshold)
    if rule.kind in _COUNTED:
        measured = f"{measured} {_several(_COUNTED[rule.kind], notice.value)}"
    elif rule.kind in _SHARES:
        measured = f"{measured} {_WHAT[rule.kind]}"
    if rule.kind in (ConditionKind.NEW_ISSUE, ConditionKind.REGRESSED_ISSUE):
        return measured
    when = _period(notice) if rule.kind is ConditionKind.COST else f"in {span(notice.window_s)}"
    if rule.kind is ConditionKind.FORECAST:
        when = "forecast for this month"
    return f"{measured} {when}; the rule fires {limit} {allowed}"


def amount(rule: Condition, value: float) -> str:
    """A condition's value with its unit."""
    kind = rule.kind
    if kind in _SHARES:
        return share(value)
    if kind is ConditionKind.DURATION:
        return f"{_percentile(rule)} {milliseconds(value)}"
    if kind in (ConditionKind.COST, ConditionKind.FORECAST):
        return _dollars(value)
    if kind is ConditionKind.ANOMALY:  # collector.alerts.anomaly.deviation
        return f"{_number(value)} times the usual deviation"
    if kind is ConditionKind.AGE:
        return span(value)
    if kind is ConditionKind.BURN_RATE:
        return f"{_number(value)} times the budget's pace"
    return _number(value)


def since(since_s: int, until_s: int | None, at_ms: int) -> str:
    end_s = until_s if until_s is not None else at_ms // 1000
    lasted = span(max(end_s - since_s, 0))
    return (
        f"{moment(since_s)} to {moment(end_s)} ({lasted})" if until_s is not None else f"{moment(since_s)} ({lasted})"
    )


def hits(errors: int, invocations: int, window_s: int, functions: Sequence[str]) -> str:
    """Whom it hits: of how many invocations, and which functions."""
    parts = []
    if invocations:
        failed = f"{errors:,} of {invocations:,} invocations" if errors else f"{invocations:,} invocations"
        parts.append(f"{failed} in {span(window_s)}")
    if functions:
        parts.append(", ".join(functions))
    return ": ".join(parts)


def moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def span(seconds: float) -> str:
    """A duration in at most two units."""
    if not math.isfinite(seconds):
        return "an unknown time"
    left = max(round(seconds), 0)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"


def milliseconds(value: float) -> str:
    return f"{value:,.0f} ms" if value < 1_000 else f"{value / 1_000:,.3g} s"


def money(picodollars: int) -> str:
    return _dollars(picodollars / _PICODOLLARS)


def share(value: float) -> str:
    return f"{value * 100:.3g} %" if math.isfinite(value) else "an unknown share"


def _dollars(value: float) -> str:
    if not math.isfinite(value):
        return "an unknown amount"
    if abs(value) >= 1 or value == 0:
        return f"${value:,.2f}"
    return f"${value:.2g}" if value >= 1e-4 else "less than $0.0001"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "an unknown number of"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:,.3g}"


def _several(word: str, number: float) -> str:
    return word if number == 1 else _PLURALS.get(word, f"{word}s")


def _percentile(rule: Condition) -> str:
    return f"p{rule.percentile * 100:g}"


def _direction(rule: Condition, value: float) -> str:
    return milliseconds(value) if rule.below is None else f"only {milliseconds(value)}"


def _metric(rule: Condition) -> str:
    return {
        Metric.INVOCATIONS: "invocations are",
        Metric.ERRORS: "errors are",
        Metric.DURATION: "its duration is",
        Metric.COST: "its cost is",
    }[rule.metric]


def _period(notice: Notice) -> str:
    return "this month" if notice.rule.condition.month else f"in {span(notice.window_s)}"


def _issue_name(notice: Notice) -> str:
    subject = notice.subject
    type = notice.issue.type if notice.issue else subject.name
    function = subject.function_name or (subject.name if subject.kind is SubjectKind.FUNCTION else None)
    return f"{type} in {function}" if function else type
