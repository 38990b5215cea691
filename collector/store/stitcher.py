"""Works out from link keys which traces belong to which transaction, and keeps the transactions' rows true.

It reads only what is committed and writes only what follows from it, so it may run at any time, at any collector,
again, and in any order: the outcome is the same. What is to be looked at stands in `stitch_queue`, in the commit that
made it so, and what is too much for one pass in `stitch_jobs`; nothing is forgotten when a collector dies.

Requests wait while a pass runs, so each step of it is bounded: keys, links, traces and invocations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from collector.domain.facts import LinkKey
from collector.store import placement, stitch_jobs, tables
from collector.store.link_rows import HotKeys, join
from collector.store.refusals import settle_refusals
from collector.store.statements import delete_by_key, select_among, write
from collector.store.stitch_jobs import Job, Kind
from collector.store.transaction_sums import ROWS_PER_SLICE, renew, sum_slice

TRACES_PER_PASS = 500
# More than 500 traces bring, mostly: where they bring more, keys are counted and read twice (113 µs for each export
# instead of 75).
KEYS_PER_PASS = 1_500
JOINS_PER_PASS = 200  # jobs of keys that are joined anew; nearly all have a row or two
JOBS_PER_PASS = 20  # of a kind that are gone on with
SPREAD_PER_PASS = 200  # traces that are placed anew for another one's sake
BUSY_S = 0.2  # until another collector's pass will have ended
JOBS_PAUSE_S = 0.05  # between passes that only go on with jobs: a slice takes a fifth of that
_ADVISORY_LOCK = 0x636C6578  # PostgreSQL's; one stitcher at a time among all collectors. "clex": next to the schema's

_QUEUE = select(tables.stitch_queue.c.token, tables.stitch_queue.c.trace_id).order_by(
    tables.stitch_queue.c.token, tables.stitch_queue.c.trace_id
)
_COLUMNS = "key, side, started_ns, span_id, trace_id, pointer"
_NEW_KEYS = f"SELECT {_COLUMNS}, token FROM link_keys WHERE trace_id IN [some] AND token BETWEEN "  # noqa: S608
_COUNTS = "SELECT trace_id, token, count(*) FROM link_keys WHERE trace_id IN [some] AND token BETWEEN "

Queued = tuple[int, bytes]  # token, trace id


class Stitcher:
    def __init__(self, engine: Engine, clock: Callable[[], int] = time.time_ns) -> None:
        """`clock` tells nanoseconds since 1970."""
        self._engine = engine
        self._clock = clock
        self._hot_keys = HotKeys()

    def run_pass(self, most: int = TRACES_PER_PASS) -> float | None:
        """Takes up to `most` traces from the queue and goes on with jobs, in one transaction. Returns after how many
        seconds the next pass is due: None where nothing is left.

        On PostgreSQL it does nothing while another collector's pass runs; the queue is theirs as well as ours.
        """
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql" and not connection.scalar(
                select(func.pg_try_advisory_xact_lock(_ADVISORY_LOCK))
            ):
                return BUSY_S
            now_ns = self._clock()
            queued: list[Queued] = [(row[0], row[1]) for row in connection.execute(_QUEUE.limit(most))]
            due_ns = stitch_jobs.next_due_ns(connection)
            if queued or (due_ns is not None and due_ns <= now_ns):
                taken, left = self._work(connection, queued, now_ns, due_ns)
                if len(queued) == most or len(taken) < len(queued):
                    return 0.0
                if left:
                    return JOBS_PAUSE_S
                due_ns = stitch_jobs.next_due_ns(connection)
            return None if due_ns is None else max(JOBS_PAUSE_S, (due_ns - now_ns) / 1e9)

    def _work(
        self, connection: Connection, queued: list[Queued], now_ns: int, due_ns: int | None
    ) -> tuple[list[Queued], bool]:
        """`due_ns` is when the next job is due, if there is any. Returns what it took from the queue, and whether it
        put something of its own there."""
        pending = due_ns is not None
        jobs = due_ns is not None and due_ns <= now_ns
        taken, new = _affordable(connection, queued, now_ns)
        traces = {trace for _, trace in taken}
        joins: list[Job] = []
        if jobs:
            if not new:
                new = _sliced_keys(connection, now_ns)
            joins = stitch_jobs.take(connection, Kind.CONSUMERS, now_ns, JOINS_PER_PASS)
        relinked = join(connection, new, joins, now_ns, self._hot_keys) if new or joins else set()
        settle_refusals(connection, {row.key for row in new})
        again = _spread(connection, Kind.PLACES, now_ns) if jobs else set()
        review = _spread(connection, Kind.REVIEW, now_ns) if jobs else set()
        placed = placement.place(connection, traces, relinked | again, review=review, most=TRACES_PER_PASS)
        stitch_jobs.ask(connection, placement.later(placed.spread, now_ns))
        write(connection, tables.stitch_queue, {(now_ns, trace) for trace in placed.left})
        touched = {
            transaction
            for trace, place in placed.now.items()
            if trace in traces or placed.stored.get(trace) != place
            for transaction in place.entries | (placed.stored[trace].entries if trace in placed.stored else frozenset())
        }
        large = renew(connection, touched, now_ns)
        if pending:
            stitch_jobs.cancel(connection, Kind.SUMS, touched.difference(job.subject for job in large))
        stitch_jobs.ask(connection, large)
        delete_by_key(connection, tables.stitch_queue, taken)
        if jobs:
            _sum_up(connection, now_ns)
        return taken, bool(placed.left)


def _affordable(connection: Connection, queued: list[Queued], now_ns: int) -> tuple[list[Queued], list[LinkKey]]:
    """As much of the queue's head as has no more than KEYS_PER_PASS new link keys, and those. Where its first trace has
    more of them, they become a job."""
    if not queued:
        return [], []
    pairs = {(trace, token) for token, trace in queued}
    tokens = f"{queued[0][0]} AND {queued[-1][0]}"
    traces = {trace for trace, _ in pairs}
    rows = select_among(connection, f"{_NEW_KEYS}{tokens} LIMIT {KEYS_PER_PASS + 1}", "[some]", traces)
    if len(rows) <= KEYS_PER_PASS:
        return queued, [_key(row) for row in rows if (row[4], row[6]) in pairs]
    found = select_among(connection, f"{_COUNTS}{tokens} GROUP BY trace_id, token", "[some]", traces)
    counts = {(row[0], row[1]): row[2] for row in found}
    taken: list[Queued] = []
    large: list[Queued] = []
    room = KEYS_PER_PASS
    for token, trace in queued:
        count = counts.get((trace, token), 0)
        if count > KEYS_PER_PASS:
            large.append((token, trace))
        elif count > room:
            break
        else:
            room -= count
        taken.append((token, trace))
    stitch_jobs.ask(
        connection,
        [Job(Kind.KEYS, stitch_jobs.keys_subject(trace, token), now_ns, now_ns, b"") for token, trace in large],
    )
    small = {(trace, token) for token, trace in taken}.difference((trace, token) for token, trace in large)
    rows = select_among(connection, f"{_NEW_KEYS}{tokens}", "[some]", {trace for trace, _ in small})
    return taken, [_key(row) for row in rows if (row[4], row[6]) in small]


def _sliced_keys(connection: Connection, now_ns: int) -> list[LinkKey]:
    """The next keys of a trace that brought very many at once."""
    for job in stitch_jobs.take(connection, Kind.KEYS, now_ns, 1):
        trace, token = stitch_jobs.read_keys_subject(job.subject)
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        after = tuple(map(int, job.state.split(b","))) if job.state else (-(2**63), -1, 0, 0)
        rows = connection.exec_driver_sql(
            f"SELECT {_COLUMNS} FROM link_keys WHERE trace_id = {mark} AND token = {token} "  # noqa: S608
            f"AND (key, side, started_ns, span_id) > ({', '.join(map(str, after))}) "
            f"ORDER BY key, side, started_ns, span_id LIMIT {KEYS_PER_PASS}",
            (trace,),
        ).fetchall()
        if len(rows) < KEYS_PER_PASS:
            stitch_jobs.finish(connection, [job])
        else:
            stitch_jobs.go_on(connection, job, b",".join(b"%d" % value for value in rows[-1][:4]), now_ns)
        return [_key(row) for row in rows]
    return []


def _key(row: Any) -> LinkKey:
    return LinkKey(row[0], row[1], row[2], row[3], row[4], bool(row[5]))


def _spread(connection: Connection, kind: Kind, now_ns: int) -> set[bytes]:
    """The next traces that are to be placed anew for what set them off."""
    found: set[bytes] = set()
    for job in stitch_jobs.take(connection, kind, now_ns, JOBS_PER_PASS):
        room = SPREAD_PER_PASS - len(found)
        if room <= 0:
            break
        traces = placement.consumers_after(connection, job.subject, job.state, room)
        found.update(traces)
        if len(traces) < room:
            stitch_jobs.finish(connection, [job])
        else:
            stitch_jobs.go_on(connection, job, traces[-1], now_ns)
    return found


def _sum_up(connection: Connection, now_ns: int) -> None:
    room = ROWS_PER_SLICE
    for job in stitch_jobs.take(connection, Kind.SUMS, now_ns, JOBS_PER_PASS):
        if room <= 0:
            return
        room -= max(20, sum_slice(connection, job, now_ns))  # an empty slice is a few statements too
