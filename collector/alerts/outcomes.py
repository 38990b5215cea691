"""What comes of sending a message.

    Receipt             it arrived
    DeliveryError
    ├── TryAgain        not now: the network, the service's pace, its fault
    └── Refused         not at all: the service says no, or this collector must not send it
        └── Blocked     the address is an internal one

Reasons are one sentence for whoever looks after the channel, and hold no secret.
"""

from __future__ import annotations

from dataclasses import dataclass


class DeliveryError(Exception):
    """`str()` is the reason."""


class TryAgain(DeliveryError):
    """`after_s`: how long the service asked to be left alone. `whole_channel`: not only about this message."""

    def __init__(self, reason: str, *, after_s: float | None = None, whole_channel: bool = False) -> None:
        super().__init__(reason)
        self.after_s = after_s
        self.whole_channel = whole_channel


class Refused(DeliveryError):
    pass


class Blocked(Refused):
    pass


@dataclass(frozen=True, slots=True)
class Ticket:
    """What an issue tracker holds of a subject."""

    key: str  # "OPS-17"
    url: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """`reference`: what the service calls it. `url`: where it shows it. `ticket`: what is open there now; `closed`:
    what was known as open is not any more. `remark`: what there is to know although it arrived."""

    reference: str | None = None
    url: str | None = None
    ticket: Ticket | None = None
    closed: bool = False
    remark: str | None = None
