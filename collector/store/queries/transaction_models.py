"""What the transaction page shows: one transaction whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from collector.domain.facts import Capacity, Initialization, Result
from collector.store.queries.common import FunctionRef, IssueLabel, ResourceRef, ServiceCount
from collector.store.queries.costs import CostPart
from collector.store.queries.retries import Retries
from collector.store.queries.transaction_scope import Beside


@dataclass(frozen=True, slots=True)
class ExceptionDetail:
    type: str
    message: str
    stacktrace: str
    frames: str = ""  # JSON: file, line, function and local variables of each, innermost last


@dataclass(frozen=True, slots=True)
class ReportedIssue:
    time_ns: int
    type: str
    message: str
    details: str = ""  # JSON


@dataclass(frozen=True, slots=True)
class FailureDetail:
    """Why an invocation failed that could not say so itself."""

    type: str
    message: str


@dataclass(slots=True)
class SpanDetail:
    """One span: an invocation, a call, or something between them. Read-only by agreement: frozen, making 10,000 of
    them would take 18 ms instead of 2.

    `key` is unique within the transaction and safe in HTML ids: hex trace id and span id. `parent` is the key of the
    span that holds it or, across an asynchronous hop, of the call that set it off; None for entries.
    """

    key: str
    parent: str | None
    kind: Literal["invocation", "call", "internal"]
    via: Literal["span", "link"] | None  # how the parent is known
    name: str  # "S3.GetObject", or the function's name
    started_ns: int
    duration_ns: int
    finished: bool
    failed: bool
    error_type: str | None
    error_message: str | None
    function: FunctionRef
    resource: ResourceRef | None  # calls: what it reaches; invocations: what triggered it
    exceptions: tuple[ExceptionDetail, ...]
    request: str | None  # invocations: the event; calls: the request. JSON text, maybe cut
    response: str | None  # invocations: the return value; calls: the response
    attributes: Mapping[str, str]  # all others, as text, sorted by name
    reported: tuple[ReportedIssue, ...] = ()  # invocations: issues that the function reported itself
    cost_pd: int | None = None  # of a call: 0 where AWS charges nothing for it, None where it is not known
    measured: bool = False  # of a call: the service itself said how much of it that took
    causes: tuple[str, ...] = ()  # keys of all calls that set it off across asynchronous hops; a batch has several


@dataclass(frozen=True, slots=True)
class InvocationDetail:
    """What is known of an invocation beyond its span. `key` as in SpanDetail."""

    key: str
    function: FunctionRef
    request_id: str | None
    result: Result
    finished: bool
    cold_start: bool
    init_ns: int | None
    memory_mb: int | None
    max_memory_mb: int | None
    billed_ms: int | None
    cost_pd: int | None
    trigger: str
    issues: tuple[IssueLabel, ...]
    initialization: Initialization | None = None  # on an environment's first invocation
    restore_ns: int | None = None
    reported_ns: int | None = (
        None  # the platform's measure of its duration; None: it has not reported, cost is estimated
    )
    batch_size: int | None = None
    batch_failed: int | None = None
    calls_cost_pd: int = 0  # of those of its calls that have a price
    unpriced_calls: int = 0
    capacity: Capacity = Capacity.ON_DEMAND
    ephemeral_mb: int | None = None
    failure: FailureDetail | None = None  # what the platform says, or its silence, where its span says nothing


@dataclass(frozen=True, slots=True)
class LogLine:
    time_ns: int
    function: FunctionRef
    invocation: str | None  # key of its SpanDetail
    severity: str  # "INFO", "ERROR", ...; "" for a plain print
    logger: str
    message: str
    init: bool = False  # said while the environment started


@dataclass(frozen=True, slots=True)
class TransactionDetail:
    id: bytes
    started_ns: int
    duration_ns: int
    result: Result
    entry: FunctionRef
    trigger: str
    trigger_resource: ResourceRef | None
    invocations_total: int
    failed_invocations: int
    cold_starts: int
    cost_pd: int | None
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    services: tuple[ServiceCount, ...]
    issues: tuple[IssueLabel, ...]
    invocations: tuple[InvocationDetail, ...]  # by start
    spans: tuple[SpanDetail, ...]  # parents before children, siblings by start
    logs: tuple[LogLine, ...]  # by time
    spans_total: int  # more than len(spans) where a limit cut them
    logs_total: int = 0  # more than len(logs) where a limit cut them
    unreadable: int = 0  # exports that hold something of it and are damaged
    # What retention has taken: of so many invocations all but their rows, and so many whole.
    without_payloads: int = 0
    gone_invocations: int = 0
    calls_cost_pd: int = 0  # of those of its invocations' calls that have a price
    unpriced_calls: int = 0
    costs: tuple[CostPart, ...] = ()  # of those of its spans that are read
    retries: Retries | None = None  # among those of its invocations that are read
    left_out: int = 0  # invocations after those that are read, of a transaction of very many
    beside: Beside = field(default_factory=Beside)
