"""Stored invocations of which more became known: their rows, their sums and their issues change in one commit."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from collector.domain.facts import (
    FAILED,
    FAILURES,
    Call,
    Invocation,
    Issue,
    IssueKind,
    Occurrence,
    Result,
    Unfinished,
)
from collector.domain.failures import UNFINISHED
from collector.domain.limits import DEFAULT_LIMITS, Limits, near_memory
from collector.domain.reports import Verdict
from collector.domain.rollups import Rollups
from collector.store import tables
from collector.store.issue_rows import (
    SpanKey,
    cost_of,
    delete_occurrences,
    kinds_of,
    occurrences_of,
    upsert_issues,
)
from collector.store.statements import select_by_key, update, write
from collector.store.tag_rows import count_tags, tags_of

_INVOCATION_COLUMNS = ", ".join(Invocation._fields)
_CALL_COLUMNS = ", ".join(Call._fields)
_WITH_ISSUES = FAILED | {Result.HANDLED}


class Change(NamedTuple):
    """`old` is what is stored and what the sums hold."""

    old: Invocation
    verdict: Verdict


def lock_invocations(connection: Connection, keys: Iterable[SpanKey], condition: str = "") -> list[Invocation]:
    """These rows as they are, and nobody else changes them before this transaction ends."""
    # In one order, so that two collectors never wait for each other.
    suffix = "" if connection.dialect.name == "sqlite" else "ORDER BY started_ns, span_id FOR UPDATE"
    found = select_by_key(
        connection, tables.invocations, _INVOCATION_COLUMNS, sorted(keys), suffix=f"{condition} {suffix}"
    )
    return [Invocation(*row) for row in found]


def open_invocations(connection: Connection, keys: Iterable[SpanKey]) -> dict[SpanKey, Unfinished]:
    """What is kept of those that were running when they were last heard of."""
    columns = ", ".join(Unfinished._fields)
    found = select_by_key(connection, tables.unfinished, columns, sorted(keys))
    return {(row[0], row[1]): Unfinished(*row) for row in found}


def change_outcomes(
    connection: Connection, changes: Sequence[Change], rollups: Rollups, *, limits: Limits = DEFAULT_LIMITS
) -> set[bytes]:
    """Puts the verdicts' rows in the place of the old ones, which must be locked. Returns the traces of those that
    changed; the caller writes the rollups."""
    different = [change for change in changes if change.verdict.row != change.old]
    update(connection, tables.invocations, [change.verdict.row for change in different])
    for old, verdict in different:
        rollups.add_invocation(old, -1)
        rollups.add_invocation(verdict.row)
    _change_tags(connection, different, rollups)
    _change_issues(connection, changes, rollups, limits)
    _change_calls(connection, different, rollups)
    return {change.old.trace_id for change in different}


def _change_tags(connection: Connection, changes: Collection[Change], rollups: Rollups) -> None:
    if changes:
        old = {(change.old.started_ns, change.old.span_id): change.old for change in changes}
        tags = tags_of(connection, old)
        count_tags(tags, old, rollups, -1)
        count_tags(tags, {key: verdict.row for key, (_, verdict) in zip(old, changes, strict=True)}, rollups)


def _change_issues(connection: Connection, changes: Iterable[Change], rollups: Rollups, limits: Limits) -> None:
    """Nearly all invocations have no issue before and none after, and cost nothing here."""
    concerned = [change for change in changes if _has_issues(change, limits)]
    if not concerned:
        return
    stored: defaultdict[SpanKey, list[Occurrence]] = defaultdict(list)
    for occurrence in occurrences_of(connection, [change.old for change in concerned]):
        stored[occurrence.started_ns, occurrence.span_id].append(occurrence)
    kinds = kinds_of(connection, [occurrence for found in stored.values() for occurrence in found])
    gone: list[Occurrence] = []
    new: list[Occurrence] = []
    issues: list[Issue] = []
    for old, verdict in concerned:
        row, wanted = verdict.row, _issues(verdict, limits)
        for occurrence in stored[row.started_ns, row.span_id]:
            kind = kinds.get(occurrence.issue_id)
            rollups.add_occurrence(occurrence, cost_of(kind, old), -1)
            if _stays(kind, verdict):
                rollups.add_occurrence(occurrence, cost_of(kind, row))
            else:
                gone.append(occurrence)
        for issue in wanted:
            issues.append(issue)
            new.append(Occurrence(issue.id, row.started_ns, row.span_id, row.trace_id))
            rollups.add_occurrence(new[-1], cost_of(issue.kind, row))
    delete_occurrences(connection, gone, rollups)
    upsert_issues(connection, issues)
    write(connection, tables.issue_occurrences, new)


def _has_issues(change: Change, limits: Limits) -> bool:
    """Whether it may have or get one whose cost or presence changes."""
    old, row = change.old, change.verdict.row
    return (
        old.result in _WITH_ISSUES
        or row.result in _WITH_ISSUES
        or old.reported_issues > 0
        or near_memory(old, limits) is not None
        or near_memory(row, limits) is not None
    )


def _stays(kind: int | None, verdict: Verdict) -> bool:
    """Whether what is stored still holds. What its memory comes to is worked out anew."""
    if kind in FAILURES:
        return verdict.own
    if kind == IssueKind.NEAR_MEMORY:
        return False
    return kind == IssueKind.REPORTED or verdict.row.result not in FAILED


def _issues(verdict: Verdict, limits: Limits) -> list[Issue]:
    row, failure, _ = verdict
    found = [failure.issue(row.function_id, row.started_ns)] if failure is not None else []
    if (near := near_memory(row, limits)) is not None:
        found.append(near)
    return found


def _change_calls(connection: Connection, changes: Iterable[Change], rollups: Rollups) -> None:
    """The calls that an invocation waited for when it ended without them never returned; until then they run."""
    changed = {
        (old.started_ns, old.span_id): verdict.row.result in FAILED
        for old, verdict in changes
        if not old.finished and old.span_result == Result.RUNNING and old.result != verdict.row.result
    }
    if not changed:
        return
    failed: dict[SpanKey, bool] = {}
    for key, kept in open_invocations(connection, changed).items():
        failed |= dict.fromkeys(struct.iter_unpack(">qq", kept.calls), changed[key])
    lock = "" if connection.dialect.name == "sqlite" else "ORDER BY started_ns, span_id FOR UPDATE"
    rows = []
    for stored in select_by_key(
        connection, tables.calls, _CALL_COLUMNS, sorted(failed), suffix=f"AND finished = false {lock}"
    ):
        call = Call(*stored)
        error = UNFINISHED if failed[call.started_ns, call.span_id] else None
        if call.error_type in (None, UNFINISHED) and call.error_type != error:
            rollups.add_call(call, -1)
            rows.append(call._replace(error_type=error))
            rollups.add_call(rows[-1])
    update(connection, tables.calls, rows)
