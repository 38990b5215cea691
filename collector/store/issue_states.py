"""What people decide about issues: small statements of their own, beside the writer's.

Each takes its issues' rows in `issues` for itself first, as the writer does when it stores an occurrence: so an
occurrence either was there when somebody resolved its issue, or it finds the issue resolved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from collector.domain.issue_states import Action, Decision
from collector.store import tables
from collector.store.issue_tables import issue_changes, issue_history, issue_states
from collector.store.statements import KEYS_PER_STATEMENT, Conflict, select_by_key, write

LONGEST_NAME = 200  # characters of who does it, or to whom it is assigned

_STATES = Conflict(tuple(f"{name} = excluded.{name}" for name in ("status", "since_ms", "until_ms", "assignee")))


class _Issue(NamedTuple):
    id: int
    last_seen_ms: int
    status: int
    since_ms: int
    until_ms: int | None
    assignee: str
    regressed: bool


def resolve(
    connection: Connection, ids: Collection[int], actor: str, *, now: Callable[[], int] = time.time_ns
) -> list[int]:
    """The issues are over: an occurrence that begins later is a regression.

    Returns the ids of those that changed; unknown ones and those that are resolved already do not. `now` gives
    nanoseconds since 1970; `actor` is who does it. The same holds for the functions below.
    """
    found = _lock(connection, ids)
    changed = [issue for issue in found if issue.status != Decision.RESOLVED or issue.regressed]
    now_ns = now()
    # A function's clock may be ahead of ours: what has been seen is resolved.
    rows = [
        issue._replace(status=Decision.RESOLVED, since_ms=max(now_ns // 1_000_000, issue.last_seen_ms), until_ms=None)
        for issue in changed
    ]
    return _store(connection, rows, Action.RESOLVED, actor, now_ns)


def reopen(
    connection: Connection, ids: Collection[int], actor: str, *, now: Callable[[], int] = time.time_ns
) -> list[int]:
    """Neither resolved nor muted any more."""
    found = _lock(connection, ids)
    now_ns = now()
    rows = [
        issue._replace(status=Decision.OPEN, since_ms=now_ns // 1_000_000, until_ms=None)
        for issue in found
        if issue.status != Decision.OPEN
    ]
    return _store(connection, rows, Action.REOPENED, actor, now_ns)


def mute(
    connection: Connection,
    ids: Collection[int],
    actor: str,
    *,
    until_ms: int | None = None,
    now: Callable[[], int] = time.time_ns,
) -> list[int]:
    """Nobody hears of them until then; None: for ever."""
    found = _lock(connection, ids)
    now_ns = now()
    rows = [
        issue._replace(status=Decision.MUTED, since_ms=now_ns // 1_000_000, until_ms=until_ms)
        for issue in found
        if (issue.status, issue.until_ms) != (Decision.MUTED, until_ms)
    ]
    return _store(connection, rows, Action.MUTED, actor, now_ns)


def assign(
    connection: Connection,
    ids: Collection[int],
    actor: str,
    *,
    assignee: str,
    now: Callable[[], int] = time.time_ns,
) -> list[int]:
    """Somebody looks after them, by any name; "": nobody."""
    assignee = clean(assignee)
    rows = [issue._replace(assignee=assignee) for issue in _lock(connection, ids) if issue.assignee != assignee]
    return _store(connection, rows, Action.ASSIGNED, actor, now())


def clean(name: str) -> str:
    """A person's name as the databases can hold it, on one line."""
    text = name.encode("utf-8", "replace").decode().replace("\0", "")
    return " ".join(text.split())[:LONGEST_NAME].rstrip()


def _lock(connection: Connection, ids: Collection[int]) -> list[_Issue]:
    """These issues with what was decided about them; nobody else decides, and no occurrence is stored, until this
    transaction ends."""
    # In one order, as the writer takes them, so that neither waits for the other in a circle.
    suffix = "" if connection.dialect.name == "sqlite" else "ORDER BY id FOR UPDATE"
    keys = sorted((id,) for id in set(ids) if -(2**63) <= id < 2**63)
    seen: dict[int, int] = dict(select_by_key(connection, tables.issues, "id, last_seen_ms", keys, suffix=suffix))
    # Only now, as another may have decided while this waited.
    columns = "issue_id, status, since_ms, until_ms, assignee"
    states = {row[0]: row for row in select_by_key(connection, issue_states, columns, keys)}
    found = []
    resolved = [(id, row[2]) for id, row in states.items() if row[1] == Decision.RESOLVED]
    came_back = {tuple(row) for row in select_by_key(connection, issue_changes, "issue_id, since_ms", sorted(resolved))}
    for id, last_seen_ms in sorted(seen.items()):
        _, status, since_ms, until_ms, assignee = states.get(id, (id, Decision.OPEN, 0, None, ""))
        found.append(_Issue(id, last_seen_ms, status, since_ms, until_ms, assignee, (id, since_ms) in came_back))
    return found


def _store(connection: Connection, rows: Collection[_Issue], action: Action, actor: str, now_ns: int) -> list[int]:
    write(
        connection,
        issue_states,
        [(row.id, int(row.status), row.since_ms, row.until_ms, row.assignee) for row in rows],
        _STATES,
    )
    latest = _latest(connection, [row.id for row in rows])
    until = {row.id: row.until_ms if action is Action.MUTED else None for row in rows}
    assignee = {row.id: row.assignee if action is Action.ASSIGNED else "" for row in rows}
    history = [
        # Two things that happen to one issue have two times, whatever the clock says.
        (row.id, max(now_ns, latest.get(row.id, 0) + 1), int(action), clean(actor), until[row.id], assignee[row.id])
        for row in rows
    ]
    write(connection, issue_history, history)
    return [row.id for row in rows]


def _latest(connection: Connection, ids: Iterable[int]) -> dict[int, int]:
    """When each was last changed, in nanoseconds."""
    ordered, found = sorted(ids), dict[int, int]()
    for start in range(0, len(ordered), KEYS_PER_STATEMENT):
        some = ordered[start : start + KEYS_PER_STATEMENT]
        statement = (
            select(issue_history.c.issue_id, func.max(issue_history.c.changed_ns))
            .where(issue_history.c.issue_id.in_(some))
            .group_by(issue_history.c.issue_id)
        )
        found.update((row[0], row[1]) for row in connection.execute(statement))
    return found
