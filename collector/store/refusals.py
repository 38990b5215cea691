"""Asynchronous events that Lambda refused to run: each is counted once, for the function that would have run.

A destination's record names the function. A dead-letter queue's message names only the request: whoever invoked it
knows which function that was, or an earlier try that ran. The request's link key finds them, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection

from collector.domain.arns import parse_arn
from collector.domain.facts import Issue, Occurrence, Refusal, Side
from collector.domain.rollups import Rollups
from collector.domain.throttles import refusal_issue, refused_function
from collector.store import tables
from collector.store.issue_rows import upsert_issues
from collector.store.rollup_rows import write_rollups
from collector.store.statements import select_by_key, update, write, write_new

_COLUMNS = ", ".join(Refusal._fields)
_WAITING = "SELECT 1 FROM refused_events WHERE function_id IS NULL LIMIT 1"
_MOST_ROWS = 2_500  # of link keys that are looked at, as in a pass of the stitcher
_Found = tuple[Issue, Occurrence]


def write_refusals(connection: Connection, told: Iterable[Refusal]) -> list[_Found]:
    """Stores what is new of these. Returns what is to be counted: events whose function is known now, and was not."""
    rows: dict[int, Refusal] = {}
    for row in told:
        known = rows.get(row.key)
        if known is None or (known.function_id is None and row.function_id is not None):
            rows[row.key] = row
    if not rows:
        return []
    new = write_new(connection, tables.refused_events, list(rows.values()))
    counted = [row for key, row in rows.items() if (key,) in new and row.function_id is not None]
    named = {key: row for key, row in rows.items() if (key,) not in new and row.function_id is not None}
    counted.extend(_name(connection, {key: row.function_id for key, row in named.items()}))
    return [refusal_issue(row, row.function_id) for row in counted if row.function_id is not None]


def settle_refusals(connection: Connection, keys: Collection[int]) -> None:
    """Counts events with these keys whose function became known: the stitcher calls it with keys that gained a row."""
    # Nearly always no event waits: one look takes 31 µs, however many keys there are.
    if not keys or connection.exec_driver_sql(_WAITING).first() is None:
        return
    waiting = {row.key for row in _waiting(connection, keys, lock=False)}
    if not waiting:
        return
    counted = [row for row in _name(connection, _functions_of(connection, waiting)) if row.function_id is not None]
    found = [refusal_issue(row, row.function_id or 0) for row in counted]
    rollups = Rollups()
    upsert_issues(connection, [issue for issue, _ in found])
    for _, occurrence in found:
        rollups.add_occurrence(occurrence, 0)
    write(connection, tables.issue_occurrences, [occurrence for _, occurrence in found])
    write_rollups(connection, rollups)


def _waiting(connection: Connection, keys: Collection[int], *, lock: bool) -> list[Refusal]:
    suffix = "ORDER BY key FOR UPDATE" if lock and connection.dialect.name != "sqlite" else ""
    found = select_by_key(
        connection,
        tables.refused_events,
        _COLUMNS,
        sorted((key,) for key in keys),
        suffix=f"AND function_id IS NULL {suffix}",
    )
    return [Refusal(*row) for row in found]


def _name(connection: Connection, functions: dict[int, int | None]) -> list[Refusal]:
    """Writes which functions, by key, were to run. Returns the rows that were without one until now."""
    if not functions:
        return []
    rows = [row._replace(function_id=functions[row.key]) for row in _waiting(connection, functions, lock=True)]
    update(connection, tables.refused_events, rows)
    return rows


def _functions_of(connection: Connection, keys: Collection[int]) -> dict[int, int | None]:
    """By key: of an earlier try that ran, else of the call that invoked it. Makes the functions that are not known."""
    spans: dict[Side, dict[tuple[int, int], int]] = {side: {} for side in Side}
    for key, side, started_ns, span_id in select_by_key(
        connection,
        tables.link_keys,
        "key, side, started_ns, span_id",
        sorted((key,) for key in keys),
        key_columns=("key",),
        suffix=f"ORDER BY key, side, started_ns, span_id LIMIT {_MOST_ROWS}",
    ):
        spans[Side(side)][started_ns, span_id] = key
    found: dict[int, int | None] = {}
    calls = spans[Side.PRODUCED]
    rows = select_by_key(connection, tables.calls, "started_ns, span_id, function_id, resource_id", sorted(calls))
    callers = _by_id(connection, "functions", "account", {row[2] for row in rows})
    targets = _by_id(connection, "resources", "service, region, name, arn", {row[3] for row in rows})
    made = {}
    for started_ns, span_id, caller, resource in sorted(map(tuple, rows), reverse=True):  # the first call counts
        service, region, name, arn = targets.get(resource, ("", "", "", None))
        parsed = parse_arn(arn) if arn else None
        account = parsed.account if parsed is not None else callers.get(caller, ("",))[0]
        function = refused_function(account, region, name, started_ns) if service == "lambda" else None
        if function is not None:
            made[function.id] = function
            found[calls[started_ns, span_id]] = function.id
    write(connection, tables.functions, [(*row[:9], row.seen_ms, row.seen_ms) for row in made.values()])
    runs = spans[Side.CONSUMED] | spans[Side.SHARED]
    for started_ns, span_id, function_id in select_by_key(
        connection, tables.invocations, "started_ns, span_id, function_id", sorted(runs)
    ):
        found[runs[started_ns, span_id]] = function_id
    return found


def _by_id(connection: Connection, table: str, columns: str, ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    found = select_by_key(connection, tables.metadata.tables[table], f"id, {columns}", sorted((id,) for id in ids))
    return {row[0]: tuple(row[1:]) for row in found}
