"""Sums by execution tag, whatever comes of the invocations that have it."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from collector.domain.facts import Facts, Result, Tag
from collector.store import tables
from tests.collector.store.facts import MS, START_NS, facts, function, invocation
from tests.collector.store.lives import end, report, rows, store

SUMS = ("key", "value", "invocations", "errors", "cost_pd", "unpriced", "calls_cost_pd", "unpriced_calls")


def tagged(given: Facts, **tags: str) -> Facts:
    row = given.invocations[0]
    given.tags = [Tag(row.started_ns, row.span_id, key, value, row.function_id) for key, value in tags.items()]
    return given


def sums(database: Engine, resolution: int = 60) -> list[tuple[object, ...]]:
    found = rows(database, tables.tag_stats, "resolution", *SUMS)
    return sorted(row[1:] for row in found if row[0] == resolution)


def test_each_value_has_its_sums(database: Engine) -> None:
    """By minute and by hour, and by function."""
    paid = invocation(1, cost_pd=5)._replace(calls_cost_pd=40, unpriced_calls=2)
    store(database, tagged(facts(paid), customer="acme", plan="free"))
    store(database, tagged(facts(invocation(2, cost_pd=None, result=Result.ERROR)), customer="acme"))
    store(database, tagged(facts(invocation(3, cost_pd=7)), customer="<b>"))

    expected = [
        ("customer", "<b>", 1, 0, 7, 0, 0, 0),
        ("customer", "acme", 2, 1, 5, 1, 40, 2),
        ("plan", "free", 1, 0, 5, 0, 40, 2),
    ]
    assert sums(database) == sums(database, 3600) == expected
    assert {row[0] for row in rows(database, tables.tag_stats, "function_id")} == {function().id}


def test_the_same_export_again_changes_nothing(database: Engine) -> None:
    for _ in range(2):
        store(database, tagged(facts(invocation(1, cost_pd=5)), customer="acme"))
    assert sums(database) == [("customer", "acme", 1, 0, 5, 0, 0, 0)]


def test_a_running_invocation_counts_once_it_has_ended(database: Engine) -> None:
    """And then with the tags that it ended with."""
    running = invocation(1, cost_pd=1, result=Result.RUNNING, finished=False)
    store(database, tagged(facts(running, body=b"checkpoint"), customer="?"))
    assert sums(database) == []
    store(database, tagged(facts(invocation(1, cost_pd=9, duration_ms=20)), customer="acme"))
    assert sums(database) == [("customer", "acme", 1, 0, 9, 0, 0, 0)]


def test_a_timeout_that_ended_after_all_is_taken_back(database: Engine) -> None:
    cut = invocation(1, cost_pd=1, result=Result.TIMEOUT, finished=False)
    store(database, tagged(facts(cut, body=b"cut"), customer="acme", attempt="1"))
    assert [row[3] for row in sums(database)] == [1, 1]
    store(database, tagged(facts(invocation(1, cost_pd=9, duration_ms=20)), customer="acme"))
    assert sums(database) == [("attempt", "1", 0, 0, 0, 0, 0, 0), ("customer", "acme", 1, 0, 9, 0, 0, 0)]


@pytest.mark.parametrize("reported_first", [True, False])
def test_a_report_corrects_them(database: Engine, reported_first: bool) -> None:
    """Whichever came first, the sum is Lambda's own figure and the invocation is counted once."""
    given = [tagged(end(), customer="acme"), report(status="timeout")]
    for one in reversed(given) if reported_first else given:
        store(database, one)
    (cost,) = rows(database, tables.invocations, "cost_pd", "calls_cost_pd", "unpriced_calls")
    assert sums(database) == [("customer", "acme", 1, 1, cost[0], 0, cost[1], cost[2])]


def test_hours_are_the_sums_of_their_minutes(database: Engine) -> None:
    start = -(START_NS // MS) % 3_600_000  # the next hour
    for number, minute in enumerate((0, 0, 1, 59), 1):
        row = invocation(number, cost_pd=number, start_ms=start + minute * 60_000)
        store(database, tagged(facts(row), customer="acme"))
    assert [row[4] for row in sums(database)] == [3, 4, 3]
    assert [row[4] for row in sums(database, 3600)] == [10]
