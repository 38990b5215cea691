"""What dashboards read instead of rows: sums per minute and per hour, worked out from the rows of one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

from collector.domain.facts import FAILED, Age, Call, Direction, Invocation, Occurrence, Result, Tag
from collector.domain.histogram import bucket_of

MINUTE_S, HOUR_S = RESOLUTIONS = (60, 3600)
_MINUTE_NS = MINUTE_S * 1_000_000_000
# What AWS's services call it when calls are refused because they are too many (as botocore knows them).
THROTTLED = frozenset(
    {
        "429",
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_CALLS, _TRIGGERS = int(Direction.CALLS), int(Direction.TRIGGERS)  # a member of an enumeration is slow to hash

FunctionKey = tuple[int, int, int]  # function, resolution, start_s
EdgeKey = tuple[int, int, int, int, int]  # function, resource, direction, resolution, start_s
IssueKey = tuple[int, int, int]  # issue, resolution, start_s
TagKey = tuple[str, str, int, int, int]  # key, value, function, resolution, start_s
AgeKey = tuple[int, int, int, int]  # resolution, start_s, function, resource


class _Sum(Protocol):
    def add(self, other: Self) -> None: ...


S = TypeVar("S", bound=_Sum)


@dataclass(slots=True)
class FunctionSum:
    invocations: int = 0
    errors: int = 0
    handled: int = 0  # that dealt with an error, and did not fail
    cold_starts: int = 0
    throttles: int = 0  # its calls that were refused because they were too many
    duration_us: int = 0
    max_memory_mb: int = 0
    cost_pd: int = 0
    unpriced: int = 0
    calls_cost_pd: int = 0
    unpriced_calls: int = 0
    durations: dict[int, int] = field(default_factory=dict, compare=False)  # how many in each bucket of a histogram

    def add(self, other: FunctionSum) -> None:
        self.invocations += other.invocations
        self.errors += other.errors
        self.handled += other.handled
        self.cold_starts += other.cold_starts
        self.throttles += other.throttles
        self.duration_us += other.duration_us
        self.max_memory_mb = max(self.max_memory_mb, other.max_memory_mb)
        self.cost_pd += other.cost_pd
        self.unpriced += other.unpriced
        self.calls_cost_pd += other.calls_cost_pd
        self.unpriced_calls += other.unpriced_calls
        _add_counts(self.durations, other.durations)

    def with_calls(self, cost_pd: int, unpriced: int) -> FunctionSum:
        """Another sum, with what more calls cost. Not by `dataclasses.replace`, which takes 15 µs."""
        return FunctionSum(
            self.invocations,
            self.errors,
            self.handled,
            self.cold_starts,
            self.throttles,
            self.duration_us,
            self.max_memory_mb,
            self.cost_pd,
            self.unpriced,
            self.calls_cost_pd + cost_pd,
            self.unpriced_calls + unpriced,
            self.durations,
        )


@dataclass(slots=True)
class EdgeSum:
    calls: int = 0
    errors: int = 0
    duration_us: int = 0
    cost_pd: int = 0
    unpriced: int = 0
    durations: dict[int, int] = field(default_factory=dict, compare=False)  # as in FunctionSum; of calls only

    def add(self, other: EdgeSum) -> None:
        self.calls += other.calls
        self.errors += other.errors
        self.duration_us += other.duration_us
        self.cost_pd += other.cost_pd
        self.unpriced += other.unpriced
        _add_counts(self.durations, other.durations)


@dataclass(slots=True)
class IssueSum:
    occurrences: int = 0
    cost_pd: int = 0

    def add(self, other: IssueSum) -> None:
        self.occurrences += other.occurrences
        self.cost_pd += other.cost_pd


@dataclass(slots=True)
class TagSum:
    invocations: int = 0
    errors: int = 0
    cost_pd: int = 0
    unpriced: int = 0
    calls_cost_pd: int = 0
    unpriced_calls: int = 0

    def add(self, other: TagSum) -> None:
        self.invocations += other.invocations
        self.errors += other.errors
        self.cost_pd += other.cost_pd
        self.unpriced += other.unpriced
        self.calls_cost_pd += other.calls_cost_pd
        self.unpriced_calls += other.unpriced_calls


@dataclass(slots=True)
class Rollups:
    """Sums to add to what the tables hold. `weight` -1 takes back what a replaced row had added.

    What still runs is counted once it has ended, so that no average is of durations that are not over.
    Rows are added up by the minute; hours are the sums of their minutes, once for each commit.
    """

    # By what is counted and the minute's number since 1970.
    _functions: dict[tuple[int, int], FunctionSum] = field(default_factory=dict)
    _edges: dict[tuple[int, int, int, int], EdgeSum] = field(default_factory=dict)
    _issues: dict[tuple[int, int], IssueSum] = field(default_factory=dict)
    _tags: dict[tuple[str, str, int, int], TagSum] = field(default_factory=dict)
    _ages: dict[tuple[int, int, int], int] = field(default_factory=dict)  # by function, resource and minute
    lessened_issues: set[int] = field(default_factory=set)  # that lost occurrences

    @property
    def functions(self) -> dict[FunctionKey, FunctionSum]:
        """With what their calls cost, which is added up by edge first: there are far fewer edges than calls."""
        costs: dict[tuple[int, int], tuple[int, int]] = {}
        for (function_id, _, direction, minute), edge in self._edges.items():
            if direction == _CALLS and (edge.cost_pd or edge.unpriced):
                key = (function_id, minute)
                cost_pd, unpriced = costs.get(key, (0, 0))
                costs[key] = (cost_pd + edge.cost_pd, unpriced + edge.unpriced)
        minutes = dict(self._functions)
        for key, (cost_pd, unpriced) in costs.items():
            minutes[key] = (self._functions.get(key) or FunctionSum()).with_calls(cost_pd, unpriced)
        return _with_hours(minutes, FunctionSum)

    @property
    def edges(self) -> dict[EdgeKey, EdgeSum]:
        return _with_hours(self._edges, EdgeSum)

    @property
    def tags(self) -> dict[TagKey, TagSum]:
        return _with_hours(self._tags, TagSum)

    @property
    def issues(self) -> dict[IssueKey, IssueSum]:
        return _with_hours(self._issues, IssueSum)

    @property
    def ages(self) -> dict[AgeKey, int]:
        """The age of the oldest message, in milliseconds."""
        found: dict[AgeKey, int] = {}
        for (function_id, resource_id, minute), age_ms in self._ages.items():
            for resolution, start_s in bucket_starts(minute * _MINUTE_NS):
                key = (resolution, start_s, function_id, resource_id)
                found[key] = max(found.get(key, 0), age_ms)
        return found

    @property
    def minutes(self) -> list[tuple[int, int]]:
        """(function, start_s) of every minute in which the sums of a function, or the ages of what it was handed,
        change; function 0 for the minutes of issues, whose functions are not known here."""
        found = {(function_id, minute * MINUTE_S) for function_id, minute in self._functions}
        found.update((function_id, minute * MINUTE_S) for function_id, _, minute in self._ages)
        found.update((0, minute * MINUTE_S) for _, minute in self._issues)
        return sorted(found)

    def add_age(self, row: Age) -> None:
        """Only the largest counts, so the same twice changes nothing."""
        key = (row.function_id, row.resource_id, row.started_ns // _MINUTE_NS)
        self._ages[key] = max(self._ages.get(key, 0), row.age_ms)

    def add_invocation(self, row: Invocation, weight: int = 1) -> None:
        result = row.result
        if result == Result.RUNNING:
            return
        failed = result in FAILED
        ran_ns = row.ran_ns
        minute = row.started_ns // _MINUTE_NS
        total = self._function((row.function_id, minute))
        total.invocations += weight
        if failed:
            total.errors += weight
        elif result == Result.HANDLED:
            total.handled += weight
        if row.cold_start:
            total.cold_starts += weight
        total.duration_us += weight * (ran_ns // 1_000)
        total.max_memory_mb = max(total.max_memory_mb, row.max_memory_mb or 0)
        if row.cost_pd is None:
            total.unpriced += weight
        else:
            total.cost_pd += weight * row.cost_pd
        bucket = bucket_of(ran_ns)
        total.durations[bucket] = total.durations.get(bucket, 0) + weight
        if row.trigger_resource_id is not None:
            edge = self._edge((row.function_id, row.trigger_resource_id, _TRIGGERS, minute))
            edge.calls += weight
            if failed:
                edge.errors += weight

    def add_call(self, row: Call, weight: int = 1) -> None:
        # Unpacked: most rows are calls, and looking each field up costs 30 ns.
        started_ns, _, _, function_id, resource_id, _, duration_ns, finished, error_type, cost_pd = row
        if not finished and error_type is None:  # it runs
            return
        edge = self._edge((function_id, resource_id, _CALLS, started_ns // _MINUTE_NS))
        edge.calls += weight
        if error_type is not None:
            edge.errors += weight
            if error_type in THROTTLED:
                self._function((function_id, started_ns // _MINUTE_NS)).throttles += weight
        edge.duration_us += weight * (duration_ns // 1_000)
        if cost_pd is None:
            edge.unpriced += weight
        else:
            edge.cost_pd += weight * cost_pd
        bucket = bucket_of(duration_ns)
        edge.durations[bucket] = edge.durations.get(bucket, 0) + weight

    def add_occurrence(self, row: Occurrence, cost_pd: int, weight: int = 1) -> None:
        key = (row.issue_id, row.started_ns // _MINUTE_NS)
        total = self._issues.get(key)
        if total is None:
            total = self._issues[key] = IssueSum()
        total.occurrences += weight
        total.cost_pd += weight * cost_pd

    def add_tag(self, tag: Tag, row: Invocation, weight: int = 1) -> None:
        """Adds the invocation that has the tag."""
        if row.result == Result.RUNNING:
            return
        key = (tag.key, tag.value, tag.function_id, tag.started_ns // _MINUTE_NS)
        total = self._tags.get(key)
        if total is None:
            total = self._tags[key] = TagSum()
        total.invocations += weight
        total.errors += weight * (row.result in FAILED)
        total.cost_pd += weight * (row.cost_pd or 0)
        total.unpriced += weight * (row.cost_pd is None)
        total.calls_cost_pd += weight * row.calls_cost_pd
        total.unpriced_calls += weight * row.unpriced_calls

    def _function(self, key: tuple[int, int]) -> FunctionSum:
        total = self._functions.get(key)
        if total is None:
            total = self._functions[key] = FunctionSum()
        return total

    def _edge(self, key: tuple[int, int, int, int]) -> EdgeSum:
        edge = self._edges.get(key)
        if edge is None:
            edge = self._edges[key] = EdgeSum()
        return edge


def bucket_starts(time_ns: int) -> Iterable[tuple[int, int]]:
    """(resolution, start_s) of every rollup row that a moment falls into."""
    seconds = time_ns // 1_000_000_000
    return [(resolution, seconds - seconds % resolution) for resolution in RESOLUTIONS]


def _with_hours(minutes: Mapping[Any, S], new: Callable[[], S]) -> dict[Any, S]:
    """By what is counted, resolution and start: the minutes as they are, and the hours that they add up to."""
    found: dict[Any, S] = {}
    for (*counted, minute), total in minutes.items():
        start_s = minute * MINUTE_S
        found[(*counted, MINUTE_S, start_s)] = total
        hour = (*counted, HOUR_S, start_s - start_s % HOUR_S)
        known = found.get(hour)
        if known is None:
            known = found[hour] = new()
        known.add(total)
    return found


def _add_counts(counts: dict[int, int], more: Mapping[int, int]) -> None:
    for bucket, count in more.items():
        counts[bucket] = counts.get(bucket, 0) + count
