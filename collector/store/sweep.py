"""What time brings about: deadlines that pass without an end, and reports whose invocation came meanwhile.

It reads only what is committed and changes each invocation at most once, so any number of collectors may sweep.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, bindparam, select, update

from collector.domain.facts import Result
from collector.domain.limits import DEFAULT_LIMITS, Limits
from collector.domain.prices import PriceTable, default_prices
from collector.domain.reports import crash
from collector.domain.rollups import Rollups
from collector.store import stitch_queue, tables
from collector.store.issue_rows import SpanKey, settle_lessened
from collector.store.log_requests import settle_requests, unsettled
from collector.store.outcomes import Change, change_outcomes, lock_invocations, open_invocations
from collector.store.platform_reports import judge_all, recent, settle
from collector.store.rollup_rows import write_rollups

MOST = 500  # of either, per pass: requests wait while it runs
GRACE_S = 60.0  # that an end may take to arrive after the deadline
LATELY_MS = 600_000  # reports that came before this were looked at often enough
LOGGED_LATELY_MS = 120_000  # lines: many more of them come

_deadline = tables.unfinished.c.deadline_ns
_DUE = (
    select(tables.unfinished.c.started_ns, tables.unfinished.c.span_id)
    .where(_deadline < bindparam("now_ns"))
    .order_by(_deadline)
    .limit(MOST)
)
_SETTLED = (
    update(tables.unfinished)
    .where(tables.unfinished.c.started_ns == bindparam("start"), tables.unfinished.c.span_id == bindparam("span"))
    .values(deadline_ns=None)
)


class Sweeper:
    """`now` gives nanoseconds since 1970."""

    def __init__(
        self,
        engine: Engine,
        *,
        prices: PriceTable | None = None,
        limits: Limits = DEFAULT_LIMITS,
        grace_s: float = GRACE_S,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._engine = engine
        self._prices = prices or default_prices()
        self._limits = limits
        self._grace_ns = round(grace_s * 1_000_000_000)
        self._now = now

    def run_pass(self) -> bool:
        """In one transaction. Returns whether more deadlines have passed than one pass takes."""
        now_ns = self._now()
        with self._engine.begin() as connection:
            rollups = Rollups()
            due = [(start, span) for start, span in connection.execute(_DUE, {"now_ns": now_ns - self._grace_ns})]
            traces = self._end(connection, due, rollups, now_ns) if due else set()
            waiting = recent(connection, now_ns // 1_000_000 - LATELY_MS, MOST)
            if waiting:
                joined = settle(connection, waiting, received_ms=None)
                traces |= change_outcomes(
                    connection, judge_all(connection, joined, prices=self._prices), rollups, limits=self._limits
                )
            logged = unsettled(connection, now_ns // 1_000_000 - LOGGED_LATELY_MS, MOST)
            if logged:
                settled = settle_requests(connection, logged, rollups, prices=self._prices, limits=self._limits)
                changes = judge_all(connection, settled.reported, prices=self._prices) if settled.reported else []
                traces |= settled.traces | change_outcomes(connection, changes, rollups, limits=self._limits)
            stitch_queue.add(connection, now_ns, traces)
            settle_lessened(connection, rollups)
            write_rollups(connection, rollups)
        return len(due) == MOST

    def _end(self, connection: Connection, due: list[SpanKey], rollups: Rollups, now_ns: int) -> set[bytes]:
        """Ends those that still run. The invocations are locked before what is kept of them, as a commit does."""
        rows = {(row.started_ns, row.span_id): row for row in lock_invocations(connection, due)}
        kept = open_invocations(connection, due)
        passed = [key for key in due if key in kept and (kept[key].deadline_ns or now_ns) < now_ns - self._grace_ns]
        changes = [
            Change(row, crash(row, kept[key].culprit))
            for key in passed
            if (row := rows.get(key)) is not None and row.result == Result.RUNNING
        ]
        if passed:
            connection.execute(_SETTLED, [{"start": start, "span": span} for start, span in passed])
        return change_outcomes(connection, changes, rollups, limits=self._limits)
