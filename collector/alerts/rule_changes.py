"""What a file of rules changes in the database: shown, and done."""

from __future__ import annotations

from sqlalchemy import Connection

from collector.alerts import actions
from collector.alerts.rule_file import Difference, RuleFile, Unreadable, compare
from collector.alerts.rule_store import FILE, broken_mutes, broken_rules, read_mutes, read_rules


def difference(connection: Connection, file: RuleFile, *, prune: bool = False) -> Difference:
    """Of rules that the file does not name those go that an earlier one brought; with `prune` all of them, also those
    that cannot be read."""
    stored, broken = read_rules(connection), broken_rules(connection)
    origins = {id: one.origin for id, one in stored.items()} | {one.id: one.origin for one in broken}
    return compare(
        file,
        {id: one.rule for id, one in stored.items()},
        {mute.id: mute for mute in read_mutes(connection)},
        removable=frozenset(id for id, origin in origins.items() if prune or origin == FILE),
        unreadable=Unreadable(
            {one.id: one.reason for one in broken}, {one.id: one.reason for one in broken_mutes(connection)}
        ),
    )


def apply_file(connection: Connection, file: RuleFile, *, now_ms: int, prune: bool = False) -> Difference:
    """Makes the rules what the file says, and the mute windows if it has any. Returns what was different."""
    found = difference(connection, file, prune=prune)
    for rule in file.rules:
        actions.change_rule(connection, rule, origin=FILE, now_ms=now_ms)
    actions.remove_rules(connection, found.removed, now_ms=now_ms)
    for mute in found.changed_mutes:
        actions.change_mute(connection, mute, now_ms=now_ms)
    actions.remove_mutes(connection, found.removed_mutes)
    return found
