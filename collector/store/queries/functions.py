"""The Functions page: every function seen, with its figures over the window."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from collector.store.queries.common import FunctionRef, TimeRange


@dataclass(frozen=True, slots=True)
class FunctionRow:
    function: FunctionRef
    runtime: str | None
    architecture: str | None
    memory_mb: int | None  # configured
    max_memory_mb: int | None  # used, within the window
    invocations: int
    errors: int
    cold_starts: int
    average_ms: float | None  # None: no invocation in the window
    p95_ms: float | None
    cost_pd: int | None  # None: unknown for all of them
    last_seen_ms: int | None  # start of its latest invocation ever
    trend: tuple[int, ...]  # invocations, 24 equal buckets over the window
    error_trend: tuple[int, ...]


SORTS = ("name", "invocations", "errors", "average", "p95", "memory", "cost", "last_seen")


def list_functions(
    connection: Connection, window: TimeRange, *, search: str = "", sort: str = "errors", descending: bool = True
) -> list[FunctionRow]:
    """Every function ever seen whose name, region or runtime holds `search`; quiet ones with zeros, last."""
    raise NotImplementedError
