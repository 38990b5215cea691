"""What an issue's status is: what somebody decided about it, and what happened since."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Decision(IntEnum):
    """What somebody last decided about an issue, as it is stored."""

    OPEN = 0
    RESOLVED = 1
    MUTED = 2


class Status(StrEnum):
    """What an issue is now."""

    OPEN = "open"
    REGRESSED = "regressed"  # it came back after it had been resolved
    RESOLVED = "resolved"
    MUTED = "muted"  # nobody wants to hear of it, for a time or for ever


ACTIVE = frozenset({Status.OPEN, Status.REGRESSED})  # those that somebody should look at


class Action(IntEnum):
    """What somebody did to an issue."""

    REOPENED = 0
    RESOLVED = 1
    MUTED = 2
    ASSIGNED = 3


def status_of(decision: int | None, until_ms: int | None, *, regressed: bool, now_ms: int) -> Status:
    """`decision` and `until_ms` as `issue_states` has them, None where it has none. `regressed`: an occurrence began
    after the issue had been resolved."""
    if decision == Decision.RESOLVED:
        return Status.REGRESSED if regressed else Status.RESOLVED
    if decision == Decision.MUTED and (until_ms is None or now_ms < until_ms):
        return Status.MUTED
    return Status.OPEN
