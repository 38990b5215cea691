"""One pass of retention: what is older than its period goes, a little at a time.

One collector does it at a time (a lease). Each step is a transaction of STEP_S or so, and between two steps others have
as long for theirs, so that an export waits for one step at most.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlalchemy import Engine

from collector.store import tables
from collector.store.errors import DatabaseLocked
from collector.store.inventory import ROLLUPS, oldest_row_ns
from collector.store.lease import Lease
from collector.store.partitions import Partition, drop, make_ahead, partitions
from collector.store.periods import MARGIN, NS, Cutoffs, Periods
from collector.store.pruning import (
    OldExports,
    OldReports,
    OldSpans,
    OldSums,
    OldTransactions,
    Step,
    exports_page,
    forget_exports,
)
from collector.store.pruning_walks import (
    LostFunctions,
    LostIssues,
    LostLinks,
    LostMemberships,
    LostResources,
    OldAlerts,
    OldByTrace,
    OldDeliveries,
    named_resources,
)
from collector.store.space import disk, give_back

STEP_S = 0.02  # that a step aims at; an export waits that much longer at times
FEWEST, MOST = 20, 5_000  # rows of a step
LEASE_S = 120.0
NEWEST_S = 3600  # what is newer is kept however little space there is: a team must be able to see what goes on

# In bytes, of the oldest exports' bodies.
_OLDEST_SIZE = "SELECT AVG(LENGTH(body)) FROM (SELECT body FROM exports ORDER BY id LIMIT 100) AS oldest"

logger = logging.getLogger(__name__)


class NotNow(Exception):
    """The lease is another collector's, or the process is to end."""


class Pruner:
    """Deletes what `periods` say. `reader` is for what reads much.

    Once `stop` is set, the step that runs is the last.
    """

    def __init__(
        self,
        engine: Engine,
        reader: Engine,
        periods: Periods,
        *,
        stop: threading.Event | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._engine = engine
        self._reader = reader
        self._periods = periods
        self._rest = (stop or threading.Event()).wait
        self._now_ns = now_ns
        self._most = 200
        self._lease = Lease(engine, "retention", duration_s=LEASE_S)
        self._renew_at = 0.0  # monotonic
        self.longest_s = 0.0  # step so far

    def run(self, *, walks: bool = True, everything: bool = False) -> Counter[str]:
        """One pass over all tables; rows deleted by table. `walks`: also the tables that have to be read whole;
        `everything`: also give back the spare pages. Raises NotNow."""
        if not self._lease.acquire():
            raise NotNow
        try:
            make_ahead(self._engine, self._now_ns())
            cutoffs = self._periods.cutoffs(self._now_ns())
            deleted = self._prune(cutoffs, walks=walks)
            if self._periods.max_bytes is not None:
                deleted += self._shrink(cutoffs, self._periods.max_bytes)
            self._repeat(lambda _: self._give_back(everything=everything))
        finally:
            self._lease.release()
        return deleted

    def _prune(self, cutoffs: Cutoffs, *, walks: bool) -> Counter[str]:
        deleted: Counter[str] = Counter()
        if cutoffs.exports_ns:
            deleted["exports"] += self._drop_partitions(cutoffs.failed_exports_ns)
        for step in self._steps(cutoffs, walks=walks):
            deleted[step.table.name] += self._repeat(lambda most, step=step: self._step(step, most))  # type: ignore[misc]
        return +deleted

    def _steps(self, cutoffs: Cutoffs, *, walks: bool) -> Iterator[Step]:
        if cutoffs.exports_ns:
            yield OldExports(cutoffs)
        if cutoffs.rows_ns:
            yield OldSpans(tables.calls, cutoffs)
            beside = (tables.invocation_tags, tables.reports, tables.unfinished)
            yield OldSpans(tables.invocations, cutoffs, beside=beside)
            yield OldReports(tables.waiting_reports, cutoffs)
            yield OldReports(tables.log_pieces, cutoffs)
            yield OldReports(tables.refused_events, cutoffs)
            if walks:
                yield OldByTrace(tables.issue_occurrences, cutoffs)
                yield OldByTrace(tables.link_keys, cutoffs)
            yield OldTransactions(cutoffs)  # after all that asks whether a transaction failed
            if walks:
                yield LostMemberships()
                yield LostLinks()
        for resolution, before_ns in ((60, cutoffs.minutes_ns), (3600, cutoffs.hours_ns)):
            if before_ns:
                for table in ROLLUPS:
                    yield OldSums(table, resolution, before_ns)
        if walks and cutoffs.hours_ns:
            yield LostIssues(cutoffs)
            yield LostFunctions(cutoffs)
            yield OldAlerts(cutoffs)
            yield OldDeliveries(cutoffs)
            with self._reader.connect() as connection:
                named = named_resources(connection)
            yield LostResources(named, cutoffs)

    def _shrink(self, cutoffs: Cutoffs, max_bytes: int) -> Counter[str]:
        """Takes the oldest exports and, where these are not enough, on SQLite the oldest rows too."""
        deleted: Counter[str] = Counter()
        if self._used() <= max_bytes:
            return deleted
        wanted, limit_ns = round(max_bytes * MARGIN), cutoffs.now_ns - NEWEST_S * NS
        logger.info("the database takes more than %d bytes: the oldest exports go", max_bytes)
        exports = OldExports(replace(cutoffs, exports_ns=limit_ns, failed_exports_ns=limit_ns))
        if self._engine.dialect.name == "postgresql":
            # What is deleted row by row PostgreSQL keeps for itself: only whole days help.
            for partition in self._partitions():
                if partition.end_ns > limit_ns or self._used() <= wanted:
                    break
                deleted["exports"] += self._drop(partition)
        else:
            self._repeat(lambda most: self._until(wanted, deleted, exports, most))
            while self._used() > wanted and (first_ns := self._oldest_row_ns()) < limit_ns:
                rows_ns = min(first_ns + max((cutoffs.now_ns - first_ns) // 20, NEWEST_S * NS), limit_ns)
                older = replace(
                    cutoffs, exports_ns=0, rows_ns=rows_ns, failed_rows_ns=rows_ns, minutes_ns=0, hours_ns=0
                )
                deleted += self._prune(older, walks=True)
        if self._used() > wanted:
            logger.warning(
                "the database takes %d bytes, %d more than it may, and nothing is left that may go",
                self._used(),
                self._used() - max_bytes,
            )
        return deleted

    def _until(self, wanted: int, deleted: Counter[str], step: Step, most: int) -> tuple[int, bool]:
        with self._engine.begin() as connection:
            over = disk(connection).used - wanted
            if over <= 0:
                return 0, False
            # No more than are too many: a step of thousands of large ones would overshoot by far.
            oldest = connection.exec_driver_sql(_OLDEST_SIZE).scalar()
            some = min(most, int(over / oldest) + 1) if oldest else most
            count, looked_on = step.run(connection, some)
        more = looked_on or count == some
        deleted[step.table.name] += count
        return count, more

    def _drop_partitions(self, before_ns: int) -> int:
        return sum(self._drop(partition) for partition in self._partitions() if partition.end_ns <= before_ns)

    def _partitions(self) -> list[Partition]:
        with self._engine.begin() as connection:
            return partitions(connection)

    def _drop(self, partition: Partition) -> int:
        """Its rows in trace_exports first, a few at a time, then the partition whole. Returns how many exports."""
        after: tuple[bytes] = (b"",)
        count = 0

        def forget(most: int) -> tuple[int, bool]:
            nonlocal after, count
            with self._engine.begin() as connection:
                rows = exports_page(connection, after, partition.end_ns, most, partition.name)
                forget_exports(connection, rows)
            if rows:
                after = (rows[-1][0],)
            count += len(rows)
            return len(rows), len(rows) == most

        self._repeat(forget)
        try:
            with self._engine.begin() as connection:
                drop(connection, partition)
        except DatabaseLocked:
            logger.info("the partition %s is in use and stays for now", partition.name)
            return 0
        return count

    def _step(self, step: Step, most: int) -> tuple[int, bool]:
        with self._engine.begin() as connection:
            return step.run(connection, most)

    def _give_back(self, *, everything: bool) -> tuple[int, bool]:
        return 0, give_back(self._engine, everything=everything)

    def _repeat(self, work: Callable[[int], tuple[int, bool]]) -> int:
        """Runs `work` until it says that nothing more is there, with as many rows at a time as take STEP_S."""
        total, more = 0, True
        while more:
            # Long before it expires; who was held up for so long that another took it over stops.
            if not self._lease.held() or self._renew_at <= time.monotonic():
                self._renew()
            before = time.monotonic()
            count, more = work(self._most)
            took = time.monotonic() - before
            total += count
            self.longest_s = max(self.longest_s, took)
            if count:
                self._most = min(max(round(self._most * min(max(STEP_S / max(took, 1e-4), 0.25), 1.5)), FEWEST), MOST)
            if self._rest(took):
                raise NotNow
        return total

    def _renew(self) -> None:
        if not self._lease.acquire():
            raise NotNow
        self._renew_at = time.monotonic() + LEASE_S / 3

    def _used(self) -> int:
        with self._engine.begin() as connection:
            return disk(connection).used

    def _oldest_row_ns(self) -> int:
        with self._reader.connect() as connection:
            return oldest_row_ns(connection) or self._now_ns()
