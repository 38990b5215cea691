"""Keeps `links` what the link keys say: reads the keys that are new, and only as much beside them as may be concerned.

Most keys have one row on either side, and all rows of all keys are read at once. A key of very many rows (an item that
is written all day, an execution of 100,000 steps) is joined row by row: each of them is concerned by its nearest, and
the rare row that concerns very many becomes a job.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import chain

from sqlalchemy import Connection, select

from collector.domain.facts import Link, LinkKey, Side
from collector.domain.links import MAX_NEAR, MAX_PRODUCERS, POINTER_WINDOW_NS, SKEW_NS, age, resolve
from collector.domain.rollups import bucket_starts
from collector.store import stitch_jobs, tables
from collector.store.statements import adding, delete_by_key, existing, select_by_key, select_each, select_pairs, write
from collector.store.stitch_jobs import START, Job, Kind
from collector.store.stitch_reading import among, fetch

ROWS_PER_PASS = 5_000  # that all keys of a pass may have to be read at once
HOT = 200  # rows of a key that is joined row by row, where they are too many
CONSUMERS_PER_SLICE = 200
PRODUCERS_AT_ONCE = 1_000  # of a place; a consumer that is not among them is two statements
NEARBY_NS = 60_000_000_000  # writes of a place, whose consumers are joined anew together
HOT_JOBS_PER_PASS = 2

_keys = tables.link_keys.c
_COLUMNS = "key, side, started_ns, span_id, trace_id, pointer"
_LINK_COLUMNS = ", ".join(Link._fields)
_ROWS_OF = select(_keys.key, _keys.side, _keys.started_ns, _keys.span_id, _keys.trace_id, _keys.pointer).where(
    among(_keys.key)
)
_SIZE_OF = f"SELECT count(*) FROM (SELECT 1 FROM link_keys WHERE key = given.id LIMIT {HOT + 1}) AS found"  # noqa: S608
_ADD_EVENTS = adding(tables.flow_stats, "events")
_CONSUMING = (Side.CONSUMED, Side.RESULT, Side.SHARED)


class HotKeys:
    """Keys that had very many rows when they were last looked at: those need not be read to find out again."""

    MOST = 10_000

    def __init__(self) -> None:
        self._keys: set[int] = set()

    def among(self, keys: set[int]) -> set[int]:
        return self._keys & keys

    def add(self, keys: set[int]) -> None:
        if len(self._keys) + len(keys) > self.MOST:
            self._keys.clear()
        self._keys |= keys


def join(
    connection: Connection, new: Collection[LinkKey], jobs: Sequence[Job], now_ns: int, hot_keys: HotKeys
) -> set[bytes]:
    """Brings `links` up to date with new rows, and with what jobs of Kind.CONSUMERS ask for. Returns the traces to
    which other links lead than before."""
    waiting: defaultdict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        waiting[stitch_jobs.read_key_subject(job.subject)[0]].append(job)
    keys = {row.key for row in new}.union(waiting)
    hot = hot_keys.among(keys)
    rows = fetch(connection, _ROWS_OF, keys - hot, ROWS_PER_PASS)
    if len(rows) > ROWS_PER_PASS:
        sizes = {row[0]: row[1] for row in select_each(connection, _SIZE_OF, keys - hot)}
        hot_keys.add({key for key, size in sizes.items() if size > HOT})
        room = ROWS_PER_PASS
        for key, size in sorted(sizes.items(), key=lambda pair: pair[1]):
            room -= size
            if size > HOT or room < 0:
                hot.add(key)
        rows = fetch(connection, _ROWS_OF, keys - hot)
    relinked = _join_whole(connection, [LinkKey(*row) for row in rows], [row for row in new if row.key not in hot])
    stitch_jobs.finish(connection, [job for key, some in waiting.items() if key not in hot for job in some])
    added: defaultdict[int, list[LinkKey]] = defaultdict(list)
    for row in _there(connection, [row for row in new if row.key in hot]):
        added[row.key].append(row)
    for key, some in added.items():
        relinked |= _join_hot(connection, key, some, now_ns)
    hot_jobs = [job for key in hot for job in waiting.get(key, ())]
    for job in sorted(hot_jobs, key=lambda job: (job.due_ns, job.subject))[:HOT_JOBS_PER_PASS]:
        relinked |= _join_slice(connection, job, now_ns)
    return relinked


def _there(connection: Connection, rows: Collection[LinkKey]) -> list[LinkKey]:
    """Without those that were deleted since they came."""
    found = existing(connection, tables.link_keys, [row[:4] for row in rows])
    return [row for row in rows if row[:4] in found]


def _join_whole(connection: Connection, rows: Collection[LinkKey], new: Collection[LinkKey]) -> set[bytes]:
    """`rows` are all of their keys."""
    # Of a new consumer nothing is stored that is not wanted, and most consumers come after their producer.
    known = set(rows).difference(new)
    return _replace(connection, resolve(rows), [row for row in known if row.side != Side.PRODUCED])


def _join_hot(connection: Connection, key: int, new: Sequence[LinkKey], now_ns: int) -> set[bytes]:
    consumers = [row for row in new if row.side != Side.PRODUCED]
    relinked = _replace(connection, _resolve_some(connection, key, consumers), consumers)
    stitch_jobs.ask(connection, _concerned(connection, key, new, now_ns))
    return relinked


def _concerned(connection: Connection, key: int, new: Sequence[LinkKey], now_ns: int) -> list[Job]:
    """Jobs for the consumers whose links may be others for the new rows' sake."""
    places = sorted(row.started_ns for row in new if row.side == Side.PRODUCED and row.pointer)
    jobs = []
    for index, started_ns in enumerate(places):
        if index + 1 < len(places) and places[index + 1] - started_ns < NEARBY_NS:
            continue  # one job for all that are near to each other
        first = index
        while first and places[first] - places[first - 1] < NEARBY_NS:
            first -= 1
        jobs.append(_around(connection, key, places[first], started_ns, now_ns))
    firsts = {row for side in (Side.PRODUCED, Side.CONSUMED, Side.SHARED) for row in _first(connection, key, side)}
    if any(row in firsts for row in new if not row.pointer):
        jobs.append(Job(Kind.CONSUMERS, stitch_jobs.key_subject(key), now_ns, now_ns, START))
    return jobs


def _around(connection: Connection, key: int, first_ns: int, last_ns: int, now_ns: int) -> Job:
    """The consumers that may go by one of the pointer's producers between the two times: up to where there are as many
    later ones as a consumer looks at; and a little before, unless those have earlier ones to go by."""
    producers = f"key = {key} AND side = {int(Side.PRODUCED)} AND started_ns"
    later = _rows(connection, f"{producers} > {last_ns} ORDER BY started_ns, span_id LIMIT {MAX_NEAR}")
    until_ns = later[-1].started_ns if len(later) == MAX_NEAR else last_ns + POINTER_WINDOW_NS
    begin_ns = first_ns - SKEW_NS
    earlier = _rows(
        connection,
        f"{producers} < {begin_ns} AND started_ns > {first_ns - POINTER_WINDOW_NS} "
        f"ORDER BY started_ns DESC, span_id DESC LIMIT {MAX_NEAR}",
    )
    if len({row.trace_id for row in earlier}) > 1:
        begin_ns = first_ns
    position = stitch_jobs.pack_position(begin_ns, -(2**63))
    return Job(Kind.CONSUMERS, stitch_jobs.key_subject(key, until_ns), now_ns, now_ns, position)


def _join_slice(connection: Connection, job: Job, now_ns: int) -> set[bytes]:
    """The next consumers of the job's key."""
    key, until_ns = stitch_jobs.read_key_subject(job.subject)
    started_ns, span_id = stitch_jobs.unpack_position(job.state)
    found: list[LinkKey] = []
    for side in _CONSUMING:
        found += _rows(
            connection,
            f"key = {key} AND side = {int(side)} AND (started_ns, span_id) > ({started_ns}, {span_id}) "
            f"AND started_ns <= {until_ns} ORDER BY started_ns, span_id LIMIT {CONSUMERS_PER_SLICE}",
        )
    found.sort(key=age)
    some = found[:CONSUMERS_PER_SLICE]
    relinked = _replace(connection, _resolve_some(connection, key, some), some)
    if len(found) < CONSUMERS_PER_SLICE:
        stitch_jobs.finish(connection, [job])
    else:
        position = stitch_jobs.pack_position(some[-1].started_ns, some[-1].span_id)
        stitch_jobs.go_on(connection, job, position, now_ns)
    return relinked


def _resolve_some(connection: Connection, key: int, consumers: Sequence[LinkKey]) -> set[Link]:
    """The links of these consumers, from as few rows as decide on them."""
    rows: set[LinkKey] = set(consumers)
    for side in (Side.PRODUCED, Side.CONSUMED, Side.SHARED):
        rows.update(_first(connection, key, side))
    rows.update(_near(connection, key, sorted({row.started_ns for row in consumers if row.pointer})))
    wanted = {(row.trace_id, row.span_id, row.started_ns) for row in consumers}
    return {
        link
        for link in resolve(rows)
        if (link.consumer_trace_id, link.consumer_span_id, link.consumer_started_ns) in wanted
    }


def _near(connection: Connection, key: int, times: Sequence[int]) -> set[LinkKey]:
    """The producers nearest to each of these times, on either side."""
    if not times:
        return set()
    producers = f"key = {key} AND side = {int(Side.PRODUCED)} AND started_ns"
    # Nearly always all times are near to each other.
    before = _rows(
        connection, f"{producers} <= {times[-1]} ORDER BY started_ns DESC, span_id DESC LIMIT {PRODUCERS_AT_ONCE}"
    )
    found = {*before, *_rows(connection, f"{producers} > {times[-1]} ORDER BY started_ns, span_id LIMIT {MAX_NEAR}")}
    if len(before) < PRODUCERS_AT_ONCE:
        return found
    for started_ns in times[: bisect_left(times, before[-MAX_NEAR].started_ns)]:
        found.update(
            _rows(connection, f"{producers} <= {started_ns} ORDER BY started_ns DESC, span_id DESC LIMIT {MAX_NEAR}")
        )
        found.update(_rows(connection, f"{producers} > {started_ns} ORDER BY started_ns, span_id LIMIT {MAX_NEAR}"))
    return found


def _first(connection: Connection, key: int, side: Side) -> list[LinkKey]:
    return _rows(
        connection, f"key = {key} AND side = {int(side)} ORDER BY started_ns, span_id LIMIT {MAX_PRODUCERS + 1}"
    )


def _rows(connection: Connection, condition: str) -> list[LinkKey]:
    statement = f"SELECT {_COLUMNS} FROM link_keys WHERE {condition}"  # noqa: S608  # numbers of ours
    found = connection.exec_driver_sql(statement).fetchall()
    return [LinkKey(row[0], row[1], row[2], row[3], row[4], bool(row[5])) for row in found]


def _replace(connection: Connection, wanted: Iterable[Link], known: Iterable[LinkKey]) -> set[bytes]:
    """Writes the wanted links and deletes what else is stored of their consumers', and the known ones', keys."""
    wanted = list(wanted)
    consumers = {(row.trace_id, row.key, row.span_id) for row in known}
    # Of a new consumer there may be links too: an earlier pass read its row, if not its place in the queue.
    consumers.update((link.consumer_trace_id, link.key, link.consumer_span_id) for link in wanted)
    pairs = {(trace_id, key) for trace_id, key, _ in consumers}
    found = select_pairs(connection, tables.links, _LINK_COLUMNS, ("consumer_trace_id", "key"), pairs)
    stored = {
        row[:5]: Link(*row)
        for row in map(tuple, found)
        if (row[0], row[1], row[3]) in consumers  # another slice's may have the same trace
    }
    due = {link[:5]: link for link in sorted(wanted, reverse=True)}
    new = [link for id, link in due.items() if id not in stored]
    outdated = [link for id, link in stored.items() if id not in due]
    delete_by_key(connection, tables.links, [link[:5] for link in outdated])
    write(connection, tables.links, new)
    _count_flows(connection, new, outdated)
    return {link.consumer_trace_id for link in chain(new, outdated)}


def _count_flows(connection: Connection, new: Sequence[Link], outdated: Sequence[Link]) -> None:
    """Adds to `flow_stats` where a link leads from a call to one resource to an invocation that another triggered."""
    weighed = [
        ((link.producer_started_ns, link.producer_span_id), (link.consumer_started_ns, link.consumer_span_id), weight)
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
