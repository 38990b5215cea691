"""The outbox: what is to be delivered is written in the commit of the alert that it tells of.

    add      a notice becomes a waiting delivery for each channel that is to hear of it
    claim    one process takes a channel, and of it what is due: one message, or one that names many
    settle   what came of it: sent, to be tried again, or dead; and lets go of the channel

A channel is held by one process at a time, so its messages leave in their order. Who dies holding it is succeeded when
the hold has passed, and sends again what it may have sent: at least once. Everything that a claim or settlement changes
is in one transaction. Times are the database's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, or_, select, update

from collector.alerts.channels.kinds import KINDS
from collector.alerts.message import ORDER, Message
from collector.alerts.model import AlertState, Notice, NoticeKind, Severity
from collector.alerts.outcomes import Receipt, Ticket
from collector.domain.ids import hash63
from collector.store.alert_tables import alerts
from collector.store.channel_tables import channels, deliveries, tickets
from collector.store.statements import write

WAITING, SENT, DEAD = "waiting", "sent", "dead"
HOLD_MS = 120_000  # longer than any attempt may take
GIVE_UP_MS = 24 * 3_600_000  # an alert that is a day old wakes nobody usefully
KEEP_MS = 90 * 24 * 3_600_000  # what has ended, for its page
BUNDLE_FROM = 4  # so many that are due at once are told in one message
MOST = 500  # looked at in one claim; a bundle names no more
_FIRST_PAUSE_MS = 5_000
_LONGEST_PAUSE_MS = 900_000
_RANK = {severity: rank for rank, severity in enumerate(Severity)}  # the most severe first
_FOLLOWING = frozenset({NoticeKind.ACKNOWLEDGED, NoticeKind.RESOLVED})
_NAMES_IN_STATEMENT = 400
_NOTHING_DUE_MS = 1_000  # all that seemed due must wait for something earlier of its alert


def add(connection: Connection, notices: Sequence[Notice], *, now_ms: int) -> None:
    """Queues each notice for the channels that are to hear of it. The same notice again changes nothing.

    A rule names its channels; one that names none leaves it to the default ones. An acknowledgement or a resolve goes
    where the alert was told of.
    """
    if not notices:
        return
    known = connection.execute(select(channels).where(channels.c.enabled)).all()
    if not known:
        return
    told = _told(connection, {notice.alert_id for notice in notices if notice.kind in _FOLLOWING})
    rows: dict[int, tuple[Any, ...]] = {}
    for notice in sorted(notices, key=lambda notice: (notice.at_ms, ORDER[notice.kind])):
        message = ""
        for channel in known:
            if not _hears(channel, notice, told):
                continue
            message = message or Message.of(notice).to_json()
            id = hash63("delivery", str(channel.id), str(notice.alert_id), notice.kind, str(notice.at_ms))
            rows[id] = (
                id,
                channel.id,
                channel.name,
                notice.alert_id,
                str(notice.kind),
                notice.at_ms,
                message,
                WAITING,
                0,
                now_ms,
                *[None] * 5,
            )
            if notice.kind in (NoticeKind.OPENED, NoticeKind.REPEATED):
                told.add((channel.id, notice.alert_id))
    write(connection, deliveries, list(rows.values()))


def _told(connection: Connection, alert_ids: set[int]) -> set[tuple[int, int]]:
    """Channel and alert of every opening that was queued, of these alerts."""
    opening = deliveries.c.kind.in_([NoticeKind.OPENED, NoticeKind.REPEATED])
    found: set[tuple[int, int]] = set()
    ordered = sorted(alert_ids)
    for start in range(0, len(ordered), _NAMES_IN_STATEMENT):
        some = deliveries.c.alert_id.in_(ordered[start : start + _NAMES_IN_STATEMENT])
        statement = select(deliveries.c.channel_id, deliveries.c.alert_id).where(some, opening).distinct()
        found.update((channel, alert) for channel, alert in connection.execute(statement))
    return found


def _hears(channel: Row[Any], notice: Notice, told: set[tuple[int, int]]) -> bool:
    kind = KINDS.get(channel.kind)
    if kind is None:
        return False
    if notice.channel is not None:
        return bool(notice.channel == channel.name)
    if notice.kind in _FOLLOWING:
        wanted = kind.acknowledges if notice.kind is NoticeKind.ACKNOWLEDGED else channel.sends_resolved
        return (channel.id, notice.alert_id) in told and (wanted or kind.always_resolves)
    if _RANK[notice.severity] > _RANK[Severity(channel.least_severity)]:
        return False
    named = notice.rule.channels
    return bool(channel.is_default) if named is None else channel.name in named


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be made."""

    id: int
    created_ms: int
    attempts: int  # with this one
    message: Message


@dataclass(frozen=True, slots=True)
class Claim:
    """What one process is to send now: one message, of one delivery or a bundle of several.

    `reference` is what the service called the alert's last message; `ticket` what is open on the subject."""

    channel_id: int
    holder: str
    kind: str
    name: str
    settings: str
    secrets: bytes
    due: tuple[Due, ...]
    reference: str | None = None
    ticket: Ticket | None = None


def is_due(connection: Connection, now_ms: int) -> bool:
    """Whether there is something to claim. Costs one look at an index; takes no lock."""
    return connection.scalar(_candidates(now_ms).limit(1)) is not None


def claim(connection: Connection, holder: str, now_ms: int) -> Claim | None:
    """Takes a channel for which something is due; None: there is none. `holder` names the process."""
    waits_longest = _candidates(now_ms).order_by(channels.c.next_ms, channels.c.id).limit(1)
    id = connection.scalar(waits_longest.with_for_update(skip_locked=True, of=channels))
    if id is None:
        return None
    # Asked again: between looking and locking another may have taken it.
    taken = update(channels).where(channels.c.id == id, channels.c.held_until_ms <= now_ms)
    if connection.execute(taken.values(holder=holder, held_until_ms=now_ms + HOLD_MS)).rowcount != 1:
        return None
    channel = connection.execute(select(channels).where(channels.c.id == id)).one()
    rows = _ready(connection, id, now_ms)
    kind = KINDS.get(channel.kind)
    if kind is None or not kind.bundles or len(rows) < BUNDLE_FROM:
        rows = rows[:1]
    if not rows:
        _let_go(connection, id, holder, now_ms + _NOTHING_DUE_MS)
        return None
    _change(
        connection,
        [row.id for row in rows],
        {"attempts": deliveries.c.attempts + 1, "next_ms": now_ms + HOLD_MS},
    )
    due = tuple(Due(row.id, row.created_ms, row.attempts + 1, Message.from_json(row.message)) for row in rows)
    reference, ticket = (
        (_reference(connection, id, rows[0]), _ticket(connection, id, due[0])) if len(due) == 1 else (None, None)
    )
    return Claim(id, holder, channel.kind, channel.name, channel.settings, channel.secrets, due, reference, ticket)


def _candidates(now_ms: int) -> Any:
    waiting = exists().where(
        deliveries.c.state == WAITING, deliveries.c.channel_id == channels.c.id, deliveries.c.next_ms <= now_ms
    )
    return select(channels.c.id).where(
        channels.c.enabled, channels.c.held_until_ms <= now_ms, channels.c.next_ms <= now_ms, waiting
    )


def _ready(connection: Connection, channel_id: int, now_ms: int) -> list[Row[Any]]:
    """Deliveries that may leave now, in their order. One whose alert has an earlier one that must wait waits too."""
    statement = (
        select(deliveries)
        .where(deliveries.c.state == WAITING, deliveries.c.channel_id == channel_id)
        .order_by(deliveries.c.created_ms, deliveries.c.id)
        .limit(MOST)
    )
    rows = sorted(connection.execute(statement).all(), key=lambda row: (row.created_ms, ORDER[NoticeKind(row.kind)]))
    waits: dict[int, int] = {}
    ready = []
    for row in rows:
        if row.alert_id in waits:
            if row.next_ms < waits[row.alert_id]:
                _change(connection, [row.id], {"next_ms": waits[row.alert_id]})
        elif row.next_ms > now_ms:
            waits[row.alert_id] = row.next_ms
        else:
            ready.append(row)
    return ready


def _reference(connection: Connection, channel_id: int, row: Row[Any]) -> str | None:
    """Of the alert's first message here, which a thread hangs on."""
    return connection.scalar(
        select(deliveries.c.reference)
        .where(
            deliveries.c.alert_id == row.alert_id,
            deliveries.c.channel_id == channel_id,
            deliveries.c.state == SENT,
            deliveries.c.reference.is_not(None),
            deliveries.c.alert_id != 0,
        )
        .order_by(deliveries.c.created_ms)
        .limit(1)
    )


def _ticket(connection: Connection, channel_id: int, due: Due) -> Ticket | None:
    where = (tickets.c.channel_id == channel_id, tickets.c.subject == due.message.subject_key)
    row = connection.execute(select(tickets.c.key, tickets.c.url).where(*where)).first()
    return Ticket(row.key, row.url) if row else None


def settle_sent(connection: Connection, claim: Claim, receipt: Receipt, now_ms: int) -> None:
    first = claim.due[0]
    done = {
        "state": SENT,
        "ended_ms": now_ms,
        "reason": receipt.remark,
        "reference": receipt.reference,
        "url": receipt.url,
    }
    _change(connection, [first.id], done)
    _change(connection, [due.id for due in claim.due[1:]], done | {"bundle_id": first.id})
    _settle_ticket(connection, claim, receipt, now_ms)
    kind = KINDS.get(claim.kind)
    _let_go(connection, claim.channel_id, claim.holder, now_ms + (kind.pace_ms if kind else 0))


def settle_failed(
    connection: Connection, claim: Claim, reason: str, now_ms: int, *, pause_ms: int, whole_channel: bool
) -> None:
    """To be tried again after the pause, unless it is too old by then."""
    for due in claim.due:
        if now_ms + pause_ms - due.created_ms > GIVE_UP_MS:
            _change(connection, [due.id], _dead(f"Given up after a day. {reason}", now_ms))
        else:
            _change(connection, [due.id], {"next_ms": now_ms + pause_ms, "reason": reason})
    _let_go(connection, claim.channel_id, claim.holder, now_ms + (pause_ms if whole_channel else 0))


def settle_dead(connection: Connection, claim: Claim, reason: str, now_ms: int) -> None:
    _change(connection, [due.id for due in claim.due], _dead(reason, now_ms))
    kind = KINDS.get(claim.kind)
    _let_go(connection, claim.channel_id, claim.holder, now_ms + (kind.pace_ms if kind else 0))


def pause_ms(attempts: int, chance: float) -> int:
    """How long to wait after so many attempts: twice as long each time, up to 15 minutes, and of that between half and
    all, by `chance` in 0..1: what failed together is not tried again together."""
    longest = min(_FIRST_PAUSE_MS << min(attempts - 1, 20), _LONGEST_PAUSE_MS)
    return round(longest * (0.5 + chance / 2))


def give_up(connection: Connection, now_ms: int) -> int:
    """Ends what waited for a day without an attempt, as while its channel is switched off; forgets what ended long
    ago. Returns how many were given up."""
    # What an alert that is not over was told stays: its resolve goes where it was told of.
    going_on = select(alerts.c.id).where(alerts.c.state != AlertState.RESOLVED)
    ended = (deliveries.c.state != WAITING, deliveries.c.created_ms < now_ms - KEEP_MS)
    connection.execute(delete(deliveries).where(*ended, deliveries.c.alert_id.not_in(going_on)))
    old = update(deliveries).where(
        deliveries.c.state == WAITING, deliveries.c.created_ms < now_ms - GIVE_UP_MS, deliveries.c.next_ms <= now_ms
    )
    reason = func.coalesce("Given up after a day. " + deliveries.c.reason, "Given up: it could not be sent for a day.")
    given_up: int = connection.execute(old.values(state=DEAD, ended_ms=now_ms, reason=reason)).rowcount
    return given_up


def retry(connection: Connection, delivery_ids: Iterable[int], now_ms: int) -> int:
    """Dead deliveries wait again, as if they were new. Returns how many did."""
    statement = update(deliveries).where(deliveries.c.id.in_(list(delivery_ids)), deliveries.c.state == DEAD)
    fresh = {"state": WAITING, "next_ms": now_ms, "created_ms": now_ms, "ended_ms": None, "attempts": 0}
    revived: int = connection.execute(statement.values(**fresh)).rowcount
    return revived


def release_all(connection: Connection) -> None:
    """Nobody holds any channel: for a process that knows itself to be the only one."""
    held = update(channels).where(or_(channels.c.holder != "", channels.c.held_until_ms > 0))
    connection.execute(held.values(holder="", held_until_ms=0))
    # What the one before it was sending is due at once, not when its hold would have passed.
    sending = update(deliveries).where(deliveries.c.state == WAITING, deliveries.c.reason.is_(None))
    connection.execute(sending.values(next_ms=deliveries.c.created_ms))


def _settle_ticket(connection: Connection, claim: Claim, receipt: Receipt, now_ms: int) -> None:
    message = claim.due[0].message
    where = (tickets.c.channel_id == claim.channel_id, tickets.c.subject == message.subject_key)
    if receipt.closed or (receipt.ticket is not None and receipt.ticket != claim.ticket):
        connection.execute(delete(tickets).where(*where))
    if receipt.ticket is not None:
        ticket = receipt.ticket
        row = (
            claim.channel_id,
            message.subject_key,
            ticket.key,
            ticket.url,
            message.alert_id,
            message.issue_id,
            now_ms,
        )
        write(connection, tickets, [row])
        connection.execute(update(tickets).where(*where).values(alert_id=message.alert_id))


def _dead(reason: str, now_ms: int) -> dict[str, Any]:
    return {"state": DEAD, "ended_ms": now_ms, "reason": reason}


def _change(connection: Connection, ids: Sequence[int], values: dict[str, Any]) -> None:
    """Of deliveries that wait: what another process ended stays as it is."""
    for start in range(0, len(ids), _NAMES_IN_STATEMENT):
        some = deliveries.c.id.in_(ids[start : start + _NAMES_IN_STATEMENT])
        connection.execute(update(deliveries).where(some, deliveries.c.state == WAITING).values(**values))


def _let_go(connection: Connection, channel_id: int, holder: str, next_ms: int) -> None:
    """A channel that another has taken meanwhile is left to it."""
    ours = update(channels).where(channels.c.id == channel_id, channels.c.holder == holder)
    connection.execute(ours.values(holder="", held_until_ms=0, next_ms=next_ms))
