"""Rules and mute windows in the database, and the rules that are there from the beginning."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from collector.alerts.conditions import completed
from collector.alerts.model import Condition, ConditionKind, MuteWindow, Rule, Severity
from collector.alerts.mute_text import read_mute, write_mute
from collector.alerts.rule_text import read_rule, write_rule
from collector.alerts.text import one_line
from collector.store.alert_tables import alert_mutes, alert_rules

logger = logging.getLogger(__name__)

DEFAULT, PAGE, FILE = "default", "page", "file"  # where a rule came from
MAX_REASON = 300
_UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError)
DEFAULT_RULES = (
    Rule(
        id="errors",
        name="Errors",
        condition=Condition(ConditionKind.ERRORS, above=0),
        severity=Severity.ERROR,
        repeat_s=3_600,
        description="An invocation failed: it raised, timed out, crashed or could not start.",
    ),
    Rule(
        id="about-to-time-out",
        name="About to time out",
        condition=Condition(ConditionKind.NEAR_TIMEOUT, above=0, share=0.8),
        severity=Severity.WARNING,
        repeat_s=3_600,
        resolve_after_s=900,
        description="An invocation took more than 80 % of the function's time limit. Raise the limit, or look at what "
        "it waited for.",
    ),
    Rule(
        id="memory",
        name="Memory above 95 %",
        condition=Condition(ConditionKind.MEMORY, above=0.95),
        severity=Severity.WARNING,
        repeat_s=3_600,
        resolve_after_s=900,
        description="An environment used more than 95 % of the function's memory. Beyond its limit it is killed.",
    ),
    Rule(
        id="new-issue",
        name="New issue",
        condition=Condition(ConditionKind.NEW_ISSUE, above=0),
        severity=Severity.ERROR,
        resolve_after_s=3_600,
        description="A function failed in a way that it never did before.",
    ),
    Rule(
        id="regressed-issue",
        name="Regressed issue",
        condition=Condition(ConditionKind.REGRESSED_ISSUE, above=0),
        severity=Severity.ERROR,
        resolve_after_s=3_600,
        description="A function fails again in a way that somebody had marked as resolved.",
    ),
)


@dataclass(frozen=True, slots=True)
class StoredRule:
    rule: Rule
    origin: str
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that is stored and cannot be read: written by a newer Clew, or by somebody's own statement. It is not
    looked at; saving it anew or deleting it is all that can be done."""

    id: str
    name: str
    origin: str
    reason: str


@dataclass(frozen=True, slots=True)
class BrokenMute:
    """A mute window likewise."""

    id: str
    reason: str


class RuleCache:
    """Reads the rules again and again, and their text only when it changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[str, bool, int], StoredRule | None]] = {}

    def read(self, connection: Connection) -> dict[str, StoredRule]:
        """By id, in the order of ids."""
        found = {}
        for row in connection.execute(select(alert_rules).order_by(alert_rules.c.id)):
            version = (row.definition, row.enabled, row.updated_ms)
            known = self._known.get(row.id)
            if known is None or known[0] != version:
                try:
                    known = version, _stored(row)
                except _UNREADABLE as error:  # a newer Clew's, or somebody's own statement: the others still count
                    logger.error("the rule %s cannot be read and is left out: %s", row.id, error)  # noqa: TRY400
                    known = version, None
            found[row.id] = known
        self._known = found
        return {id: stored for id, (_, stored) in found.items() if stored is not None}


class MuteCache:
    """Reads the mute windows again and again, and their text only when it changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[str, bool], MuteWindow | None]] = {}

    def read(self, connection: Connection) -> list[MuteWindow]:
        """In the order of ids. One that cannot be read is left out, and logged once."""
        found = {}
        for row in connection.execute(select(alert_mutes).order_by(alert_mutes.c.id)):
            version = (row.definition, row.enabled)
            known = self._known.get(row.id)
            if known is None or known[0] != version:
                try:
                    known = version, _stored_mute(row)
                except _UNREADABLE as error:
                    logger.error("the mute window %s cannot be read and is left out: %s", row.id, error)  # noqa: TRY400
                    known = version, None
            found[row.id] = known
        self._known = found
        return [mute for _, mute in found.values() if mute is not None]


def read_rules(connection: Connection) -> dict[str, StoredRule]:
    """All rules by id, in the order of ids."""
    return RuleCache().read(connection)


def find_rule(connection: Connection, id: str) -> StoredRule | None:
    """None: there is no such rule, or it cannot be read (`broken_rules` has it then)."""
    row = connection.execute(select(alert_rules).where(alert_rules.c.id == id)).first()
    if row is None:
        return None
    try:
        return _stored(row)
    except _UNREADABLE as error:
        logger.error("the rule %s cannot be read: %s", id, error)  # noqa: TRY400  # the text is all there is to know
        return None


def broken_rules(connection: Connection) -> list[BrokenRule]:
    """Those that cannot be read, in the order of ids."""
    found = []
    for row in connection.execute(select(alert_rules).order_by(alert_rules.c.id)):
        try:
            _stored(row)
        except _UNREADABLE as error:
            found.append(BrokenRule(row.id, row.name, row.origin, one_line(str(error), MAX_REASON)))
    return found


def save_rule(connection: Connection, rule: Rule, *, origin: str, now_ms: int) -> bool:
    """Makes or changes the rule. Returns whether anything is different now."""
    rule = completed(rule)
    known = find_rule(connection, rule.id)
    there = known is not None or _is_there(connection, rule.id)
    values = {"name": rule.name, "enabled": rule.enabled, "definition": _definition(rule)}
    if not there:
        connection.execute(
            insert(alert_rules).values(id=rule.id, origin=origin, created_ms=now_ms, updated_ms=now_ms, **values)
        )
        return True
    if known is not None and known.rule == rule:
        return False
    connection.execute(update(alert_rules).where(alert_rules.c.id == rule.id).values(updated_ms=now_ms, **values))
    return True


def delete_rules(connection: Connection, ids: Collection[str]) -> None:
    """Their alerts stay, and resolve with the next round."""
    for id in ids:
        connection.execute(delete(alert_rules).where(alert_rules.c.id == id))


def add_default_rules(connection: Connection, *, now_ms: int) -> None:
    """Once, before the first round ever: who deletes one does not find it back."""
    rows = [
        {
            "id": rule.id,
            "name": rule.name,
            "enabled": rule.enabled,
            "definition": _definition(rule),
            "origin": DEFAULT,
            "created_ms": now_ms,
            "updated_ms": now_ms,
        }
        for rule in DEFAULT_RULES
        if not _is_there(connection, rule.id)
    ]
    if rows:
        connection.execute(insert(alert_rules), rows)


def read_mutes(connection: Connection) -> list[MuteWindow]:
    """All mute windows that can be read, in the order of ids."""
    return MuteCache().read(connection)


def broken_mutes(connection: Connection) -> list[BrokenMute]:
    """Those that cannot be read, likewise."""
    found = []
    for row in connection.execute(select(alert_mutes).order_by(alert_mutes.c.id)):
        try:
            _stored_mute(row)
        except _UNREADABLE as error:
            found.append(BrokenMute(row.id, one_line(str(error), MAX_REASON)))
    return found


def save_mute(connection: Connection, mute: MuteWindow, *, now_ms: int) -> None:
    """Makes or changes the window."""
    connection.execute(delete(alert_mutes).where(alert_mutes.c.id == mute.id))
    connection.execute(
        insert(alert_mutes).values(
            id=mute.id,
            name=mute.name,
            enabled=mute.enabled,
            definition=json.dumps(write_mute(mute), sort_keys=True),
            updated_ms=now_ms,
        )
    )


def delete_mutes(connection: Connection, ids: Iterable[str]) -> None:
    """What they covered is told from the next round on."""
    for id in ids:
        connection.execute(delete(alert_mutes).where(alert_mutes.c.id == id))


def _is_there(connection: Connection, id: str) -> bool:
    return connection.execute(select(alert_rules.c.id).where(alert_rules.c.id == id)).first() is not None


def _definition(rule: Rule) -> str:
    return json.dumps(write_rule(rule), sort_keys=True)


def _stored(row: Row[Any]) -> StoredRule:
    rule = read_rule(row.id, json.loads(row.definition))
    rule = replace(rule, enabled=row.enabled, name=row.name)
    return StoredRule(rule, row.origin, row.created_ms, row.updated_ms)


def _stored_mute(row: Row[Any]) -> MuteWindow:
    return replace(read_mute(row.id, json.loads(row.definition)), enabled=row.enabled)
