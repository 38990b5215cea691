"""Works out from link keys which traces belong to which transaction, and keeps the transactions' rows true.

It reads only what is committed and writes only what follows from it, so it may run at any time, at any collector,
again, and in any order: the outcome is the same. What is to be looked at stands in `stitch_queue`, in the commit that
made it so, and what is too much for one pass in `stitch_jobs`; nothing is forgotten when a collector dies.

Requests wait while a pass runs, so each step of it is bounded: keys, links, traces and invocations.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, func, select

from collector.domain.facts import LinkKey
from collector.store import placement, stitch_jobs, stitch_queue
from collector.store.link_rows import HotKeys, join
from collector.store.refusals import settle_refusals
from collector.store.stitch_jobs import Job, Kind
from collector.store.stitch_queue import Queued
from collector.store.transaction_sums import ROWS_PER_SLICE, renew, sum_slice

TRACES_PER_PASS = 500
KEYS_PER_PASS = 1_500  # more than 500 traces bring, mostly
JOINS_PER_PASS = 200  # jobs of keys that are joined anew; nearly all have a row or two
JOBS_PER_PASS = 20  # of a kind that are gone on with
SPREAD_PER_PASS = 200  # traces that are placed anew for another one's sake
BUSY_S = 0.2  # until another collector's pass will have ended
JOBS_PAUSE_S = 0.05  # between passes that only go on with jobs: a slice takes a fifth of that
_ADVISORY_LOCK = 0x636C6578  # PostgreSQL's; one stitcher at a time among all collectors. "clex": next to the schema's


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
            queued = stitch_queue.first(connection, most)
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
        taken, new = _affordable(queued)
        traces = {row.trace for row in taken}
        joins: list[Job] = []
        if jobs:
            joins = stitch_jobs.take(connection, Kind.CONSUMERS, now_ns, JOINS_PER_PASS)
        relinked = join(connection, new, joins, now_ns, self._hot_keys) if new or joins else set()
        settle_refusals(connection, {row.key for row in new})
        again = _spread(connection, Kind.PLACES, now_ns) if jobs else set()
        review = _spread(connection, Kind.REVIEW, now_ns) if jobs else set()
        placed = placement.place(connection, traces, relinked | again, review=review, most=TRACES_PER_PASS)
        stitch_jobs.ask(connection, placement.later(placed.spread, now_ns))
        stitch_queue.add(connection, now_ns, placed.left)
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
        stitch_queue.remove(connection, taken)
        if jobs:
            _sum_up(connection, now_ns)
        return taken, bool(placed.left)


def _affordable(queued: list[Queued]) -> tuple[list[Queued], list[LinkKey]]:
    """As much of the queue's head as has no more than KEYS_PER_PASS new link keys, but at least its first row; and
    those keys."""
    room = KEYS_PER_PASS
    taken: list[Queued] = []
    for row in queued:
        if taken and row.size > room:
            break
        room -= row.size
        taken.append(row)
    return taken, [key for row in taken if row.packed for key in row.keys]


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
