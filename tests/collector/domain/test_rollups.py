"""Sums out of rows."""

from __future__ import annotations

from collector.domain.facts import Age, Direction, Occurrence, Result
from collector.domain.rollups import FunctionSum, Rollups
from tests.collector.store.facts import BUCKET, START_NS, call, function, invocation, trace

MINUTE = START_NS // 10**9 // 60 * 60


def test_adds_up_per_minute_and_hour() -> None:
    """Two invocations in one hour but not in one minute share the hour's sum only."""
    rollups = Rollups()
    rollups.add_invocation(invocation(1, duration_ms=10, cost_pd=5))
    rollups.add_invocation(invocation(2, start_ms=60_000, duration_ms=20, cost_pd=None, result=Result.ERROR))

    minutes = {key[2]: total for key, total in rollups.functions.items() if key[1] == 60}
    hours = [total for key, total in rollups.functions.items() if key[1] == 3600]
    assert FunctionSum(1, 0, 0, 0, 0, 10_000, 60, 5, 0) == minutes[MINUTE]
    assert FunctionSum(1, 1, 0, 0, 0, 20_000, 60, 0, 1) == minutes[MINUTE + 60]
    assert [FunctionSum(2, 1, 0, 0, 0, 30_000, 60, 5, 1)] == hours


def test_taking_back_leaves_nothing() -> None:
    """A row with weight -1 undoes the same row, in sums and histograms; only a maximum stays."""
    rollups = Rollups()
    rows = (
        invocation(1, result=Result.ERROR, trigger_resource_id=BUCKET.id),
        call(1, span=2, error="ThrottlingException"),
    )
    occurrence = Occurrence(7, START_NS, 1, trace(1))
    for weight in (1, -1):
        rollups.add_invocation(rows[0], weight)
        rollups.add_call(rows[1], weight)
        rollups.add_occurrence(occurrence, 5, weight)

    assert all(total == FunctionSum(max_memory_mb=60) for total in rollups.functions.values())
    assert all((total.calls, total.errors, total.duration_us) == (0, 0, 0) for total in rollups.edges.values())
    assert all((total.occurrences, total.cost_pd) == (0, 0) for total in rollups.issues.values())
    durations = [total.durations for total in rollups.functions.values()]
    durations += [total.durations for total in rollups.edges.values()]
    assert not any(any(counts.values()) for counts in durations)


def test_throttled_calls_count_for_their_function() -> None:
    """Only errors that say "too many" do, in the call's minute."""
    rollups = Rollups()
    for number, error in enumerate(("SlowDown", "ThrottlingException", "AccessDenied", None)):
        rollups.add_call(call(1, span=number, error=error))

    assert [2, 2] == [total.throttles for total in rollups.functions.values()]


def test_of_ages_the_largest_counts() -> None:
    """Per function, resource and minute; the hour has the largest of its minutes."""
    rollups = Rollups()
    for start_s, age_ms in ((0, 5), (1, 9), (2, 7), (60, 8)):
        rollups.add_age(Age(1, 2, START_NS + start_s * 10**9, age_ms))

    assert {(60, MINUTE, 1, 2): 9, (60, MINUTE + 60, 1, 2): 8, (3600, MINUTE - MINUTE % 3600, 1, 2): 9} == rollups.ages


def test_a_trigger_is_an_edge_towards_the_function() -> None:
    """It counts the invocations that the resource set off and those that failed."""
    rollups = Rollups()
    rollups.add_invocation(invocation(1, result=Result.TIMEOUT, trigger_resource_id=BUCKET.id))

    edge = rollups.edges[function().id, BUCKET.id, int(Direction.TRIGGERS), 60, MINUTE]
    assert (1, 1, 0) == (edge.calls, edge.errors, edge.duration_us)
