"""What happened to an alert, as one list: its changes, and to whom they were told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from collector.alerts.model import AlertEvent
from collector.store.queries.channels import DeliveryRow

_UNTIL = re.compile(r"until (\d{1,16})")
_NAMES = {
    "opened": "Opened",
    "repeated": "Told again",
    "acknowledged": "Acknowledged",
    "snoozed": "Snoozed",
    "resolved": "Resolved",
}
# Who resolved it, where it was no person.
_OTHERS = {"issue": "because its issue was resolved or muted", "rule": "because its rule was switched off or deleted"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. Either a change, with what is said of it, or a delivery."""

    at_ms: int
    name: str = ""
    tone: str = ""  # of the change: its kind
    by: str = ""
    reason: str = ""
    note: str = ""
    until_ms: int | None = None
    delivery: DeliveryRow | None = None


def timeline(events: Iterable[AlertEvent], deliveries: Iterable[DeliveryRow]) -> list[Entry]:
    """The newest first. What was delivered stands where it was decided, after the change that it tells of."""
    entries = [(event.at_ms, 0, number, _change(event)) for number, event in enumerate(events)]
    entries += [
        (row.created_ms, 1, number, Entry(row.created_ms, delivery=row)) for number, row in enumerate(deliveries)
    ]
    entries.sort(key=lambda entry: entry[:3], reverse=True)
    return [entry for *_, entry in entries]


def _change(event: AlertEvent) -> Entry:
    until = _UNTIL.fullmatch(event.note)
    own = event.by in _OTHERS
    return Entry(
        event.at_ms,
        name=_NAMES.get(event.kind, event.kind),
        tone=event.kind,
        by="" if own else event.by or "",
        reason=_OTHERS[event.by or ""] if own else "by itself" if event.kind == "resolved" and not event.by else "",
        note="" if until or own else event.note,
        until_ms=int(until[1]) if until else None,
    )
