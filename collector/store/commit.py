"""One commit: the facts of many requests, each counted once, one statement per table."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from collector.domain.facts import Call, Facts, Function, Invocation, Occurrence, Resource, Result
from collector.domain.limits import DEFAULT_LIMITS, Limits
from collector.domain.prices import PriceTable, default_prices
from collector.domain.rollups import Rollups
from collector.domain.throttles import throttle_issue
from collector.store import statements, stitch_queue, tables
from collector.store.codec import NEWEST, compress
from collector.store.issue_rows import SpanKey, latest, near_issues, settle_lessened, take_back, write_issues
from collector.store.log_requests import join_logs, lock_pieces
from collector.store.outcomes import change_outcomes
from collector.store.platform_reports import join_reports
from collector.store.refusals import write_refusals
from collector.store.rollup_rows import write_rollups
from collector.store.statements import Conflict, delete_by_key, larger, smaller, update, write, write_new
from collector.store.tag_rows import count_tags, tags_of

T = TypeVar("T", Invocation, Call)

_FUNCTIONS = Conflict(
    (
        *(latest("functions", name, "updated_ms") for name in ("runtime", "architecture", "memory_mb", "timeout_ms")),
        smaller(tables.functions, "first_seen_ms"),
        larger(tables.functions, "updated_ms"),
    )
)
_RESOURCES = Conflict(("arn = COALESCE(resources.arn, excluded.arn)", larger(tables.resources, "written_ms")))
_UNFINISHED = Conflict(tuple(f"{name} = excluded.{name}" for name in ("deadline_ns", "culprit", "calls")))


class Seen:
    """What this process has written already and need not write again with every commit.

    Only a saving: the statements themselves are idempotent. `confirm` after the commit and `forget` after a rollback,
    so that what did not reach the database is written again. It is forgotten now and then: retention deletes functions
    and resources that were not written for longer than FORGET_S and that nothing names any more.
    """

    MOST = 100_000
    FORGET_S = 3600.0

    def __init__(self) -> None:
        self._forget_at = time.monotonic() + self.FORGET_S
        self._functions: dict[int, Function] = {}
        self._resources: dict[int, Resource] = {}
        self._new_functions: dict[int, Function] = {}
        self._new_resources: dict[int, Resource] = {}

    def new_functions(self, functions: Iterable[Function]) -> list[Function]:
        """Those never written, or written with another configuration."""
        for row in functions:
            known = self._functions.get(row.id)
            if known is None or (known._replace(seen_ms=row.seen_ms) != row and _describes(row)):
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
        if len(self._functions) + len(self._resources) > self.MOST or time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + self.FORGET_S
            self._functions.clear()
            self._resources.clear()
        self._functions.update(self._new_functions)
        self._resources.update(self._new_resources)
        self.forget()

    def forget(self) -> None:
        self._new_functions.clear()
        self._new_resources.clear()


def write_facts(
    connection: Connection,
    group: Sequence[Facts],
    seen: Seen,
    *,
    prices: PriceTable | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Writes all facts of the group within the connection's transaction.

    An export that is stored already changes nothing. A span that is stored already changes nothing either, unless it
    was stored unfinished and comes finished, or later unfinished: then it takes the old one's place, in the rollups
    too. What the platform reports of an invocation corrects its row and what it had added to the rollups. One that only
    its function's log tells of has a row until its span comes.
    """
    lock_pieces(connection, group)
    new = _write_exports(connection, group)
    if not new:
        return
    rollups = Rollups()
    functions = _newest_functions(row for facts in new for row in facts.functions)
    write(
        connection,
        tables.functions,
        [(*row[:9], row.seen_ms, row.seen_ms) for row in seen.new_functions(functions)],
        _FUNCTIONS,
    )
    traces = {trace for facts in new for trace in facts.traces}
    traces |= _write_invocations(connection, new, rollups, prices or default_prices(), limits)
    for facts in new:
        for age in facts.ages:
            rollups.add_age(age)
    resources = {row.id: row for facts in new for row in sorted(facts.resources, key=lambda row: row.arn or "")}
    received_ms = max(facts.export.received_ms for facts in new)
    named = [(*row, received_ms) for row in seen.new_resources(resources.values())]
    write(connection, tables.resources, named, _RESOURCES)
    write(connection, tables.links, {row[:5]: row for facts in new for row in facts.links}.values())
    write(connection, tables.trace_exports, {(trace, facts.export.id) for facts in new for trace in facts.traces})
    stitch_queue.add(connection, time.time_ns(), traces, (row for facts in new for row in facts.link_keys))
    settle_lessened(connection, rollups)
    write_rollups(connection, rollups)


def _write_exports(connection: Connection, group: Sequence[Facts]) -> list[Facts]:
    """Stores the exports that are new and returns their facts."""
    by_id = {facts.export.id: facts for facts in group if facts.export.items}
    rows = [
        (
            *(export.id, export.signal, int(NEWEST), export.items, export.received_ms),
            b"".join(sorted(traces)),
            compress(export.body),
        )
        for export, traces in ((facts.export, facts.traces) for facts in by_id.values())
    ]
    written = write_new(connection, tables.exports, rows)
    return [facts for id, facts in by_id.items() if (id,) in written]


def _write_invocations(
    connection: Connection, group: Sequence[Facts], rollups: Rollups, prices: PriceTable, limits: Limits
) -> set[bytes]:
    """Writes invocations, calls and all that is said of them. Returns the traces whose invocations changed by what the
    platform reports."""
    rows = _best(row for facts in group for row in facts.invocations)
    written = write_new(connection, tables.invocations, list(rows.values()))
    replaced = _replace(connection, tables.invocations.name, Invocation, rows, written)
    # The rows that are in the table now because of this group: the new ones and those that replaced one.
    current = {key: row for key, row in rows.items() if key in written or key in replaced}
    for old in replaced.values():
        rollups.add_invocation(old, -1)
    for row in current.values():
        rollups.add_invocation(row)
    calls = _write_calls(connection, group, rollups)
    if replaced:
        take_back(connection, replaced, rollups)
        count_tags(tags_of(connection, replaced), replaced, rollups, -1)
        for table in (tables.invocation_tags, tables.unfinished):
            delete_by_key(connection, table, replaced.keys(), ("started_ns", "span_id"))
    # A span may come several times in one group: only what is said beside the version that is stored counts.
    own = [
        (facts, {key for row in facts.invocations if current.get(key := (row.started_ns, row.span_id)) is row})
        for facts in group
        if facts.occurrences or facts.tags or facts.unfinished
    ]
    timeouts_ms = {row.id: row.timeout_ms for facts in group for row in facts.functions if row.timeout_ms}
    free = near_issues(current.values(), timeouts_ms, limits)
    free.extend(
        (throttle_issue(row), Occurrence(throttle_issue(row).id, row.started_ns, row.span_id, row.trace_id))
        for row in {row[:2]: row for facts in group for row in facts.throttles if row[:2] in calls}.values()
    )
    free.extend(write_refusals(connection, (row for facts in group for row in facts.refusals)))
    write_issues(connection, own, current, rollups, free)
    tags = {row[:3]: row for facts, keys in own for row in facts.tags if row[:2] in keys}.values()
    write(connection, tables.invocation_tags, tags)
    count_tags(tags, current, rollups)
    open_ones = {row[:2]: row for facts, keys in own for row in facts.unfinished if row[:2] in keys}
    write(connection, tables.unfinished, open_ones.values(), _UNFINISHED)
    logged = join_logs(
        connection,
        [piece for facts in group for piece in facts.pieces],
        current.values(),
        rollups,
        prices=prices,
        limits=limits,
    )
    changes = join_reports(
        connection,
        [report for facts in group for report in facts.reports],
        current,
        replaced.keys() | logged.reported,
        received_ms=group[0].export.received_ms,
        prices=prices,
    )
    return logged.traces | (change_outcomes(connection, changes, rollups, limits=limits) if changes else set())


def _write_calls(connection: Connection, group: Sequence[Facts], rollups: Rollups) -> Collection[SpanKey]:
    """Returns the keys of those that are in the table now because of this group."""
    rows = _best(row for facts in group for row in facts.calls)
    written = write_new(connection, tables.calls, list(rows.values()))
    replaced = _replace(connection, tables.calls.name, Call, rows, written)
    for old in replaced.values():
        rollups.add_call(old, -1)
    current = rows.keys() & (written | replaced.keys())
    for key in current:
        rollups.add_call(rows[key])
    return current


def _best(rows: Iterable[T]) -> dict[SpanKey, T]:
    """One row for each span: of several the first finished one, or else the one that was open longest."""
    best: dict[SpanKey, T] = {}
    for row in rows:
        key = (row.started_ns, row.span_id)
        known = best.get(key)
        if known is None or (not known.finished and _completeness(row) > _completeness(known)):
            best[key] = row
    return best


def _completeness(row: Invocation | Call) -> tuple[bool, int, bool]:
    """Which of two versions of one span says more. What was worked out since is left out: that holds for both."""
    known = row.span_result != Result.RUNNING if isinstance(row, Invocation) else row.error_type is not None
    return row.finished, row.duration_ns, known


def _replace(
    connection: Connection, table: str, shape: type[T], rows: dict[SpanKey, T], written: set[statements.Row]
) -> dict[SpanKey, T]:
    """Puts rows that say more in the place of unfinished ones, and returns those that were there before."""
    candidates = [key for key in rows if key not in written]
    if not candidates:
        return {}
    lock = "" if connection.dialect.name == "sqlite" else "ORDER BY started_ns, span_id FOR UPDATE"
    stored = statements.select_by_key(
        connection,
        tables.metadata.tables[table],
        ", ".join(shape._fields),
        sorted(candidates),
        suffix=f"AND finished = false {lock}",
    )
    old = {(row[0], row[1]): shape(*row) for row in stored}
    old = {key: row for key, row in old.items() if _completeness(rows[key]) > _completeness(row)}
    update(connection, tables.metadata.tables[table], [rows[key] for key in old])
    return old


def _describes(row: Function) -> bool:
    """Whether it tells more than a name, as one does not that somebody else called in vain."""
    return row.runtime is not None or row.memory_mb is not None or row.timeout_ms is not None


def _newest_functions(rows: Iterable[Function]) -> list[Function]:
    newest: dict[int, Function] = {}
    for row in rows:
        known = newest.get(row.id)
        if known is None or (_describes(row), row.seen_ms) >= (_describes(known), known.seen_ms):
            newest[row.id] = row
    return list(newest.values())
