"""Alerts and their history in the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from collector.alerts.lifecycle import COLUMNS, Record
from collector.alerts.model import AlertState
from collector.store.alert_tables import alert_events, alerts
from collector.store.statements import KEYS_PER_STATEMENT

_UPDATE = (
    update(alerts)
    .where(alerts.c.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in COLUMNS if name != "id"})
)


class Event(NamedTuple):
    """What happened to an alert."""

    alert_id: int
    kind: str
    at_ms: int
    actor: str | None = None
    note: str = ""
    value: float | None = None


def load(connection: Connection, *, from_s: int) -> list[Record]:
    """All alerts that are open or were met since `from_s`, oldest first; nobody else changes them until the end of this
    transaction."""
    return _select(connection, or_(alerts.c.state != AlertState.RESOLVED, alerts.c.last_s >= from_s))


def load_some(connection: Connection, ids: Collection[int]) -> list[Record]:
    """The alerts with these ids, likewise."""
    ordered, found = sorted(ids), list[Record]()
    for start in range(0, len(ordered), KEYS_PER_STATEMENT):
        found.extend(_select(connection, alerts.c.id.in_(ordered[start : start + KEYS_PER_STATEMENT])))
    return found


def _select(connection: Connection, where: object) -> list[Record]:
    statement = select(*(alerts.c[name] for name in COLUMNS)).where(where).order_by(alerts.c.since_s, alerts.c.id)  # type: ignore[arg-type]
    if connection.dialect.name != "sqlite":
        statement = statement.with_for_update()
    return [Record(*row) for row in connection.execute(statement)]


def save(connection: Connection, records: Iterable[Record]) -> None:
    """Writes those that are new or changed."""
    new, changed = [], []
    for record in records:
        if record.is_new:
            new.append(record.row())
        elif record.changed:
            values = {f"new_{name}": value for name, value in record.row().items() if name != "id"}
            changed.append({"key": record.id, **values})
    if new:
        connection.execute(insert(alerts), new)
    if changed:
        connection.execute(_UPDATE, changed)


def add_events(connection: Connection, events: Sequence[Event]) -> None:
    """Puts them to the history, in their order."""
    if not events:
        return
    numbers: dict[int, int] = {}
    ordered = sorted({event.alert_id for event in events})
    column = alert_events.c.alert_id
    for start in range(0, len(ordered), KEYS_PER_STATEMENT):
        some = column.in_(ordered[start : start + KEYS_PER_STATEMENT])
        statement = select(column, func.max(alert_events.c.number)).where(some).group_by(column)
        numbers.update((id, last + 1) for id, last in connection.execute(statement))
    rows = []
    for event in events:
        number = numbers.get(event.alert_id, 0)
        numbers[event.alert_id] = number + 1
        rows.append({**event._asdict(), "number": number})
    connection.execute(insert(alert_events), rows)
