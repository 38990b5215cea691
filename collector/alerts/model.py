"""What alerts are made of: rules, what they fire on, and what there is to tell. All of it frozen.

A rule has one condition, and is looked at for each *subject* of its scope by itself: a function, an issue, a queue, or
everything in the scope together. While the condition is met for a subject, the two have one alert.

Times that end in `_ms` are milliseconds since 1970, those in `_s` seconds; windows and pauses are in seconds. Money is
integer picodollars, shares are 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

ONCE = None  # tell of an alert when it opens and when it resolves, and not in between
EVERY_EVENT = 0


class Severity(StrEnum):
    """PagerDuty's words; the most severe first."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class ConditionKind(StrEnum):
    """What a rule fires on. `collector.alerts.conditions` says what each needs and what its value is."""

    NEW_ISSUE = "new-issue"
    REGRESSED_ISSUE = "regressed-issue"
    ISSUE = "issue"  # occurrences of one issue, of chosen types or of any
    ERRORS = "errors"  # how many invocations failed
    ERROR_RATE = "error-rate"
    TIMEOUTS = "timeouts"
    OUT_OF_MEMORY = "out-of-memory"
    DURATION = "duration"  # a percentile, in milliseconds
    NEAR_TIMEOUT = "near-timeout"  # invocations that took longer than a share of their time limit
    MEMORY = "memory"  # the most that one used, as a share of its limit
    COLD_STARTS = "cold-starts"  # as a share of the invocations
    THROTTLES = "throttles"  # calls that were refused because they were too many
    INVOCATIONS = "invocations"
    COST = "cost"  # in US dollars: of a window, or of the month so far
    FORECAST = "forecast"  # what the month will have cost, in US dollars
    ANOMALY = "anomaly"  # far from what the same hour of past days was
    AGE = "age"  # of the oldest message that a queue or stream handed over, in seconds
    BURN_RATE = "burn-rate"  # how fast an error budget is used up


class Grouping(StrEnum):
    """What a rule is looked at for by itself."""

    FUNCTION = "function"
    ISSUE = "issue"
    RESOURCE = "resource"
    TOGETHER = "together"  # everything in the scope as one


class Metric(StrEnum):
    """What an anomaly is looked for in."""

    INVOCATIONS = "invocations"
    ERRORS = "errors"
    DURATION = "duration"  # the percentile of the condition, in milliseconds
    COST = "cost"  # in US dollars


@dataclass(frozen=True, slots=True)
class Burn:
    """One pair of windows: both must use the budget up `rate` times as fast as it would last."""

    long_s: int
    short_s: int
    rate: float


@dataclass(frozen=True, slots=True)
class Condition:
    """A kind and what it takes; what it does not take stays as it is here. Either `above` or `below` is given."""

    kind: ConditionKind
    above: float | None = None
    below: float | None = None
    percentile: float = 0.95  # of DURATION, and of ANOMALY in durations: 0.5, 0.95 or 0.99
    share: float = 0.8  # of the time limit: NEAR_TIMEOUT
    types: tuple[str, ...] = ()  # of issues, as the Issues page calls them, or kinds such as "throttled"; none: any
    metric: Metric = Metric.ERRORS  # of ANOMALY
    days: int = 14  # that ANOMALY compares with
    objective: float = 0.999  # of BURN_RATE: the share of invocations that must succeed
    burns: tuple[Burn, ...] = ()  # of BURN_RATE; any of them fires
    month: bool = False  # of COST: since the month began, UTC, instead of within the window


@dataclass(frozen=True, slots=True)
class Scope:
    """Which functions a rule is about: those that every field agrees with. An empty field agrees with all.

    `functions` are names or patterns with `*` and `?`; `execution_tags` are tags that the invocations themselves carry:
    with one key several values are alternatives, several keys must all be there.
    """

    functions: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    execution_tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    id: str  # of letters, digits and hyphens; never changes
    name: str
    condition: Condition
    scope: Scope = Scope()
    grouping: Grouping = Grouping.FUNCTION
    window_s: int = 300
    minimum: int = 0  # invocations that there must be in the window for the value to count
    severity: Severity = Severity.ERROR
    ignore_4xx: bool = False
    repeat_s: int | None = ONCE  # ONCE, EVERY_EVENT, or how long until the same alert is told again
    resolve_after_s: int = 300  # how long the condition must not have been met until the alert resolves by itself
    channels: tuple[str, ...] | None = None  # names; None: every channel that is a default one; (): nobody
    enabled: bool = True
    description: str = ""  # for whoever is woken: what to do


class SubjectKind(StrEnum):
    FUNCTION = "function"
    ISSUE = "issue"
    RESOURCE = "resource"
    TOGETHER = "together"


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about. `key` names it among the subjects of its rule."""

    kind: SubjectKind
    key: str
    name: str  # for a person: a function's name, an issue's type, a queue's name, or the rule's scope in words
    function_id: int | None = None
    function_name: str | None = None
    region: str | None = None
    account: str | None = None
    issue_id: int | None = None
    resource_id: int | None = None


class AlertState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Sample:
    """One invocation that shows what the alert is about, to be linked to."""

    started_ns: int
    span_id: int
    trace_id: bytes
    transaction_id: bytes | None  # None: not put together yet; the trace finds it
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """The rule's condition, met for the subject from `since_s` on; `last_s` is when it was last met. Both are ends of
    minutes, when all of the minute is known."""

    id: int
    rule_id: str
    rule_name: str
    severity: Severity
    subject: Subject
    state: AlertState
    since_s: int
    last_s: int
    opened_ms: int  # when it was noticed
    value: float  # when it was last met
    peak: float  # the furthest that it went
    threshold: float
    count: int  # occurrences, errors … since it began, where the condition counts; else 0
    snoozed_until_ms: int | None = None
    acknowledged_ms: int | None = None
    acknowledged_by: str | None = None
    resolved_ms: int | None = None
    resolved_by: str | None = None  # None: by itself
    muted: bool = False  # nobody is told, because a mute window covers it
    told_ms: int | None = None  # when somebody was last told

    @property
    def began_s(self) -> int:
        """The start of the minute that first met it: what people are told, and never yet to come."""
        return began(self.since_s)


def began(since_s: int) -> int:
    """The start of the minute that ends at `since_s`."""
    return since_s - 60


class NoticeKind(StrEnum):
    OPENED = "opened"
    REPEATED = "repeated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    TEST = "test"  # of a channel; it has no alert


@dataclass(frozen=True, slots=True)
class IssueText:
    """The error in one line, and what it is blamed on."""

    id: int
    type: str
    message: str
    culprit: str | None  # the failing call, or where in the code
    first_seen_ms: int
    reported: bool = False  # by the function itself, which did not fail by it


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell about one alert: all that a message says, as it was when it was decided to say it."""

    alert_id: int  # also what services know the alert by; 0 for a test
    kind: NoticeKind
    rule: Rule
    severity: Severity
    subject: Subject
    value: float
    threshold: float
    window_s: int
    since_s: int
    at_ms: int  # when this was decided
    count: int = 0  # what the condition counts, since the alert began
    invocations: int = 0  # of the subject, within the window
    errors: int = 0  # of the invocations those that the rule is about
    functions: tuple[str, ...] = ()  # whom it hits, worst first: at most ten names
    sample: Sample | None = None
    issue: IssueText | None = None
    cost_pd: int | None = None  # what failed so far since the alert began; None: unknown
    until_s: int | None = None  # when the condition ended, of RESOLVED
    by: str | None = None  # who acknowledged or resolved it; None: by itself
    note: str = ""
    channel: str | None = None  # of a test: to this channel alone


@dataclass(frozen=True, slots=True)
class MuteWindow:
    """When nobody is to be told. Either once (`start_ms`, `end_ms`) or weekly.

    Weekly: on `weekdays` (0 is Monday) from `start` for `minutes`, by the clock of `timezone`; past midnight it goes on
    into the next day. Alerts open and resolve as ever; one that is still open when the window ends is told then.
    """

    id: str
    name: str
    scope: Scope = Scope()
    rules: tuple[str, ...] = ()  # ids; none: all
    start_ms: int | None = None
    end_ms: int | None = None
    weekdays: tuple[int, ...] = ()
    start: str = ""  # "22:00"
    minutes: int = 0
    timezone: str = "UTC"
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One line of an alert's history."""

    alert_id: int
    at_ms: int
    kind: str  # opened, repeated, acknowledged, snoozed, resolved
    by: str | None = None
    note: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Fired:
    """When a rule would have fired, in a preview."""

    subject: Subject
    since_s: int
    until_s: int | None  # None: it still would
    peak: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Preview:
    """`fired` newest first; `limited` where there were more. `reason` says why there is nothing, if so."""

    start_s: int
    end_s: int
    fired: tuple[Fired, ...] = ()
    limited: bool = False
    reason: str = field(default="")
