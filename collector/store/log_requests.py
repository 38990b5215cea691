"""Invocations as functions' logs tell them: one for each run that no tracer told of, in whatever order both come.

All that is known of a request is read and worked out anew, and what differs from what is stored is put right: rows,
sums, issues and link keys change in one commit. See `collector.domain.log_invocations`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from collector.domain.facts import Facts, Function, Invocation, LogPiece, Occurrence, PieceKind, Report
from collector.domain.failures import Failure
from collector.domain.limits import DEFAULT_LIMITS, Limits
from collector.domain.log_invocations import StandIn, attempts, log_trace, outcome, report_of, stand_in
from collector.domain.prices import PriceTable
from collector.domain.reports import fits, nearest
from collector.domain.rollups import Rollups
from collector.store import stitch_queue, tables
from collector.store.issue_rows import SpanKey, near_issues, take_back, upsert_issues
from collector.store.outcomes import lock_invocations
from collector.store.platform_reports import store_reports
from collector.store.statements import delete_by_key, select_by_key, update, write, write_new
from collector.store.stitch_jobs import rejoin

_ADVISORY_LOCK = 0x636C6570  # PostgreSQL's. "clep": pieces; next to the stitcher's and the schema's
_COLUMNS = ", ".join(LogPiece._fields)


class Settled(NamedTuple):
    """Traced invocations that something is reported of, and the traces that the stitcher has to look at."""

    reported: set[SpanKey]
    traces: set[bytes]


class _Request(NamedTuple):
    """What is known of one request of one function."""

    function: Function
    trace_id: bytes
    pieces: list[LogPiece]


def lock_pieces(connection: Connection, group: Iterable[Facts]) -> None:
    """Of two collectors that store lines of one invocation the second sees what the first did. Taken before any row is
    locked, so that neither waits for the other in a circle; commits without log lines go on meanwhile."""
    if connection.dialect.name == "postgresql" and any(facts.pieces for facts in group):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")


def join_logs(
    connection: Connection,
    pieces: Iterable[LogPiece],
    arrived: Collection[Invocation],
    rollups: Rollups,
    *,
    prices: PriceTable,
    limits: Limits = DEFAULT_LIMITS,
) -> Settled:
    """Stores what lines say, and makes true what follows from it and from the spans that arrived."""
    rows = {(*piece[:5],): piece for piece in pieces}
    write(connection, tables.log_pieces, list(rows.values()))
    requests = {piece.request_id for piece in rows.values()}
    traced = {row.request_id for row in arrived if row.request_id is not None}
    # Who sends no logs pays for one look: asking for each request costs ten times that.
    if traced and connection.exec_driver_sql("SELECT 1 FROM log_pieces LIMIT 1").first() is not None:
        requests |= traced
    if not requests:
        return Settled(set(), set())
    return settle_requests(connection, requests, rollups, prices=prices, limits=limits)


def unsettled(connection: Connection, since_ms: int, most: int) -> set[str]:
    """Requests of which both a span and lines came lately: two collectors that each stored one of them at the same
    moment did not see the other's. One process alone, as SQLite has it, sees all."""
    if connection.dialect.name == "sqlite":
        return set()
    found = connection.exec_driver_sql(
        "SELECT p.request_id FROM log_pieces p JOIN invocations i ON i.request_id = p.request_id "  # noqa: S608
        f"WHERE p.received_ms >= %s AND p.kind = {int(PieceKind.REPORT)} "
        f"GROUP BY p.request_id HAVING COUNT(DISTINCT i.trace_id) > 1 LIMIT {most}",
        (since_ms,),
    )
    return {row[0] for row in found}


def settle_requests(
    connection: Connection,
    requests: Collection[str],
    rollups: Rollups,
    *,
    prices: PriceTable,
    limits: Limits = DEFAULT_LIMITS,
) -> Settled:
    """Puts the stand-ins of these requests right, and stores what is reported of traced invocations."""
    keys = [(id,) for id in sorted(requests)]
    pieces = [
        LogPiece(*row)
        for row in select_by_key(connection, tables.log_pieces, _COLUMNS, keys, key_columns=("request_id",))
    ]
    if not pieces:
        return Settled(set(), set())
    keys = sorted({(piece.request_id,) for piece in pieces})
    columns = ", ".join(Invocation._fields)
    rows = [
        Invocation(*row)
        for row in select_by_key(connection, tables.invocations, columns, keys, key_columns=("request_id",))
    ]
    functions = _functions(connection, {piece.function_id for piece in pieces} | {row.function_id for row in rows})
    wanted: dict[SpanKey, StandIn] = {}
    reported: list[tuple[SpanKey, Report]] = []
    asked = _requests(pieces, functions)
    own_traces = {request.trace_id for request in asked}
    by_id: defaultdict[str | None, list[Invocation]] = defaultdict(list)
    for row in rows:
        if row.trace_id not in own_traces:
            by_id[row.request_id].append(row)
    for request in asked:
        spans = [row for row in by_id[request.pieces[0].request_id] if _is_of(row, request.function, functions)]
        for attempt in attempts(request.pieces):
            report = report_of(attempt, request.function)
            span = nearest(report, [row for row in spans if fits(report, row)])
            if span is not None:
                reported.append(((span.started_ns, span.span_id), report))
                continue
            found = stand_in(attempt, request.function, prices=prices)
            wanted[found.row.started_ns, found.row.span_id] = found
    store_reports(connection, reported)
    stored = lock_invocations(connection, [(row.started_ns, row.span_id) for row in rows if row.trace_id in own_traces])
    traces = _put_right(connection, {(row.started_ns, row.span_id): row for row in stored}, wanted, rollups, limits)
    return Settled({key for key, _ in reported}, traces)


def _requests(pieces: Iterable[LogPiece], functions: Mapping[int, Function]) -> list[_Request]:
    """By function: one whose account or region some lines came without is the one that has them."""
    found: defaultdict[tuple[str, str], list[LogPiece]] = defaultdict(list)
    for piece in pieces:
        if piece.function_id in functions:
            found[functions[piece.function_id].name, piece.request_id].append(piece)
    requests = []
    for (name, request_id), group in found.items():
        known = {functions[piece.function_id] for piece in group}
        function = max(known, key=lambda function: (bool(function.region), bool(function.account), function.id))
        # The same line may have come both with and without a region.
        once = {(piece.kind, piece.time_ns, piece.error_type): piece for piece in sorted(group, key=lambda p: p[1])}
        requests.append(_Request(function, log_trace(name, request_id), list(once.values())))
    return requests


def _is_of(row: Invocation, function: Function, functions: Mapping[int, Function]) -> bool:
    other = functions.get(row.function_id)
    if other is None or other.name != function.name:
        return False
    return other.region == function.region or not other.region or not function.region


def _put_right(
    connection: Connection,
    stored: Mapping[SpanKey, Invocation],
    wanted: Mapping[SpanKey, StandIn],
    rollups: Rollups,
    limits: Limits,
) -> set[bytes]:
    """Makes the stand-ins in the tables the wanted ones. Returns the traces that changed."""
    gone = {key: row for key, row in stored.items() if key not in wanted}
    for row in stored.values():
        rollups.add_invocation(row, -1)
    take_back(connection, stored, rollups)
    traces = {row.trace_id for row in gone.values()}
    if gone:
        traces |= _remove(connection, gone)
    changed = [found.row for key, found in wanted.items() if key in stored and found.row != stored[key]]
    update(connection, tables.invocations, changed)
    new = write_new(connection, tables.invocations, [found.row for key, found in wanted.items() if key not in stored])
    here = [found for key, found in wanted.items() if key in stored or key in new]
    for found in here:
        rollups.add_invocation(found.row)
    keys = [link for key, found in wanted.items() if key in new for link in found.link_keys]
    stitch_queue.add(connection, time.time_ns(), {link.trace_id for link in keys}, keys)
    _write_issues(connection, here, rollups, limits)
    return traces | {row.trace_id for row in changed} | {wanted[key].row.trace_id for key in map(_pair, new)}


def _pair(key: Sequence[int]) -> SpanKey:
    return (key[0], key[1])


def _remove(connection: Connection, gone: Mapping[SpanKey, Invocation]) -> set[bytes]:
    """The span of the request is there. Returns the traces of what they had set off: it is linked anew."""
    delete_by_key(connection, tables.invocations, gone.keys())
    keys = [link for row in gone.values() for link in StandIn(row, None).link_keys]
    delete_by_key(connection, tables.link_keys, {link[:4] for link in keys})
    rejoin(connection, {link.key for link in keys}, time.time_ns())
    ends = {(row.trace_id, row.span_id) for row in gone.values()}
    delete_by_key(connection, tables.links, ends, ("consumer_trace_id", "consumer_span_id"))
    consumers = select_by_key(
        connection,
        tables.links,
        "consumer_trace_id",
        sorted({(row.trace_id,) for row in gone.values()}),
        key_columns=("producer_trace_id",),
    )
    return {row[0] for row in consumers}


def _write_issues(connection: Connection, found: Sequence[StandIn], rollups: Rollups, limits: Limits) -> None:
    said = []
    for one in found:
        row, issue = one.row, one.issue
        if issue is not None:
            said.append((issue, Occurrence(issue.id, row.started_ns, row.span_id, row.trace_id)))
            rollups.add_occurrence(said[-1][1], row.whole_cost_pd)
    # No log tells a function's time limit.
    for issue, occurrence in near_issues([one.row for one in found], {}, limits):
        said.append((issue, occurrence))
        rollups.add_occurrence(occurrence, 0)
    upsert_issues(connection, [issue for issue, _ in said])
    write(connection, tables.issue_occurrences, [occurrence for _, occurrence in said])


def _functions(connection: Connection, ids: Iterable[int]) -> dict[int, Function]:
    columns = "id, kind, account, region, name, runtime, architecture, memory_mb, timeout_ms, updated_ms"
    rows = select_by_key(connection, tables.functions, columns, sorted((id,) for id in set(ids)))
    return {row[0]: Function(*row) for row in rows}


def explain(connection: Connection, rows: Sequence[Invocation]) -> dict[SpanKey, Failure]:
    """Why stand-ins failed."""
    keys = sorted({(row.request_id,) for row in rows})
    pieces = [
        LogPiece(*row)
        for row in select_by_key(connection, tables.log_pieces, _COLUMNS, keys, key_columns=("request_id",))
    ]
    functions = _functions(connection, {piece.function_id for piece in pieces})
    wanted = {(row.started_ns, row.trace_id): (row.started_ns, row.span_id) for row in rows}
    return {
        key: failure
        for request in _requests(pieces, functions)
        for attempt in attempts(request.pieces)
        if (key := wanted.get((attempt.started_ns, request.trace_id))) is not None
        and (failure := outcome(attempt)[1]) is not None
    }
