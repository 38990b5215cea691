"""Puts traces into the transactions that links lead to, as far as one pass may go.

A trace is placed by what it is linked to: its producers' places. Where that makes its own place another, those that it
set off itself are placed next; of very many, by and by.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from sqlalchemy import Connection, select

from collector.domain.transactions import MAX_LINKS_IN, Incoming, Place, Trace, entries, leads, rank, unplaced
from collector.store import tables
from collector.store.statements import Conflict, delete_by_key, select_each, write
from collector.store.stitch_jobs import START, Job, Kind
from collector.store.stitch_reading import among, fetch

ROWS_AT_ONCE = 4_000  # links to the traces of a round, and places of their producers
NEXT_AT_ONCE = 1_000  # traces that those of a round set off; more are a job
ROUNDS = 16  # one behind the other that a pass follows links; the rest of a long chain is for the next
FEW = 100  # that one trace set off are placed at once, even where another one's are a job

_links, _memberships = tables.links.c, tables.memberships.c
_LINKS_TO = select(_links.consumer_trace_id, _links.producer_trace_id, _links.consumer_started_ns, _links.key).where(
    among(_links.consumer_trace_id)
)
_CONSUMERS_OF = select(_links.producer_trace_id, _links.consumer_trace_id).where(among(_links.producer_trace_id))
_PLACES_OF = select(_memberships.trace_id, _memberships.transaction_id, _memberships.begun_ns).where(
    among(_memberships.trace_id)
)
_BEGUN = "SELECT started_ns FROM invocations WHERE trace_id = given.id ORDER BY started_ns LIMIT 1"
_COUNT_TO = (
    f"SELECT count(*) FROM (SELECT 1 FROM links WHERE consumer_trace_id = given.id LIMIT {MAX_LINKS_IN + 1}) AS found"  # noqa: S608
)
_COUNT_FROM = f"SELECT count(*) FROM (SELECT 1 FROM links WHERE producer_trace_id = given.id LIMIT {FEW + 1}) AS found"  # noqa: S608
_SET_OFF_BY = (
    "SELECT DISTINCT consumer_trace_id FROM links WHERE producer_trace_id = {0} AND consumer_trace_id > {0} "
    "ORDER BY consumer_trace_id LIMIT {1}"
)
_RENEW = Conflict(("begun_ns = excluded.begun_ns",))


@dataclass(slots=True)
class Placed:
    """What a pass made of its traces."""

    stored: dict[Trace, Place] = field(default_factory=dict)  # before; without those that had no place
    now: dict[Trace, Place] = field(default_factory=dict)
    left: set[Trace] = field(default_factory=set)  # to be placed by a later pass
    # Of those that set off more than one pass can place: whether their place is another than it was.
    spread: dict[Trace, bool] = field(default_factory=dict)

    def leave(self, traces: set[Trace], told: set[Trace]) -> None:
        """For a later pass; so is what those of them set off that are to tell of what leads to them."""
        self.left |= traces
        for trace in traces & told:
            self.spread.setdefault(trace, False)


def place(
    connection: Connection,
    traces: Collection[Trace],
    relinked: Collection[Trace],
    *,
    review: Collection[Trace] = (),
    most: int,
) -> Placed:
    """Places the traces and, of what they set off, about `most`; writes the difference.

    `relinked` are those to which other links lead than before: what they set off is looked at even if their own place
    stays what it is, as `leads` asks what is behind a producer. So is that of `traces`, of which something arrived, if
    their own spans name what set them off; not that of `review`.
    """
    placed = Placed()
    told = set(relinked)
    round, count, number = {*traces, *review, *told}, 0, 0
    while round:
        if number == ROUNDS or (number and count >= most):
            placed.leave(round, told)
            break
        number += 1
        count += len(round)
        incoming = _incoming(connection, round)
        placed.leave(incoming.postponed, told)
        round -= incoming.postponed
        if number == 1:
            told |= incoming.named.intersection(traces)  # as they came in: whether they are new, nobody has looked
        changed, shifted = _place_round(connection, placed, round, incoming)
        following = _set_off(connection, placed, changed, told & round)
        newly = following - told if shifted else set()
        told |= newly
        # Those that were placed in this round, but are to tell only now, come again.
        round = following - (round - newly) - placed.left
    _write(connection, placed)
    return placed


def consumers_after(connection: Connection, producer: Trace, after: bytes, most: int) -> list[Trace]:
    """What a trace set off, in the order of ids, from one on."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    statement = _SET_OFF_BY.format(mark, most)
    return [row[0] for row in connection.exec_driver_sql(statement, (producer, after)).fetchall()]


def later(spread: Mapping[Trace, bool], now_ns: int) -> list[Job]:
    return [
        Job(Kind.PLACES if changed else Kind.REVIEW, trace, now_ns, now_ns, START) for trace, changed in spread.items()
    ]


def _place_round(
    connection: Connection, placed: Placed, traces: set[Trace], incoming: _Incoming
) -> tuple[set[Trace], bool]:
    """Returns those whose place is another than what those that they set off went by, and whether one of them began at
    another time."""
    producers = {link.producer for trace in traces for link in incoming.links.get(trace, ())}
    _load_places(connection, placed, (traces | producers) - placed.now.keys())

    def place_of(trace: Trace) -> Place:
        return placed.now.get(trace) or placed.stored.get(trace) or unplaced(trace)

    known = {trace: place_of(trace).entries for trace in producers | traces}
    begun = {trace: place_of(trace).begun_ns for trace in producers}
    begun.update((trace, found or 0) for trace, found in select_each(connection, _BEGUN, traces))
    late = {
        link.producer
        for trace in traces
        for link in incoming.links.get(trace, ())
        if rank(link.producer, begun) >= rank(trace, begun)
    }
    behind = _behind(connection, late) if late else {}
    others = {other for found in behind.values() for other in found} - begun.keys()
    _load_places(connection, placed, others - placed.now.keys())
    begun.update((other, place_of(other).begun_ns) for other in others)
    parents = {
        trace: {
            link.producer
            for link in incoming.links.get(trace, ())
            if leads(link, trace, begun, behind.get(link.producer))
        }
        for trace in traces
    }
    changed, shifted = set(), False
    ordered = sorted(traces, key=lambda trace: rank(trace, begun))
    if late:  # a producer may come after what it set off
        ordered = [trace for trace in TopologicalSorter(parents).static_order() if trace in traces]
    for trace in ordered:
        alone = trace in incoming.crowded
        known[trace] = frozenset((trace,)) if alone else entries(trace, [known[other] for other in parents[trace]])
        own, before = Place(begun[trace], known[trace]), place_of(trace)
        if own != before:
            changed.add(trace)
            shifted |= own.begun_ns != before.begun_ns
        placed.now[trace] = own
    return changed, shifted


def _behind(connection: Connection, producers: set[Trace]) -> dict[Trace, set[Trace]]:
    """The traces from which links lead to these; without those that have too many."""
    some = {trace for trace, count in select_each(connection, _COUNT_TO, producers) if count <= MAX_LINKS_IN}
    found: dict[Trace, set[Trace]] = {trace: set() for trace in some}
    for consumer, producer, *_ in fetch(connection, _LINKS_TO, some):
        found[consumer].add(producer)
    return found


@dataclass(slots=True)
class _Incoming:
    """What leads to the traces of a round."""

    links: dict[Trace, set[Incoming]] = field(default_factory=dict)
    crowded: set[Trace] = field(default_factory=set)  # to which too many lead to look at each
    named: set[Trace] = field(default_factory=set)  # to which a link leads that their span itself names
    postponed: set[Trace] = field(default_factory=set)  # which are too much for this pass


def _incoming(connection: Connection, traces: set[Trace]) -> _Incoming:
    incoming = _Incoming()
    rows = fetch(connection, _LINKS_TO, traces, ROWS_AT_ONCE)
    if len(rows) > ROWS_AT_ONCE:
        room, some = ROWS_AT_ONCE, set()
        for trace, count in sorted(select_each(connection, _COUNT_TO, traces), key=lambda pair: pair[1]):
            if count > MAX_LINKS_IN:
                incoming.crowded.add(trace)
            elif count <= room:
                room -= count
                some.add(trace)
            else:
                incoming.postponed.add(trace)
        rows = fetch(connection, _LINKS_TO, some)
    counts: Counter[Trace] = Counter(row[0] for row in rows)
    incoming.crowded |= {trace for trace, count in counts.items() if count > MAX_LINKS_IN}
    for consumer, producer, started_ns, key in rows:
        if consumer not in incoming.crowded:
            incoming.links.setdefault(consumer, set()).add(Incoming(producer, started_ns))
            if key == 0:
                incoming.named.add(consumer)
    return incoming


def _load_places(connection: Connection, placed: Placed, traces: Collection[Trace]) -> None:
    found: defaultdict[Trace, set[Trace]] = defaultdict(set)
    begun: dict[Trace, int] = {}
    for trace, transaction, begun_ns in fetch(connection, _PLACES_OF, set(traces) - placed.stored.keys()):
        found[trace].add(transaction)
        begun[trace] = begun_ns
    placed.stored.update({trace: Place(begun[trace], frozenset(some)) for trace, some in found.items()})


def _set_off(connection: Connection, placed: Placed, changed: set[Trace], told: set[Trace]) -> set[Trace]:
    """What those that changed, or that other links lead to, set off; where that is too much, it is left to jobs."""
    rows = fetch(connection, _CONSUMERS_OF, changed | told, NEXT_AT_ONCE)
    if len(rows) <= NEXT_AT_ONCE:
        return {row[1] for row in rows}
    most, few = NEXT_AT_ONCE, set()
    for trace, count in sorted(select_each(connection, _COUNT_FROM, changed | told), key=lambda pair: pair[1]):
        if count > FEW or count > most:
            placed.spread[trace] = trace in changed or placed.spread.get(trace, False)
        elif count:
            most -= count
            few.add(trace)
    return {row[1] for row in fetch(connection, _CONSUMERS_OF, few)}


def _write(connection: Connection, placed: Placed) -> None:
    old = {
        (transaction, trace, placed.stored[trace].begun_ns)
        for trace in placed.now.keys() & placed.stored.keys()
        for transaction in placed.stored[trace].entries
    }
    new = {(transaction, trace, found.begun_ns) for trace, found in placed.now.items() for transaction in found.entries}
    delete_by_key(connection, tables.memberships, {row[:2] for row in old - new} - {row[:2] for row in new})
    write(connection, tables.memberships, new - old, _RENEW)
