"""One commit: the facts of many requests, each counted once, one statement per table."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from collector.domain.facts import Call, Facts, Function, Invocation, Issue, Occurrence, Resource, Result
from collector.domain.rollups import Rollups
from collector.store import statements, tables
from collector.store.codec import Codec, compress
from collector.store.statements import Conflict, adding, larger, smaller, write, write_new

T = TypeVar("T", Invocation, Call)
SpanKey = tuple[int, int]  # started_ns, span_id

_FUNCTION_STATS = Conflict(
    (
        *adding(
            tables.function_stats,
            "invocations",
            "errors",
            "cold_starts",
            "duration_us",
            "cost_pd",
            "unpriced",
        ).updates,
        larger(tables.function_stats, "max_memory_mb"),
    )
)
_FUNCTION_DURATIONS = adding(tables.function_durations, "count")
_EDGE_STATS = adding(tables.edge_stats, "calls", "errors", "duration_us")
_EDGE_DURATIONS = adding(tables.edge_durations, "count")
_ISSUE_STATS = adding(tables.issue_stats, "occurrences", "cost_pd")


def _latest(table: str, column: str, clock: str) -> str:
    """The value of whichever row was seen last; an unknown value never replaces a known one."""
    old, new = f"{table}.{column}", f"excluded.{column}"
    return (
        f"{column} = CASE WHEN excluded.{clock} >= {table}.{clock} "
        f"THEN COALESCE({new}, {old}) ELSE COALESCE({old}, {new}) END"
    )


_FUNCTIONS = Conflict(
    (
        *(_latest("functions", name, "updated_ms") for name in ("runtime", "architecture", "memory_mb", "timeout_ms")),
        smaller(tables.functions, "first_seen_ms"),
        larger(tables.functions, "updated_ms"),
    )
)
_RESOURCES = Conflict(("arn = COALESCE(resources.arn, excluded.arn)",))
_ISSUES = Conflict(
    (
        _latest("issues", "message", "last_seen_ms"),
        _latest("issues", "culprit", "last_seen_ms"),
        smaller(tables.issues, "first_seen_ms"),
        larger(tables.issues, "last_seen_ms"),
    )
)


class Seen:
    """What this process has written already and need not write again with every commit.

    Only a saving: the statements themselves are idempotent. `confirm` after the commit and `forget` after a rollback,
    so that what did not reach the database is written again.
    """

    MOST = 100_000

    def __init__(self) -> None:
        self._functions: dict[int, Function] = {}
        self._resources: dict[int, Resource] = {}
        self._new_functions: dict[int, Function] = {}
        self._new_resources: dict[int, Resource] = {}

    def new_functions(self, functions: Iterable[Function]) -> list[Function]:
        """Those never written, or written with another configuration."""
        for row in functions:
            known = self._functions.get(row.id)
            if known is None or known._replace(seen_ms=row.seen_ms) != row:
                self._new_functions[row.id] = row
        return list(self._new_functions.values())

    def new_resources(self, resources: Iterable[Resource]) -> list[Resource]:
        """Those never written, or written without the ARN that is known now."""
        for row in resources:
            known = self._resources.get(row.id)
            if known is None or (known.arn is None and row.arn is not None):
                self._new_resources[row.id] = row
        return list(self._new_resources.values())

    def confirm(self) -> None:
        if len(self._functions) + len(self._resources) > self.MOST:
            self._functions.clear()
            self._resources.clear()
        self._functions.update(self._new_functions)
        self._resources.update(self._new_resources)
        self.forget()

    def forget(self) -> None:
        self._new_functions.clear()
        self._new_resources.clear()


def write_facts(connection: Connection, group: Sequence[Facts], seen: Seen) -> None:
    """Writes all facts of the group within the connection's transaction.

    An export that is stored already changes nothing. A span that is stored already changes nothing either, unless it
    was stored unfinished and comes finished: then it takes the old one's place, in the rollups too.
    """
    new = _write_exports(connection, group)
    if not new:
        return
    rollups = Rollups()
    invocations = _write_invocations(connection, new, rollups)
    _write_calls(connection, new, rollups)
    _write_issues(connection, new, invocations, rollups)
    functions = _newest_functions(row for facts in new for row in facts.functions)
    write(
        connection,
        tables.functions,
        [(*row[:9], row.seen_ms, row.seen_ms) for row in seen.new_functions(functions)],
        _FUNCTIONS,
    )
    resources = {row.id: row for facts in new for row in sorted(facts.resources, key=lambda row: row.arn or "")}
    write(connection, tables.resources, seen.new_resources(resources.values()), _RESOURCES)
    write(connection, tables.link_keys, {tuple(row) for facts in new for row in facts.link_keys})
    write(connection, tables.links, {(*row, False) for facts in new for row in facts.links})
    write(connection, tables.trace_exports, {(trace, facts.export.id) for facts in new for trace in facts.traces})
    token = time.time_ns()
    write(connection, tables.stitch_queue, {(token, trace) for facts in new for trace in facts.traces})
    write_rollups(connection, rollups)


def write_rollups(connection: Connection, rollups: Rollups) -> None:
    """Adds the sums to the rollup tables."""
    write(
        connection,
        tables.function_stats,
        [
            (
                *key,
                total.invocations,
                total.errors,
                total.cold_starts,
                total.duration_us,
                total.max_memory_mb,
                total.cost_pd,
                total.unpriced,
            )
            for key, total in rollups.functions.items()
        ],
        _FUNCTION_STATS,
    )
    write(
        connection,
        tables.function_durations,
        [(*key, count) for key, count in rollups.function_durations.items() if count],
        _FUNCTION_DURATIONS,
    )
    write(
        connection,
        tables.edge_stats,
        [(*key, total.calls, total.errors, total.duration_us) for key, total in rollups.edges.items()],
        _EDGE_STATS,
    )
    write(
        connection,
        tables.edge_durations,
        [(*key, count) for key, count in rollups.edge_durations.items() if count],
        _EDGE_DURATIONS,
    )
    write(
        connection,
        tables.issue_stats,
        [(*key, total.occurrences, total.cost_pd) for key, total in rollups.issues.items()],
        _ISSUE_STATS,
    )


def _write_exports(connection: Connection, group: Sequence[Facts]) -> list[Facts]:
    """Stores the exports that are new and returns their facts."""
    by_id = {facts.export.id: facts for facts in group if facts.export.items}
    rows = [
        (export.id, export.signal, int(Codec.ZSTD), export.items, export.received_ms, compress(export.body))
        for export in (facts.export for facts in by_id.values())
    ]
    written = write_new(connection, tables.exports, rows)
    return [facts for id, facts in by_id.items() if (id,) in written]


def _write_invocations(connection: Connection, group: Sequence[Facts], rollups: Rollups) -> dict[SpanKey, Invocation]:
    """Returns the rows that are in the table now because of this group: the new ones and those that replaced one."""
    rows = _finished_first(row for facts in group for row in facts.invocations)
    written = write_new(connection, tables.invocations, list(rows.values()))
    replaced = _replace(connection, tables.invocations.name, Invocation, rows, written)
    for old in replaced.values():
        rollups.add_invocation(old, -1)
    if replaced:
        _take_back_issues(connection, replaced, rollups)
    current = {key: row for key, row in rows.items() if key in written or key in replaced}
    for row in current.values():
        rollups.add_invocation(row)
    return current


def _write_calls(connection: Connection, group: Sequence[Facts], rollups: Rollups) -> None:
    rows = _finished_first(row for facts in group for row in facts.calls)
    written = write_new(connection, tables.calls, list(rows.values()))
    replaced = _replace(connection, tables.calls.name, Call, rows, written)
    for old in replaced.values():
        rollups.add_call(old, -1)
    for key, row in rows.items():
        if key in written or key in replaced:
            rollups.add_call(row)


def _finished_first(rows: Iterable[T]) -> dict[SpanKey, T]:
    """One row for each span: of several the finished one, or else the first."""
    best: dict[SpanKey, T] = {}
    for row in rows:
        key = (row.started_ns, row.span_id)
        if key not in best or (row.finished and not best[key].finished):
            best[key] = row
    return best


def _replace(
    connection: Connection, table: str, shape: type[T], rows: dict[SpanKey, T], written: set[statements.Row]
) -> dict[SpanKey, T]:
    """Puts finished rows in the place of unfinished ones, and returns those that were there before."""
    candidates = [key for key, row in rows.items() if key not in written and row.finished]
    if not candidates:
        return {}
    columns = ", ".join(shape._fields)
    lock = "" if connection.dialect.name == "sqlite" else "FOR UPDATE"
    stored = statements.select_by_key(
        connection, tables.metadata.tables[table], columns, sorted(candidates), suffix=f"AND finished = false {lock}"
    )
    old = {(row[0], row[1]): shape(*row) for row in stored}
    statements.delete_by_key(connection, tables.metadata.tables[table], old.keys())
    write(connection, tables.metadata.tables[table], [rows[key] for key in old])
    return old


def _take_back_issues(connection: Connection, replaced: dict[SpanKey, Invocation], rollups: Rollups) -> None:
    """An invocation that ended after all did not time out: its occurrence goes, and what it added to its issue."""
    traces = sorted({(row.trace_id,) for row in replaced.values()})
    stored = statements.select_by_key(
        connection,
        tables.issue_occurrences,
        "issue_id, started_ns, span_id, trace_id",
        traces,
        key_columns=("trace_id",),
    )
    gone = [row for row in (Occurrence(*row) for row in stored) if (row.started_ns, row.span_id) in replaced]
    statements.delete_by_key(connection, tables.issue_occurrences, [(row[0], row[1], row[2]) for row in gone])
    for row in gone:
        rollups.add_occurrence(row, replaced[row.started_ns, row.span_id].cost_pd, -1)


def _write_issues(
    connection: Connection, group: Sequence[Facts], invocations: dict[SpanKey, Invocation], rollups: Rollups
) -> None:
    occurrences: dict[SpanKey, Occurrence] = {}
    for facts in group:
        # A span may come twice in one group, unfinished and finished: what the stored one's facts say counts.
        stored = {
            (row.started_ns, row.span_id)
            for row in facts.invocations
            if row.result != Result.OK and invocations.get((row.started_ns, row.span_id)) is row
        }
        for occurrence in facts.occurrences:
            if (key := (occurrence.started_ns, occurrence.span_id)) in stored:
                occurrences[key] = occurrence
    wanted = {row.issue_id for row in occurrences.values()}
    issues: dict[int, tuple[Issue, int]] = {}
    for facts in group:
        for issue in facts.issues:
            if issue.id in wanted:
                latest, first_seen_ms = issues.get(issue.id, (issue, issue.seen_ms))
                newer = issue if (issue.seen_ms, issue.message) > (latest.seen_ms, latest.message) else latest
                issues[issue.id] = (newer, min(first_seen_ms, issue.seen_ms))
    write(
        connection,
        tables.issues,
        [(*issue[:5], first_seen_ms, issue.seen_ms, "open") for issue, first_seen_ms in issues.values()],
        _ISSUES,
    )
    write(connection, tables.issue_occurrences, list(occurrences.values()))
    for key, row in occurrences.items():
        rollups.add_occurrence(row, invocations[key].cost_pd)


def _newest_functions(rows: Iterable[Function]) -> list[Function]:
    newest: dict[int, Function] = {}
    for row in rows:
        if row.id not in newest or row.seen_ms >= newest[row.id].seen_ms:
            newest[row.id] = row
    return list(newest.values())
