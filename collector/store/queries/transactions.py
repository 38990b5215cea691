"""The Transactions page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from collector.domain.facts import Result
from collector.store.queries.common import FunctionRef, IssueLabel, Point, ResourceRef, ServiceCount, TimeRange


class Outcome(StrEnum):
    """The filter by result."""

    ANY = "any"
    OK = "ok"  # entry succeeded and nothing in it failed
    FAILED = "failed"  # the entry invocation failed
    WITH_ISSUES = "issues"  # something in it failed, the entry or not


@dataclass(frozen=True, slots=True)
class TransactionRow:
    id: bytes
    started_ns: int
    duration_ns: int  # first start to last end, asynchronous tail included
    entry: FunctionRef
    trigger: str
    trigger_resource: ResourceRef | None
    functions: tuple[FunctionRef, ...]  # all functions in it, entry first
    services: tuple[ServiceCount, ...]
    result: Result
    invocations: int
    failed_invocations: int
    cold_starts: int
    cost_pd: int | None
    issues: tuple[IssueLabel, ...]


@dataclass(frozen=True, slots=True)
class TransactionPage:
    rows: tuple[TransactionRow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class TransactionSummary:
    """The head of the page, over the same filter."""

    total: int
    failed: int
    with_issues: int
    bucket_s: int
    started: tuple[Point, ...]
    with_issues_trend: tuple[Point, ...]


def list_transactions(
    connection: Connection,
    window: TimeRange,
    *,
    function_id: int | None = None,
    resource_id: int | None = None,
    issue_id: int | None = None,
    outcome: Outcome = Outcome.ANY,
    search: str = "",
    cursor: str | None = None,
    limit: int = 50,
) -> TransactionPage:
    """Newest first.

    `function_id` and `issue_id` match any invocation of the transaction, not only its entry; `resource_id` any call
    or trigger. `search` matches the start of a transaction, trace or request id, or a part of the name of a
    function, service or trigger in it.
    """
    raise NotImplementedError


def summarize_transactions(
    connection: Connection,
    window: TimeRange,
    *,
    function_id: int | None = None,
    resource_id: int | None = None,
    issue_id: int | None = None,
    outcome: Outcome = Outcome.ANY,
    search: str = "",
) -> TransactionSummary:
    raise NotImplementedError
