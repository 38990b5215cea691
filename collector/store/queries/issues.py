"""The Issues page: failures grouped by cause."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from collector.store.queries.common import FunctionRef, TimeRange


@dataclass(frozen=True, slots=True)
class IssueRow:
    id: int
    type: str
    message: str
    culprit: str | None
    status: str
    function: FunctionRef
    occurrences: int  # within the window
    share: float  # of the function's invocations in the window, 0..1
    cost_pd: int  # what the failed invocations cost
    first_seen_ms: int
    last_seen_ms: int
    trend: tuple[int, ...]  # occurrences, 24 equal buckets over the window
    latest_transaction_id: bytes | None  # where to look for an example


SORTS = ("occurrences", "last_seen", "first_seen", "type", "cost")


def list_issues(
    connection: Connection,
    window: TimeRange,
    *,
    function_id: int | None = None,
    type: str = "",
    search: str = "",
    sort: str = "occurrences",
    descending: bool = True,
) -> list[IssueRow]:
    """Issues that occurred within the window. `search` looks in type, message, culprit and function name."""
    raise NotImplementedError


def issue_types(connection: Connection, window: TimeRange) -> list[tuple[str, int]]:
    """Types that occurred within the window with their number of issues, most first: the filter's choices."""
    raise NotImplementedError
