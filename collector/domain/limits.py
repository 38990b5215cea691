"""Invocations that came near what they may use: the next one may not get through."""

from __future__ import annotations

from typing import NamedTuple

from collector.domain.facts import Invocation, Issue, IssueKind, Result
from collector.domain.ids import hash63

TIMEOUT_TYPE, MEMORY_TYPE = "Near timeout", "Near memory limit"
_ENDED_WELL = frozenset({Result.OK, Result.HANDLED})


class Limits(NamedTuple):
    """Shares of an invocation's time limit and of its memory from which on it is near them; 0: never."""

    time: float = 0.9
    memory: float = 0.95


DEFAULT_LIMITS = Limits()


def near_timeout(row: Invocation, timeout_ms: int | None, limits: Limits) -> Issue | None:
    """`timeout_ms` is the function's time limit. One that failed is an issue of its own kind."""
    if not timeout_ms or not limits.time or row.result not in _ENDED_WELL:
        return None
    if row.ran_ns < limits.time * timeout_ms * 1_000_000:
        return None
    message = f"It took {_seconds(row.ran_ns // 1_000_000)} of {_seconds(timeout_ms)}"
    return _issue(row, TIMEOUT_TYPE, message, IssueKind.NEAR_TIMEOUT)


def near_memory(row: Invocation, limits: Limits) -> Issue | None:
    used, size = row.max_memory_mb, row.memory_mb
    if not used or not size or not limits.memory or row.result not in _ENDED_WELL or used < limits.memory * size:
        return None
    return _issue(row, MEMORY_TYPE, f"{used} MB of {size} MB were in use", IssueKind.NEAR_MEMORY)


def _issue(row: Invocation, type: str, message: str, kind: IssueKind) -> Issue:
    id = hash63(type, str(row.function_id))
    return Issue(id, row.function_id, type, message, None, row.started_ns // 1_000_000, kind)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1_000:.2f} s"
