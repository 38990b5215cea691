"""What people do about alerts and rules: each in the caller's transaction, with what there is to tell about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from collector.alerts import outbox
from collector.alerts.catalog import Catalog
from collector.alerts.lifecycle import Record
from collector.alerts.model import AlertState, MuteWindow, NoticeKind, Rule
from collector.alerts.notices import notice_of
from collector.alerts.records import Event, add_events, load, load_some, save
from collector.alerts.rule_store import StoredRule, delete_mutes, delete_rules, read_rules, save_mute, save_rule
from collector.alerts.settlement import BY_RULE, Tell

LONGEST_SNOOZE_MS = 31 * 86_400_000
LONGEST_NAME = 200


def acknowledge(
    connection: Connection, ids: Collection[int], actor: str, *, now_ms: int, note: str = "", tell: Tell = outbox.add
) -> list[int]:
    """Somebody looks after the alerts: they are not repeated any more. Returns the ids of those that changed; of
    unknown, resolved and acknowledged ones nothing does. The same holds for the functions below."""
    changed = [record for record in load_some(connection, ids) if record.state == AlertState.OPEN]
    for record in changed:
        record.state = str(AlertState.ACKNOWLEDGED)
        record.acknowledged_ms, record.acknowledged_by = now_ms, clean(actor)
    return _Act(NoticeKind.ACKNOWLEDGED, clean(actor), now_ms, note, tell).store(connection, changed)


def resolve(
    connection: Connection, ids: Collection[int], actor: str, *, now_ms: int, note: str = "", tell: Tell = outbox.add
) -> list[int]:
    """The alerts are over. As long as their conditions are met all the time, they stay so; a new alert needs them to
    have ended first."""
    changed = [record for record in load_some(connection, ids) if not record.is_over]
    for record in changed:
        record.state, record.resolved_ms = str(AlertState.RESOLVED), now_ms
        record.resolved_by = clean(actor) or "?"
    return _Act(NoticeKind.RESOLVED, clean(actor), now_ms, note, tell).store(connection, changed)


def snooze(
    connection: Connection, ids: Collection[int], actor: str, *, until_ms: int, now_ms: int, note: str = ""
) -> list[int]:
    """Nobody is told of the alerts until then, at most 31 days; who is still to be told is told afterwards."""
    until_ms = min(until_ms, now_ms + LONGEST_SNOOZE_MS)
    changed = [
        record
        for record in load_some(connection, ids)
        if not record.is_over and until_ms > now_ms and record.snoozed_until_ms != until_ms
    ]
    events = []
    for record in changed:
        record.snoozed_until_ms, record.changed = until_ms, True
        events.append(Event(record.id, "snoozed", now_ms, clean(actor), note or f"until {until_ms}", record.value))
    save(connection, changed)
    add_events(connection, events)
    return [record.id for record in changed]


def change_rule(connection: Connection, rule: Rule, *, origin: str, now_ms: int) -> bool:
    """Makes or changes a rule. Returns whether anything is different now."""
    return save_rule(connection, rule, origin=origin, now_ms=now_ms)


def remove_rules(connection: Connection, ids: Collection[str], *, now_ms: int, tell: Tell = outbox.add) -> None:
    """Deletes rules, and resolves their alerts."""
    rules = read_rules(connection)
    wanted = set(ids)
    open_ones = [record for record in load(connection, from_s=2**62) if record.rule_id in wanted and not record.is_over]
    for record in open_ones:
        record.state, record.resolved_ms, record.resolved_by = str(AlertState.RESOLVED), now_ms, BY_RULE
    _Act(NoticeKind.RESOLVED, BY_RULE, now_ms, "Its rule was deleted.", tell).store(connection, open_ones, rules)
    delete_rules(connection, sorted(wanted))


def change_mute(connection: Connection, mute: MuteWindow, *, now_ms: int) -> None:
    """Makes or changes a mute window."""
    save_mute(connection, mute, now_ms=now_ms)


def remove_mutes(connection: Connection, ids: Collection[str]) -> None:
    """What they covered is told from the next round on."""
    delete_mutes(connection, ids)


def retry_deliveries(connection: Connection, ids: Collection[int], *, now_ms: int) -> int:
    """Deliveries that were given up wait again. Returns how many did."""
    return outbox.retry(connection, ids, now_ms)


def clean(name: str) -> str:
    """A person's name as the databases can hold it, on one line."""
    text = name.encode("utf-8", "replace").decode().replace("\0", "")
    return " ".join(text.split())[:LONGEST_NAME].rstrip()


@dataclass(frozen=True, slots=True)
class _Act:
    """Who does what, and when."""

    kind: NoticeKind
    actor: str
    now_ms: int
    note: str
    tell: Tell

    def store(
        self, connection: Connection, records: Collection[Record], rules: Mapping[str, StoredRule] | None = None
    ) -> list[int]:
        if not records:
            return []
        known = rules if rules is not None else read_rules(connection)
        catalog = Catalog()
        catalog.refresh(connection)
        notices, events = [], []
        for record in records:
            record.changed = True
            events.append(Event(record.id, str(self.kind), self.now_ms, self.actor, self.note, record.value))
            stored = known.get(record.rule_id)
            if stored is not None and record.told_ms is not None:
                notices.append(
                    notice_of(
                        self.kind,
                        stored.rule,
                        record,
                        catalog,
                        now_ms=self.now_ms,
                        by=self.actor,
                        note=self.note,
                    )
                )
        save(connection, records)
        add_events(connection, events)
        self.tell(connection, notices, now_ms=self.now_ms)
        return [record.id for record in records]
