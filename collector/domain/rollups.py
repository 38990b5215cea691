"""What dashboards read instead of rows: sums per minute and per hour, worked out from the rows of one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from collector.domain.facts import FAILED, Call, Direction, Invocation, Occurrence, Result
from collector.domain.histogram import bucket_of

RESOLUTIONS = (60, 3600)  # seconds

FunctionKey = tuple[int, int, int]  # function, resolution, start_s
EdgeKey = tuple[int, int, int, int, int]  # function, resource, direction, resolution, start_s
IssueKey = tuple[int, int, int]  # issue, resolution, start_s


@dataclass(slots=True)
class FunctionSum:
    invocations: int = 0
    errors: int = 0
    cold_starts: int = 0
    duration_us: int = 0
    max_memory_mb: int = 0
    cost_pd: int = 0
    unpriced: int = 0


@dataclass(slots=True)
class EdgeSum:
    calls: int = 0
    errors: int = 0
    duration_us: int = 0


@dataclass(slots=True)
class IssueSum:
    occurrences: int = 0
    cost_pd: int = 0


@dataclass(slots=True)
class Rollups:
    """Sums to add to what the tables hold. `weight` -1 takes back what a replaced row had added.

    What still runs is counted once it has ended, so that no average is of durations that are not over.
    """

    functions: dict[FunctionKey, FunctionSum] = field(default_factory=dict)
    function_durations: Counter[tuple[int, int, int, int]] = field(default_factory=Counter)
    edges: dict[EdgeKey, EdgeSum] = field(default_factory=dict)
    edge_durations: Counter[tuple[int, int, int, int, int, int]] = field(default_factory=Counter)
    issues: dict[IssueKey, IssueSum] = field(default_factory=dict)

    def add_invocation(self, row: Invocation, weight: int = 1) -> None:
        result = row.result
        if result == Result.RUNNING:
            return
        failed = int(result in FAILED)
        ran_ns = row.ran_ns
        bucket = bucket_of(ran_ns)
        for resolution, start_s in bucket_starts(row.started_ns):
            key = (row.function_id, resolution, start_s)
            total = self.functions.get(key)
            if total is None:
                total = self.functions[key] = FunctionSum()
            total.invocations += weight
            total.errors += weight * failed
            total.cold_starts += weight * row.cold_start
            total.duration_us += weight * (ran_ns // 1_000)
            total.max_memory_mb = max(total.max_memory_mb, row.max_memory_mb or 0)
            total.cost_pd += weight * (row.cost_pd or 0)
            total.unpriced += weight * (row.cost_pd is None)
            self.function_durations[(*key, bucket)] += weight
            if row.trigger_resource_id is not None:
                edge = (row.function_id, row.trigger_resource_id, int(Direction.TRIGGERS), resolution, start_s)
                self._add_edge(edge, weight, weight * failed, 0)

    def add_call(self, row: Call, weight: int = 1) -> None:
        if row.running:
            return
        bucket = bucket_of(row.duration_ns)
        for resolution, start_s in bucket_starts(row.started_ns):
            edge = (row.function_id, row.resource_id, int(Direction.CALLS), resolution, start_s)
            self._add_edge(edge, weight, weight * (row.error_type is not None), weight * (row.duration_ns // 1_000))
            self.edge_durations[(*edge, bucket)] += weight

    def add_occurrence(self, row: Occurrence, cost_pd: int | None, weight: int = 1) -> None:
        for resolution, start_s in bucket_starts(row.started_ns):
            key = (row.issue_id, resolution, start_s)
            total = self.issues.get(key)
            if total is None:
                total = self.issues[key] = IssueSum()
            total.occurrences += weight
            total.cost_pd += weight * (cost_pd or 0)

    def _add_edge(self, key: EdgeKey, calls: int, errors: int, duration_us: int) -> None:
        total = self.edges.get(key)
        if total is None:
            total = self.edges[key] = EdgeSum()
        total.calls += calls
        total.errors += errors
        total.duration_us += duration_us


def bucket_starts(time_ns: int) -> Iterable[tuple[int, int]]:
    """(resolution, start_s) of every rollup row that a moment falls into."""
    seconds = time_ns // 1_000_000_000
    return [(resolution, seconds - seconds % resolution) for resolution in RESOLUTIONS]
