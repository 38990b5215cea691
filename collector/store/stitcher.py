"""Works out from link keys which traces belong to which transaction, and keeps the transactions' rows true.

It reads only what is committed and writes only what follows from it, so it may run at any time, at any collector,
again, and in any order: the outcome is the same. What is to be looked at stands in `stitch_queue`, in the commit that
made it so; nothing is forgotten when a collector dies.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, case, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from collector.domain.facts import FAILED, Link, LinkKey, Result, Side
from collector.domain.links import resolve
from collector.domain.rollups import bucket_starts
from collector.domain.transactions import entries
from collector.store import tables
from collector.store.statements import Conflict, adding, delete_by_key, select_among, select_by_key, write

TRACES_PER_PASS = 2_000
KEYS_PER_PASS = 5_000  # requests wait while a pass runs
_ADD_EVENTS = adding(tables.flow_stats, "events")
_RENEW = Conflict(
    tuple(f"{column.name} = excluded.{column.name}" for column in tables.transactions.columns if not column.primary_key)
)
BUSY_S = 0.2  # until another collector's pass will have ended
_ADVISORY_LOCK = 0x636C6578  # PostgreSQL's; one stitcher at a time among all collectors. "clex": next to the schema's

_keys, _links, _memberships = tables.link_keys.c, tables.links.c, tables.memberships.c
_invocations = tables.invocations.c

_SOME = "[some]"
_FEW_LISTS = 4  # of services; longer transactions are not remembered


def _among(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """One of the values that `_fetch` is given."""
    return column.op("IN", is_comparison=True)(literal_column(_SOME))


_QUEUE = select(tables.stitch_queue.c.token, tables.stitch_queue.c.trace_id).order_by(tables.stitch_queue.c.token)
_KEYS_OF = select(_keys.key).where(_among(_keys.trace_id)).distinct()
_KEY_COUNTS_OF = select(_keys.trace_id, func.count()).where(_among(_keys.trace_id)).group_by(_keys.trace_id)
_CONSUMED_BY = select(_keys.key).where(_among(_keys.trace_id), _keys.side != Side.PRODUCED).distinct()
_ROWS_OF = select(*tables.link_keys.c).where(_among(_keys.key))
_LINKS_TO = select(*tables.links.c).where(_among(_links.consumer_trace_id))
_CONSUMERS_OF = select(_links.consumer_trace_id).where(_among(_links.producer_trace_id)).distinct()
_MEMBERSHIPS_OF = select(_memberships.trace_id, _memberships.transaction_id).where(_among(_memberships.trace_id))
_STARTS_OF = (
    select(_invocations.trace_id, func.min(_invocations.started_ns))
    .where(_among(_invocations.trace_id))
    .group_by(_invocations.trace_id)
)
# As collector.domain.facts.Invocation.ran_ns.
_ran_ns = case(
    (_invocations.finished.is_(True), _invocations.duration_ns),
    else_=func.coalesce(_invocations.reported_ns, _invocations.duration_ns),
)
# Sums per distinct list of services: a transaction of many invocations has few distinct ones.
_SUMS_OF = (
    select(
        _memberships.transaction_id,
        _invocations.services,
        func.min(_invocations.started_ns).label("started_ns"),
        func.max(_invocations.started_ns + _ran_ns).label("ended_ns"),
        func.count().label("invocations"),
        func.count().filter(_invocations.result.in_(FAILED)).label("failed"),
        func.sum(_invocations.reported_issues).label("reported_issues"),
        func.count().filter(_invocations.result == Result.RUNNING).label("running"),
        func.count().filter(_invocations.cold_start.is_(True)).label("cold_starts"),
        func.count(_invocations.cost_pd).label("priced"),
        func.sum(_invocations.cost_pd).label("cost_pd"),
        func.sum(_invocations.calls_cost_pd).label("calls_cost_pd"),
        func.sum(_invocations.unpriced_calls).label("unpriced_calls"),
    )
    .select_from(tables.memberships.join(tables.invocations, _invocations.trace_id == _memberships.trace_id))
    .where(_among(_memberships.transaction_id))
    .group_by(_memberships.transaction_id, _invocations.services)
)
_entry_rank = (
    func.row_number()
    .over(
        partition_by=_memberships.transaction_id,
        # The entry trace's earliest invocation; where the entry itself ran no function, the earliest of all.
        order_by=(
            (_memberships.trace_id != _memberships.transaction_id),
            _invocations.started_ns,
            _invocations.span_id,
        ),
    )
    .label("rank")
)
_ranked = (
    select(
        _memberships.transaction_id,
        _invocations.started_ns,
        _invocations.span_id,
        _invocations.function_id,
        _invocations.trigger,
        _invocations.trigger_resource_id,
        _invocations.result,
        _entry_rank,
    )
    .select_from(tables.memberships.join(tables.invocations, _invocations.trace_id == _memberships.trace_id))
    .where(_among(_memberships.transaction_id))
    .subquery()
)
_ENTRIES_OF = select(_ranked).where(_ranked.c.rank == 1)


class Stitcher:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run_pass(self, most: int = TRACES_PER_PASS) -> float | None:
        """Takes up to `most` traces from the queue, in one transaction. Returns after how many seconds the next pass
        is due: None where the queue is empty.

        On PostgreSQL it does nothing while another collector's pass runs; the queue is theirs as well as ours.
        """
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql" and not connection.scalar(
                select(func.pg_try_advisory_xact_lock(_ADVISORY_LOCK))
            ):
                return BUSY_S
            queued = [tuple(row) for row in connection.execute(_QUEUE.limit(most))]
            if not queued:
                return None
            taken = _affordable(connection, queued)
            traces = {trace for _, trace in taken}
            relinked = _join_links(connection, traces)
            _regroup(connection, traces, relinked)
            delete_by_key(connection, tables.stitch_queue, taken)
            return 0.0 if len(queued) == most or len(taken) < len(queued) else None


def _affordable(connection: Connection, queued: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """As much of the queue's head as has no more than KEYS_PER_PASS link keys, but at least the first trace."""
    keys = dict(_fetch(connection, _KEY_COUNTS_OF, {trace for _, trace in queued}))
    taken: list[tuple[Any, ...]] = []
    total = 0
    for token, trace in queued:
        total += keys.pop(trace, 0)
        if taken and total > KEYS_PER_PASS:
            break
        taken.append((token, trace))
    return taken


def _join_links(connection: Connection, traces: set[bytes]) -> set[bytes]:
    """Brings `links` up to date with the link keys of these traces; returns the consumers whose links changed."""
    keys = {key for (key,) in _fetch(connection, _KEYS_OF, traces)}
    rows = [LinkKey(*row) for row in _fetch(connection, _ROWS_OF, keys)]
    # A consumer is looked at with all that it consumed, because all links that its keys gave before are replaced.
    consumers = {row.trace_id for row in rows if row.side != Side.PRODUCED}
    further = {key for (key,) in _fetch(connection, _CONSUMED_BY, consumers)} - keys
    rows.extend(LinkKey(*row) for row in _fetch(connection, _ROWS_OF, further))
    spans = {(row.trace_id, row.span_id) for row in rows if row.side != Side.PRODUCED and row.trace_id in consumers}
    derived = {link for link in resolve(rows) if (link.consumer_trace_id, link.consumer_span_id) in spans}
    stored = {Link(*row[:4]): bool(row[4]) for row in _fetch(connection, _LINKS_TO, consumers)}
    outdated = {
        link
        for link, was_derived in stored.items()
        if was_derived and (link.consumer_trace_id, link.consumer_span_id) in spans and link not in derived
    }
    new = derived - stored.keys()
    delete_by_key(connection, tables.links, outdated)
    write(connection, tables.links, [(*link, True) for link in new])
    _count_flows(connection, rows, new, outdated)
    return {link.consumer_trace_id for link in new | outdated}


def _count_flows(
    connection: Connection, rows: Iterable[LinkKey], new: Iterable[Link], outdated: Iterable[Link]
) -> None:
    """Adds to `flow_stats` where a link leads from a call to one resource to an invocation that another triggered."""
    started = {(row.trace_id, row.span_id): (row.started_ns, row.span_id) for row in rows}
    weighed = [
        (
            started[link.producer_trace_id, link.producer_span_id],
            started[link.consumer_trace_id, link.consumer_span_id],
            weight,
        )
        for links, weight in ((new, 1), (outdated, -1))
        for link in links
    ]
    reached = {
        (row[0], row[1]): row[2]
        for row in select_by_key(
            connection, tables.calls, "started_ns, span_id, resource_id", sorted({call for call, _, _ in weighed})
        )
    }
    triggered = {
        (row[0], row[1]): row[2]
        for row in select_by_key(
            connection,
            tables.invocations,
            "started_ns, span_id, trigger_resource_id",
            sorted({invocation for _, invocation, _ in weighed}),
        )
    }
    flows: Counter[tuple[int, int, int, int]] = Counter()
    for call, invocation, weight in weighed:
        source, target = reached.get(call), triggered.get(invocation)
        if source is not None and target is not None and source != target:
            for resolution, start_s in bucket_starts(invocation[0]):
                flows[source, target, resolution, start_s] += weight
    write(connection, tables.flow_stats, [(*key, events) for key, events in flows.items() if events], _ADD_EVENTS)


def _regroup(connection: Connection, traces: set[bytes], relinked: set[bytes]) -> None:
    """Puts every trace that may have changed transactions where it belongs, and renews the transactions touched."""
    before = _memberships_of(connection, traces)
    changed = {transaction for trace in traces for transaction in before.get(trace, ())}
    # A trace that is known and whose links are what they were stays where it is: only its transactions' sums change.
    moved = {trace for trace in traces if trace not in before} | relinked | _misplaced(connection, before)
    if moved:
        affected, parents, known = _neighbourhood(connection, moved)
        starts = dict(_fetch(connection, _STARTS_OF, affected))
        after = entries(affected, parents, known, starts)
        changed |= _move(connection, _memberships_of(connection, affected), after)
    _renew(connection, changed)


def _misplaced(connection: Connection, placed: dict[bytes, set[bytes]]) -> set[bytes]:
    """Those of the placed traces that what came since puts elsewhere: span links, written as they come in, or an
    earlier start in a circle of links, whose earliest trace is the entry of all."""
    parents = _parents_of(connection, placed)
    entries_of = _memberships_of(connection, {parent for found in parents.values() for parent in found})
    relinked = {
        trace
        for trace, found in parents.items()
        if placed[trace] != {entry for parent in found for entry in entries_of.get(parent, {parent})}
    }
    circular = _parents_of(connection, {entry for found in placed.values() for entry in found}).keys()
    return relinked | {trace for trace, found in placed.items() if found & circular}


def _parents_of(connection: Connection, traces: Collection[bytes]) -> dict[bytes, set[bytes]]:
    """The producers that links lead from; traces without any are left out."""
    found: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for consumer, producer, *_ in _fetch(connection, _LINKS_TO, traces):
        found[consumer].add(producer)
    return dict(found)


def _neighbourhood(
    connection: Connection, moved: set[bytes]
) -> tuple[set[bytes], dict[bytes, set[bytes]], dict[bytes, set[bytes]]]:
    """Everything downstream of the moved traces, the parents of all that, and the entries of parents outside it.

    A parent that has no entries yet (nothing of it has arrived, or the queue still holds it) is taken in too.
    """
    affected: set[bytes] = set()
    parents: dict[bytes, set[bytes]] = {}
    known: dict[bytes, set[bytes]] = {}
    frontier = moved
    while frontier:
        while frontier:
            affected |= frontier
            frontier = {row[0] for row in _fetch(connection, _CONSUMERS_OF, frontier)} - affected
        parents = _parents_of(connection, affected)
        outside = {parent for found in parents.values() for parent in found} - affected
        known = _memberships_of(connection, outside)
        frontier = {parent for parent in outside if parent not in known}
    return affected, parents, known


def _move(connection: Connection, before: dict[bytes, set[bytes]], after: dict[bytes, frozenset[bytes]]) -> set[bytes]:
    """Writes the difference; returns the transactions that gained or lost a trace."""
    old = {(transaction, trace) for trace, found in before.items() for transaction in found}
    new = {(transaction, trace) for trace, found in after.items() for transaction in found}
    delete_by_key(connection, tables.memberships, old - new)
    write(connection, tables.memberships, new - old)
    return {transaction for transaction, _ in old ^ new}


def _renew(connection: Connection, transactions: set[bytes]) -> None:
    """Works these transactions' rows out anew; one without invocations has none."""
    sums: defaultdict[bytes, list[tuple[Any, ...]]] = defaultdict(list)
    for row in _fetch(connection, _SUMS_OF, transactions):
        sums[row[0]].append(row[1:])
    rows = []
    for entry in _fetch(connection, _ENTRIES_OF, transactions):
        id, started_ns, span_id, function_id, trigger, trigger_resource_id, result, _ = entry
        parts = sums[id]
        services, starts, ends, counts, failed, reported, running, cold_starts, *money = zip(*parts, strict=True)
        priced, costs, calls_costs, unpriced_calls = money
        rows.append(
            (
                id,
                min(starts),
                max(ends),
                started_ns,
                span_id,
                function_id,
                trigger,
                trigger_resource_id,
                result,
                sum(counts),
                sum(failed),
                int(sum(reported)),
                sum(running),
                sum(cold_starts),
                int(sum(cost or 0 for cost in costs)) if any(priced) else None,
                _merge_services(services, counts),
                int(sum(calls_costs)),
                int(sum(unpriced_calls)),
            )
        )
    delete_by_key(connection, tables.transactions, {(id,) for id in transactions}.difference((row[0],) for row in rows))
    write(connection, tables.transactions, rows, _RENEW)


def _merge_services(lists: tuple[str, ...], times: tuple[int, ...]) -> str:
    """`s3 2,sqs 1` of three invocations and `s3 1` of one: `s3 7,sqs 3`."""
    return _add_services(lists, times) if len(lists) <= _FEW_LISTS else _add_services.__wrapped__(lists, times)


@lru_cache(maxsize=1024)  # most transactions do what others did before them: 0.2 µs instead of 10
def _add_services(lists: tuple[str, ...], times: tuple[int, ...]) -> str:
    total: Counter[str] = Counter()
    for services, count in zip(lists, times, strict=True):
        for part in services.split(",") if services else ():
            name, _, calls = part.rpartition(" ")
            total[name] += int(calls) * count
    return ",".join(f"{name} {count}" for name, count in sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))


def _memberships_of(connection: Connection, traces: Collection[bytes]) -> dict[bytes, set[bytes]]:
    found: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for trace, transaction in _fetch(connection, _MEMBERSHIPS_OF, traces):
        found[trace].add(transaction)
    return dict(found)


def _fetch(connection: Connection, statement: Select[Any], values: Collection[Any]) -> Sequence[tuple[Any, ...]]:
    """All rows for these values, however many the statement's list may hold at once."""
    return select_among(connection, _compiled(statement, connection.dialect.name), _SOME, values)


@cache
def _compiled(statement: Select[Any], dialect: str) -> str:
    """As text, once: for SQLAlchemy to expand the lists took a third of all stitching."""
    made = sqlite.dialect() if dialect == "sqlite" else postgresql.dialect()  # type: ignore[no-untyped-call]
    return str(statement.compile(dialect=made, compile_kwargs={"literal_binds": True}))
