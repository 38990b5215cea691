"""Issues that came, and issues that came back after they had been resolved: what alerts are raised on.

A change is written in the commit of the occurrence that brought it about, once for each issue (new) and once for each
time that it was resolved (regressed), whoever of several collectors stores such an occurrence first. The same locks on
the rows of `issues` keep people's decisions and the occurrences apart, so that none falls between two commits.

Commits end in another order than they begin in. So a change gets its number only after its commit, by `number_changes`,
which runs in one process at a time: whatever is visible gets a higher number than all that were visible before, and a
cursor never passes by what was not there yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, func, select, update

from collector.domain.facts import IssueKind
from collector.domain.issue_states import Decision
from collector.store import tables
from collector.store.issue_tables import issue_changes, issue_states
from collector.store.queries.common import FunctionRef
from collector.store.statements import KEYS_PER_STATEMENT, select_by_key, write

MOST = 1_000  # changes that are numbered, or read, at once
_ADVISORY_LOCK = 0x636C6569  # PostgreSQL's. "clei": issues; next to the stitcher's and the schema's
NEW = 0  # `since_ms` of an issue that never was resolved


@dataclass(frozen=True, slots=True)
class IssueChange:
    number: int  # the cursor after it
    regressed: bool  # it came back after it had been resolved; False: it is new
    issue_id: int
    kind: IssueKind
    type: str
    message: str
    culprit: str | None
    function: FunctionRef
    seen_ms: int  # start of the first occurrence that is known of it, of a regression's the first since
    assignee: str  # "" for nobody


def number_changes(connection: Connection, *, now: Callable[[], int] = time.time_ns) -> int:
    """Numbers what was committed since the last time, and returns how many that were. Commit soon after it.

    Call it with a connection that may write, before `changes_since`. `now` gives nanoseconds since 1970.
    """
    waits = select(issue_changes.c.issue_id, issue_changes.c.since_ms).where(issue_changes.c.number.is_(None))
    if connection.execute(waits.limit(1)).first() is None:
        return 0
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
    # Also later than the clock: numbers do not begin anew when the changes that had them are deleted.
    last = latest_change(connection)
    waiting = connection.execute(waits.order_by(issue_changes.c.issue_id, issue_changes.c.since_ms).limit(MOST)).all()
    if not waiting:
        return 0
    first = max(last + 1, now())
    connection.execute(
        update(issue_changes)
        .where(issue_changes.c.issue_id == bindparam("issue"), issue_changes.c.since_ms == bindparam("since"))
        .values(number=bindparam("given")),
        [{"issue": row[0], "since": row[1], "given": first + index} for index, row in enumerate(waiting)],
    )
    return len(waiting)


def latest_change(connection: Connection) -> int:
    """The cursor after all that are numbered: where one begins who does not want to hear of what was before."""
    return connection.scalar(select(func.coalesce(func.max(issue_changes.c.number), 0))) or 0


def issue_changes_since(connection: Connection, cursor: int, *, most: int = MOST) -> list[IssueChange]:
    """The changes after `cursor` (0: all), oldest first, at most `most`; the next cursor is the last one's number.

    Misses nothing that `number_changes` has numbered. An occurrence that turned out to be none takes its change back,
    so what was read once may be gone later. Issues of every kind are among them, muted ones too.
    """
    issues, functions, occurred = tables.issues.c, tables.functions.c, tables.issue_occurrences.c
    since_ns = (issue_changes.c.since_ms + 1) * 1_000_000
    seen_ns = (
        select(func.min(occurred.started_ns))
        .where(occurred.issue_id == issue_changes.c.issue_id, occurred.started_ns >= since_ns)
        .scalar_subquery()
    )
    found = connection.execute(
        select(
            issue_changes.c.number,
            issue_changes.c.since_ms,
            issues.id,
            issues.kind,
            issues.type,
            issues.message,
            issues.culprit,
            functions.id,
            functions.kind,
            functions.account,
            functions.region,
            functions.name,
            func.coalesce(seen_ns // 1_000_000, issues.last_seen_ms),
            func.coalesce(issue_states.c.assignee, ""),
        )
        .join(tables.issues, issues.id == issue_changes.c.issue_id)
        .join(tables.functions, functions.id == issues.function_id)
        .outerjoin(issue_states, issue_states.c.issue_id == issue_changes.c.issue_id)
        .where(issue_changes.c.number > cursor)
        .order_by(issue_changes.c.number)
        .limit(most)
    )
    return [
        IssueChange(
            number=row[0],
            regressed=row[1] != NEW,
            issue_id=row[2],
            kind=IssueKind(row[3]),
            type=row[4],
            message=row[5],
            culprit=row[6],
            function=FunctionRef(*row[7:12]),
            seen_ms=row[12],
            assignee=row[13],
        )
        for row in found
    ]


def note_changes(connection: Connection, seen_ms: Mapping[int, int]) -> None:
    """Notes which of these issues are new or came back; `seen_ms`: when the latest of the occurrences that are being
    stored began. Their rows in `issues` must have been written before, which locks them."""
    resolved = select_by_key(
        connection,
        issue_states,
        "issue_id, since_ms",
        sorted((id,) for id in seen_ms),
        suffix=f"AND status = {int(Decision.RESOLVED)}",
    )
    rows = [(id, NEW, None) for id in seen_ms]
    rows.extend((id, since_ms, None) for id, since_ms in resolved if seen_ms[id] > since_ms)
    write(connection, issue_changes, rows)


def drop_changes(connection: Connection, ids: Collection[int]) -> None:
    """Forgets the changes of these issues that no occurrence is left of. Their rows in `issues` must be locked."""
    occurred = tables.issue_occurrences.c
    later = (
        select(occurred.issue_id)
        .where(
            occurred.issue_id == issue_changes.c.issue_id,
            occurred.started_ns >= (issue_changes.c.since_ms + 1) * 1_000_000,
        )
        .exists()
    )
    ordered = sorted(ids)
    for start in range(0, len(ordered), KEYS_PER_STATEMENT):
        some = issue_changes.c.issue_id.in_(ordered[start : start + KEYS_PER_STATEMENT])
        connection.execute(delete(issue_changes).where(some, ~later))
