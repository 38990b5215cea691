"""Channels and what was delivered to them, as the pages and the command line show it. Nothing here is a secret."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from collector.store.channel_tables import channels, deliveries, tickets

MOST = 500


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """`settings` are those that are no secret. `held_back_ms`: nothing is sent before, because the service asked."""

    id: int
    name: str
    kind: str
    settings: dict[str, str]
    enabled: bool
    is_default: bool
    sends_resolved: bool
    least_severity: str
    created_ms: int
    updated_ms: int
    tested_ms: int | None  # None: never
    test_error: str | None  # None: the last test arrived, or there was none
    waiting: int
    dead: int
    sent: int
    last_sent_ms: int | None
    held_back_ms: int


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """`state` is "waiting", "sent" or "dead". `reason`: why the last attempt failed, or what there is to know although
    it arrived. `url`: where the service shows it. `bundle_id`: the delivery whose message named this one too."""

    id: int
    channel: str
    channel_id: int
    alert_id: int
    kind: str
    title: str
    severity: str
    created_ms: int
    state: str
    attempts: int
    next_ms: int
    ended_ms: int | None
    reason: str | None
    reference: str | None
    url: str | None
    bundle_id: int | None


@dataclass(frozen=True, slots=True)
class TicketRow:
    """What is open in an issue tracker, as far as is known."""

    channel_id: int
    key: str
    url: str
    alert_id: int
    issue_id: int | None
    created_ms: int


def list_channels(connection: Connection) -> list[ChannelRow]:
    """All channels by name, with what was delivered to each."""
    state = deliveries.c.state
    counts = (
        select(
            deliveries.c.channel_id,
            func.sum(case((state == "waiting", 1), else_=0)).label("waiting"),
            func.sum(case((state == "dead", 1), else_=0)).label("dead"),
            func.sum(case((state == "sent", 1), else_=0)).label("sent"),
            func.max(case((state == "sent", deliveries.c.ended_ms))).label("last_sent_ms"),
        )
        .group_by(deliveries.c.channel_id)
        .subquery()
    )
    statement = (
        select(channels, counts.c.waiting, counts.c.dead, counts.c.sent, counts.c.last_sent_ms)
        .outerjoin(counts, counts.c.channel_id == channels.c.id)
        .order_by(func.lower(channels.c.name), channels.c.id)
    )
    return [
        ChannelRow(
            id=row.id,
            name=row.name,
            kind=row.kind,
            settings=json.loads(row.settings),
            enabled=row.enabled,
            is_default=row.is_default,
            sends_resolved=row.sends_resolved,
            least_severity=row.least_severity,
            created_ms=row.created_ms,
            updated_ms=row.updated_ms,
            tested_ms=row.tested_ms,
            test_error=row.test_error,
            waiting=int(row.waiting or 0),
            dead=int(row.dead or 0),
            sent=int(row.sent or 0),
            last_sent_ms=row.last_sent_ms,
            held_back_ms=row.next_ms,
        )
        for row in connection.execute(statement)
    ]


def find_channel(connection: Connection, name: str) -> ChannelRow | None:
    return next((channel for channel in list_channels(connection) if channel.name == name), None)


def list_deliveries(
    connection: Connection,
    *,
    channel_id: int | None = None,
    alert_id: int | None = None,
    states: Collection[str] = (),
    limit: int = 100,
    before_ms: int | None = None,
) -> list[DeliveryRow]:
    """The newest first, created before `before_ms`; of all channels and alerts unless one is named."""
    statement = select(deliveries).order_by(deliveries.c.created_ms.desc(), deliveries.c.id).limit(min(limit, MOST))
    if channel_id is not None:
        statement = statement.where(deliveries.c.channel_id == channel_id)
    if alert_id is not None:
        statement = statement.where(deliveries.c.alert_id == alert_id)
    if states:
        statement = statement.where(deliveries.c.state.in_(sorted(states)))
    if before_ms is not None:
        statement = statement.where(deliveries.c.created_ms < before_ms)
    found = []
    for row in connection.execute(statement):
        message = json.loads(row.message)
        found.append(
            DeliveryRow(
                id=row.id,
                channel=row.channel_name,
                channel_id=row.channel_id,
                alert_id=row.alert_id,
                kind=row.kind,
                title=message["title"],
                severity=message["severity"],
                created_ms=row.created_ms,
                state=row.state,
                attempts=row.attempts,
                next_ms=row.next_ms,
                ended_ms=row.ended_ms,
                reason=row.reason,
                reference=row.reference,
                url=row.url,
                bundle_id=row.bundle_id,
            )
        )
    return found


def count_dead(connection: Connection, since_ms: int) -> int:
    """How many deliveries were given up since then: for a warning on every page of alerts."""
    statement = (
        select(func.count())
        .select_from(deliveries)
        .where(deliveries.c.state == "dead", deliveries.c.created_ms >= since_ms)
    )
    return connection.execute(statement).scalar_one()


def tickets_of_issues(connection: Connection, issue_ids: Collection[int]) -> dict[int, list[TicketRow]]:
    """The open tickets of each issue that has one."""
    found: dict[int, list[TicketRow]] = {}
    ordered = sorted(issue_ids)[:MOST]
    for row in connection.execute(
        select(tickets).where(tickets.c.issue_id.in_(ordered)).order_by(tickets.c.created_ms)
    ):
        found.setdefault(row.issue_id, []).append(_ticket(row))
    return found


def tickets_of_alert(connection: Connection, alert_id: int) -> list[TicketRow]:
    statement = select(tickets).where(tickets.c.alert_id == alert_id).order_by(tickets.c.created_ms)
    return [_ticket(row) for row in connection.execute(statement)]


def _ticket(row: object) -> TicketRow:
    return TicketRow(*(getattr(row, name) for name in TicketRow.__slots__))
