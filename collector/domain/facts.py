"""What one OTLP request says, as rows: the language between the domain and the store.

Each NamedTuple has its table's columns in their order (`collector.store.tables`), so that the store can hand it to a
multi-row statement as it is. Units and conventions are those of that module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

MAX_LINKS = 20_000  # of one export: twice the largest batch that Lambda delivers. More would keep all others waiting
ROW_BYTES = 400  # of a tuple with what it refers to: measured 274 for a link key, 431 for a call


class Signal(IntEnum):
    """What an export carries."""

    TRACES = 0
    LOGS = 1
    METRICS = 2  # counted, not stored


class Result(IntEnum):
    """How an invocation ended, or that it has not yet."""

    OK = 0
    ERROR = 1
    TIMEOUT = 2
    RUNNING = 3  # last heard of while it ran, and its deadline has not passed
    CRASHED = 4  # the process ended before the handler did
    INIT_FAILED = 5  # the environment failed before any handler ran
    OUT_OF_MEMORY = 6  # it crashed because of that
    HANDLED = 7  # the handler returned, and dealt with an error: it answered 5xx, gave records back, or a call failed


FAILED = frozenset({Result.ERROR, Result.TIMEOUT, Result.CRASHED, Result.INIT_FAILED, Result.OUT_OF_MEMORY})


class Initialization(IntEnum):
    """How the environment came to be, told on its first invocation. Only ON_DEMAND is a cold start."""

    ON_DEMAND = 0
    PROVISIONED = 1
    SNAP_START = 2
    PROACTIVE = 3


class Capacity(IntEnum):
    """What an environment is paid as."""

    ON_DEMAND = 0
    PROVISIONED = 1
    MANAGED = 2  # Lambda Managed Instances: by EC2's prices


class ReportKind(IntEnum):
    """What the platform reports on."""

    INVOCATION = 0
    INIT = 1
    RESTORE = 2


class ReportStatus(IntEnum):
    """The worse the higher."""

    SUCCESS = 0
    ERROR = 1  # the runtime failed, or the process died
    TIMEOUT = 2


class IssueKind(IntEnum):
    """What an issue's occurrences are."""

    FAILURE = 0  # invocations that failed with it
    REPORTED = 1  # the function said so itself and went on
    HANDLED = 2  # the handler answered 5xx, or gave records back, and did not fail
    CALL = 3  # a call failed, and the handler went on
    NEAR_TIMEOUT = 4  # the invocation took nearly as long as it may
    NEAR_MEMORY = 5  # it used nearly as much memory as there is
    THROTTLED = 6  # somebody invoked the function, and Lambda refused: no environment was free
    TIMEOUT = 7
    OUT_OF_MEMORY = 8
    CRASH = 9  # the process ended


# Those whose occurrences are invocations that failed. All others are shown, and count in no rate of failures.
FAILURES = frozenset({IssueKind.FAILURE, IssueKind.TIMEOUT, IssueKind.OUT_OF_MEMORY, IssueKind.CRASH})
FREE = frozenset({IssueKind.NEAR_TIMEOUT, IssueKind.NEAR_MEMORY, IssueKind.THROTTLED})  # cost nothing by themselves


class Side(IntEnum):
    """Whether a span set something off (PRODUCED), was set off by it (CONSUMED), or by the result of what was
    (RESULT).

    SHARED is CONSUMED by one of several that belong together whether or not a producer is known: the attempts of a
    request, the runs of a durable execution, the steps of an execution of Step Functions.
    """

    PRODUCED = 0
    CONSUMED = 1
    RESULT = 2
    SHARED = 3


class Direction(IntEnum):
    """CALLS: the function calls the resource. TRIGGERS: the resource sets off the function."""

    CALLS = 0
    TRIGGERS = 1


class Export(NamedTuple):
    id: bytes
    signal: int
    items: int
    received_ms: int
    body: bytes  # protobuf, not yet compressed


class Function(NamedTuple):
    id: int
    kind: str
    account: str
    region: str
    name: str
    runtime: str | None
    architecture: str | None
    memory_mb: int | None
    timeout_ms: int | None
    seen_ms: int


class Resource(NamedTuple):
    id: int
    service: str
    region: str
    name: str
    arn: str | None


class Invocation(NamedTuple):
    started_ns: int
    span_id: int
    trace_id: bytes
    function_id: int
    request_id: str | None
    duration_ns: int
    finished: bool
    result: int
    span_result: int
    cold_start: bool
    init_ns: int | None
    memory_mb: int | None
    max_memory_mb: int | None
    billed_ms: int | None
    cost_pd: int | None
    trigger: str
    trigger_resource_id: int | None
    services: str
    calls: int
    call_errors: int
    initialization: int | None = None
    restore_ns: int | None = None
    reported_ns: int | None = None
    architecture: str | None = None
    reported_issues: int = 0
    batch_size: int | None = None
    batch_failed: int | None = None
    capacity: int = Capacity.ON_DEMAND
    ephemeral_mb: int | None = None
    restored: bool = False
    calls_cost_pd: int = 0
    unpriced_calls: int = 0

    @property
    def whole_cost_pd(self) -> int:
        """What is known of what it and its calls cost."""
        return (self.cost_pd or 0) + self.calls_cost_pd

    @property
    def ran_ns(self) -> int:
        """How long it ran: the platform's word where its end was not seen."""
        return self.duration_ns if self.finished or self.reported_ns is None else self.reported_ns


class Report(NamedTuple):
    """What the platform says of an invocation, of its environment's INIT or of the restore before it.

    It names its invocation by request id, and by trace and span where the sender knows them.
    """

    request_id: str  # "": none
    kind: int
    time_ns: int  # when it was made: after the invocation's end
    status: int
    function: str  # name, "" where unknown
    region: str
    trace_id: bytes | None
    span_id: int | None
    started_ns: int | None  # of that span
    error_type: str
    duration_ns: int | None
    billed_ms: int | None
    memory_mb: int | None
    max_memory_mb: int | None
    init_ns: int | None
    restore_ns: int | None


class PieceKind(IntEnum):
    """What a line of a function's log says of an invocation."""

    REPORT = 0  # it ended; the figures are in the line
    TIMEOUT = 1
    EXIT = 2  # the process ended
    ERROR = 3  # the runtime says what the handler raised
    CAUSE = 4  # the same, of a line that a function may have written itself: it counts where the report says "error"


class LogPiece(NamedTuple):
    """What one line of a function's log says of an invocation; the others may come with other requests."""

    request_id: str
    function_id: int
    kind: int
    time_ns: int  # of the line
    error_type: str  # "" where there is none
    received_ms: int
    status: int  # of a report, as ReportStatus
    message: str  # the error's first line
    culprit: str | None
    frames: str  # JSON: [[path, where], …] of the function's own code, innermost first
    duration_ns: int | None
    billed_ms: int | None
    memory_mb: int | None
    max_memory_mb: int | None
    init_ns: int | None
    restore_ns: int | None
    architecture: str | None  # as whoever set up the delivery says: no log tells it


class Unfinished(NamedTuple):
    """An invocation that was running when it was last heard of, and what it waited for."""

    started_ns: int
    span_id: int
    deadline_ns: int | None
    culprit: str | None
    calls: bytes  # of its open calls: started_ns and span_id of each, as two big-endian integers of eight bytes


class Tag(NamedTuple):
    started_ns: int
    span_id: int
    key: str
    value: str
    function_id: int


class Call(NamedTuple):
    started_ns: int
    span_id: int
    trace_id: bytes
    function_id: int
    resource_id: int
    operation: str
    duration_ns: int
    finished: bool
    error_type: str | None
    cost_pd: int | None = None

    @property
    def running(self) -> bool:
        """It was open at a checkpoint, and how it ends is not known yet."""
        return not self.finished and self.error_type is None


class LinkKey(NamedTuple):
    key: int
    side: int
    started_ns: int
    span_id: int
    trace_id: bytes
    pointer: bool


class Link(NamedTuple):
    """Something in the consumer's trace was set off by something in the producer's."""

    consumer_trace_id: bytes
    key: int  # the link key that both had; 0: the consumer's span itself named the producer's
    producer_trace_id: bytes
    consumer_span_id: int
    producer_span_id: int
    consumer_started_ns: int
    producer_started_ns: int  # 0: not known


class Age(NamedTuple):
    """How long the oldest message had waited that a queue or stream handed to an invocation."""

    function_id: int
    resource_id: int
    started_ns: int
    age_ms: int


class Issue(NamedTuple):
    id: int
    function_id: int
    type: str
    message: str
    culprit: str | None
    seen_ms: int
    kind: int = IssueKind.FAILURE


class Occurrence(NamedTuple):
    issue_id: int
    started_ns: int
    span_id: int
    trace_id: bytes


class Throttle(NamedTuple):
    """A call that would have invoked a function, and was refused. Its key is the call's."""

    started_ns: int
    span_id: int
    trace_id: bytes
    function_id: int  # that would have been invoked
    message: str
    culprit: str  # the function that called


class Refusal(NamedTuple):
    """An asynchronous event that Lambda gave up on because it could not run its function. One for each event, however
    many messages tell of it."""

    key: int  # the link key of its request
    started_ns: int  # when it was given up on
    trace_id: bytes  # of the invocation that was told
    function_id: int | None  # that would have been invoked; None: whoever invoked it knows
    message: str
    received_ms: int


@dataclass(slots=True)
class Facts:
    """All that one export request says. The store writes it whole or not at all."""

    export: Export
    traces: set[bytes] = field(default_factory=set)
    functions: list[Function] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    invocations: list[Invocation] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    link_keys: list[LinkKey] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    occurrences: list[Occurrence] = field(default_factory=list)
    unfinished: list[Unfinished] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    throttles: list[Throttle] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    pieces: list[LogPiece] = field(default_factory=list)
    ages: list[Age] = field(default_factory=list)
    dropped_links: int = 0  # link keys and span links beyond MAX_LINKS

    @property
    def size(self) -> int:
        """About how many bytes this holds in memory."""
        rows = len(self.invocations) + len(self.calls) + len(self.link_keys) + len(self.links) + len(self.occurrences)
        rows += len(self.tags) + len(self.reports) + len(self.pieces)
        return len(self.export.body) + rows * ROW_BYTES
