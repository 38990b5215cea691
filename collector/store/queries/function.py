"""The function page: one function's charts and its invocations."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from collector.domain.facts import Result
from collector.store.queries.common import FunctionRef, IssueLabel, Point, ServiceCount, TimeRange


@dataclass(frozen=True, slots=True)
class FunctionDetail:
    """Header and charts. Each chart has the same buckets, a round number of minutes or hours, 30 to 90 of them."""

    function: FunctionRef
    arn: str | None
    runtime: str | None
    architecture: str | None
    memory_mb: int | None
    timeout_ms: int | None
    invocations_total: int
    errors_total: int
    cold_starts_total: int
    cost_total_pd: int | None
    average_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_memory_mb: int | None
    bucket_s: int
    invocations: tuple[Point, ...]
    errors: tuple[Point, ...]
    cold_starts: tuple[Point, ...]
    average: tuple[Point, ...]  # ms; NaN where nothing ran
    p95: tuple[Point, ...]  # ms; NaN where nothing ran
    cost: tuple[Point, ...]  # picodollars
    issues: tuple[IssueLabel, ...]  # seen within the window, for the filter


@dataclass(frozen=True, slots=True)
class InvocationRow:
    started_ns: int
    span_id: int
    trace_id: bytes
    transaction_ids: tuple[bytes, ...]  # usually one; empty until stitched
    request_id: str | None
    result: Result
    finished: bool
    duration_ns: int
    cold_start: bool
    init_ns: int | None
    max_memory_mb: int | None
    cost_pd: int | None
    trigger: str
    services: tuple[ServiceCount, ...]
    issues: tuple[IssueLabel, ...]


@dataclass(frozen=True, slots=True)
class InvocationPage:
    rows: tuple[InvocationRow, ...]
    next: str | None  # cursor of the next (older) page


def get_function(connection: Connection, function_id: int, window: TimeRange) -> FunctionDetail | None:
    """None: no such function."""
    raise NotImplementedError


def list_invocations(
    connection: Connection,
    function_id: int,
    window: TimeRange,
    *,
    issue_id: int | None = None,
    result: Result | None = None,
    cold_only: bool = False,
    search: str = "",
    cursor: str | None = None,
    limit: int = 50,
) -> InvocationPage:
    """Newest first. `search` is the start of a request id. A malformed cursor is ignored."""
    raise NotImplementedError
