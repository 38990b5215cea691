"""Writing issues and their occurrences."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import BigInteger, Connection, cast, func, select, update

from collector.domain.facts import FREE, Facts, Invocation, Issue, Occurrence
from collector.domain.limits import Limits, near_memory, near_timeout
from collector.domain.rollups import Rollups
from collector.store import statements, tables
from collector.store.issue_changes import drop_changes, note_changes
from collector.store.statements import Conflict, larger, smaller, write

SpanKey = tuple[int, int]  # started_ns, span_id


def latest(table: str, column: str, clock: str) -> str:
    """The value of whichever row was seen last; an unknown value never replaces a known one."""
    old, new = f"{table}.{column}", f"excluded.{column}"
    return (
        f"{column} = CASE WHEN excluded.{clock} >= {table}.{clock} "
        f"THEN COALESCE({new}, {old}) ELSE COALESCE({old}, {new}) END"
    )


_ISSUES = Conflict(
    (
        latest("issues", "message", "last_seen_ms"),
        latest("issues", "culprit", "last_seen_ms"),
        smaller(tables.issues, "first_seen_ms"),
        larger(tables.issues, "last_seen_ms"),
    )
)


def write_issues(
    connection: Connection,
    group: Iterable[tuple[Facts, set[SpanKey]]],
    rows: Mapping[SpanKey, Invocation],
    rollups: Rollups,
    free: Sequence[tuple[Issue, Occurrence]] = (),
) -> None:
    """Writes what each request's own invocations (those that are stored because of it, by key) failed with, dealt with
    or reported; and `free` ones, that cost nothing by themselves."""
    occurrences: dict[tuple[int, int, int], Occurrence] = {}
    said: list[Issue] = []
    for facts, own in group:
        for occurrence in facts.occurrences:
            if (occurrence.started_ns, occurrence.span_id) in own:
                occurrences[occurrence[:3]] = occurrence
        said.extend(facts.issues)
    wanted = {row.issue_id for row in occurrences.values()}
    said = [issue for issue in said if issue.id in wanted]
    said.extend(issue for issue, _ in free)
    upsert_issues(connection, said)
    for row in occurrences.values():
        rollups.add_occurrence(row, rows[row.started_ns, row.span_id].whole_cost_pd)
    for _, row in free:
        rollups.add_occurrence(row, 0)
        occurrences[row[:3]] = row
    write(connection, tables.issue_occurrences, list(occurrences.values()))


def near_issues(
    rows: Iterable[Invocation], timeouts_ms: Mapping[int, int | None], limits: Limits
) -> list[tuple[Issue, Occurrence]]:
    """Those of invocations that came near their limits. `timeouts_ms`: functions' time limits, by id."""
    return [
        (issue, Occurrence(issue.id, row.started_ns, row.span_id, row.trace_id))
        for row in rows
        for issue in (near_timeout(row, timeouts_ms.get(row.function_id), limits), near_memory(row, limits))
        if issue is not None
    ]


def cost_of(kind: int | None, row: Invocation) -> int:
    """What an occurrence of an issue of this kind costs: a limit that was near costs nothing by itself."""
    return 0 if kind in FREE else row.whole_cost_pd


def kinds_of(connection: Connection, occurrences: Iterable[Occurrence]) -> dict[int, int]:
    """By issue."""
    ids = sorted({(row.issue_id,) for row in occurrences})
    return dict(statements.select_by_key(connection, tables.issues, "id, kind", ids))


def upsert_issues(connection: Connection, said: Iterable[Issue]) -> None:
    """Of several mentions of one issue the latest names it, and all tell when it was seen."""
    issues: dict[int, tuple[Issue, int]] = {}
    for issue in said:
        known, first_seen_ms = issues.get(issue.id, (issue, issue.seen_ms))
        newer = issue if (issue.seen_ms, issue.message) > (known.seen_ms, known.message) else known
        issues[issue.id] = (newer, min(first_seen_ms, issue.seen_ms))
    write(
        connection,
        tables.issues,
        [(*issue[:5], first_seen_ms, issue.seen_ms, issue.kind) for issue, first_seen_ms in issues.values()],
        _ISSUES,
    )
    if issues:
        note_changes(connection, {id: issue.seen_ms for id, (issue, _) in issues.items()})


def occurrences_of(connection: Connection, rows: Collection[Invocation]) -> list[Occurrence]:
    """All that these invocations are occurrences of."""
    keys = {(row.started_ns, row.span_id) for row in rows}
    stored = statements.select_by_key(
        connection,
        tables.issue_occurrences,
        "issue_id, started_ns, span_id, trace_id",
        sorted({(row.trace_id,) for row in rows}),
        key_columns=("trace_id",),
    )
    return [row for row in (Occurrence(*row) for row in stored) if (row.started_ns, row.span_id) in keys]


_SEEN = tables.issue_occurrences.c
# An issue that is seen nowhere any more keeps what it had: no page lists it.
_LAST_SEEN = (
    select(func.max(_SEEN.started_ns) // 1_000_000).where(_SEEN.issue_id == tables.issues.c.id).scalar_subquery()
)


def delete_occurrences(connection: Connection, gone: Collection[Occurrence], rollups: Rollups) -> None:
    """They turned out to be none. Whoever writes the rollups settles the issues that had them."""
    if gone:
        statements.delete_by_key(connection, tables.issue_occurrences, [row[:3] for row in gone])
        rollups.lessened_issues.update(row.issue_id for row in gone)


def settle_lessened(connection: Connection, rollups: Rollups) -> None:
    """Issues that lost occurrences were last seen when those that are left were, and need not have come (back) at all.

    At the end of the commit: another occurrence may have taken the place of the one that went.
    """
    ids = sorted(rollups.lessened_issues)
    for start in range(0, len(ids), statements.KEYS_PER_STATEMENT):
        some = tables.issues.c.id.in_(ids[start : start + statements.KEYS_PER_STATEMENT])
        last_seen = func.coalesce(cast(_LAST_SEEN, BigInteger), tables.issues.c.last_seen_ms)
        connection.execute(update(tables.issues).where(some).values(last_seen_ms=last_seen))
    if ids:
        drop_changes(connection, ids)


def take_back(connection: Connection, replaced: Mapping[SpanKey, Invocation], rollups: Rollups) -> None:
    """Another span takes the place of these: their occurrences go, and what they added to their issues."""
    gone = occurrences_of(connection, replaced.values())
    kinds = kinds_of(connection, gone) if gone else {}
    delete_occurrences(connection, gone, rollups)
    for row in gone:
        rollups.add_occurrence(row, cost_of(kinds.get(row.issue_id), replaced[row.started_ns, row.span_id]), -1)
