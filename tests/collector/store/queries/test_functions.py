"""The Functions page's query."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from collector.domain.facts import Result
from collector.store.queries import functions as module
from collector.store.queries.common import FunctionRef, TimeRange
from collector.store.queries.functions import SORTS, list_functions
from tests.collector.store.queries.world import DAY, HOUR, MINUTE, NOON, World


def _names(page: Connection, **options: object) -> list[str]:
    return [row.function.name for row in list_functions(page, DAY, **options)]  # type: ignore[arg-type] # any of them


def test_an_empty_database_has_no_functions(page: Connection) -> None:
    """No rows, whatever the window, the search or the order."""
    for sort in SORTS:
        assert list_functions(page, DAY, search="x", sort=sort) == []
    assert list_functions(page, TimeRange(0, 0)) == []


def test_a_row_sums_up_the_window(world: World, page: Connection) -> None:
    """Counts, average, percentile, memory, cost and trend are those of the invocations in the window."""
    thumb = world.function("thumb")
    for index in range(19):
        world.run(thumb, index * MINUTE, duration_ms=100, memory_mb=64 + index, cost_pd=10)
    world.run(thumb, 30 * MINUTE, duration_ms=2_000, cold=True, issue=world.issue(thumb, "KeyError"), cost_pd=None)
    world.run(thumb, 13 * HOUR, duration_ms=9_000)  # after the window
    world.store()
    [row] = list_functions(page, DAY)

    assert row.function == FunctionRef(thumb.id, "lambda", "123456789012", "eu-west-1", "thumb")
    assert (row.runtime, row.architecture, row.memory_mb) == ("python3.12", "arm64", 512)
    assert (row.invocations, row.errors, row.cold_starts) == (20, 1, 1)
    assert row.average_ms == pytest.approx((19 * 100 + 2_000) / 20)
    assert row.p95_ms == pytest.approx(100, rel=0.02)
    assert (row.max_memory_mb, row.cost_pd) == (82, 190)
    assert type(row.cost_pd) is int
    assert row.last_seen_ms == NOON + 13 * HOUR
    assert row.trend == (0,) * 12 + (20,) + (0,) * 11
    assert row.error_trend == (0,) * 12 + (1,) + (0,) * 11


def test_sums_are_exact_to_the_minute(world: World, page: Connection) -> None:
    """A window with ragged edges counts what lies in its minutes and nothing of the hours around it."""
    thumb = world.function("thumb")
    for at in (-91, -90, -30, 0, 59, 89, 90):
        world.run(thumb, at * MINUTE)
    world.store()
    ragged = TimeRange(NOON - 90 * MINUTE, NOON + 90 * MINUTE)
    [row] = list_functions(page, ragged)

    assert row.invocations == 5
    assert sum(row.trend) == 5
    assert (row.trend[0], row.trend[-1]) == (1, 1)


def test_quiet_functions_come_last_with_zeros(world: World, page: Connection) -> None:
    """A function without an invocation in the window is listed, after all others, either way round."""
    busy, quiet, never = world.function("busy"), world.function("a-quiet"), world.function("b-never")
    world.run(busy)
    world.run(quiet, -24 * HOUR)
    world.store()
    for descending in (True, False):
        rows = list_functions(page, DAY, sort="errors", descending=descending)
        assert [row.function.name for row in rows] == ["busy", "a-quiet", "b-never"]

    assert rows[1].last_seen_ms == NOON - 24 * HOUR
    assert (rows[1].invocations, rows[1].average_ms, rows[1].p95_ms, rows[1].cost_pd) == (0, None, None, 0)
    assert rows[2].last_seen_ms is None
    assert never.id == rows[2].function.id


def test_rows_stand_in_the_order_asked_for(world: World, page: Connection) -> None:
    """Each sort orders by its own figure, and equals by name."""
    slow, often, failing = world.function("slow"), world.function("often"), world.function("Failing")
    world.run(slow, duration_ms=900, memory_mb=10, cost_pd=50, at=5)
    for at in (1, 2, 3):
        world.run(often, at, duration_ms=10, memory_mb=30, cost_pd=10)
    world.run(failing, 9, duration_ms=100, memory_mb=20, cost_pd=1, issue=world.issue(failing, "KeyError"))
    world.store()
    expected = {
        "name": ["slow", "often", "Failing"],
        "invocations": ["often", "Failing", "slow"],
        "errors": ["Failing", "often", "slow"],
        "average": ["slow", "Failing", "often"],
        "p95": ["slow", "Failing", "often"],
        "memory": ["often", "Failing", "slow"],
        "cost": ["slow", "often", "Failing"],
        "last_seen": ["Failing", "slow", "often"],
    }
    assert {sort: _names(page, sort=sort) for sort in SORTS} == expected
    assert _names(page, sort="average", descending=False) == ["often", "Failing", "slow"]
    assert _names(page, sort="nonsense") == expected["errors"]


def test_what_has_no_value_comes_after_what_has_one(world: World, page: Connection) -> None:
    """A function whose cost is unknown is not the cheapest."""
    free, dear, other = world.function("free"), world.function("dear"), world.function("svc", kind="service")
    world.run(free, cost_pd=0)
    world.run(dear, cost_pd=7)
    world.run(other, cost_pd=None)
    world.store()

    assert _names(page, sort="cost") == ["dear", "free", "svc"]
    assert _names(page, sort="cost", descending=False) == ["free", "dear", "svc"]
    assert {row.function.name: row.cost_pd for row in list_functions(page, DAY)} == {"free": 0, "dear": 7, "svc": None}


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("THUMB", ["thumb_nail", "thumb-nail", "thumbünail"]),
        ("b_n", ["thumb_nail"]),
        ("100%", ["100%<b>'"]),
        ("<b>'", ["100%<b>'"]),
        ("ünail", ["thumbünail"]),
        ("us-east", ["100%<b>'"]),
        ("python3.9", ["thumb-nail"]),
        ("\\", []),
        ("\0", ["100%<b>'", "thumb-nail", "thumb_nail", "thumbünail"]),
        ("\ud800", []),
    ],
)
def test_search_takes_text_as_it_is(world: World, page: Connection, search: str, found: list[str]) -> None:
    """Search looks in name, region and runtime, in any case; wildcards, quotes and odd characters mean themselves."""
    for name in ("thumb_nail", "thumbünail"):
        world.function(name)
    world.function("thumb-nail", runtime="python3.9")
    world.function("100%<b>'", region="us-east-1", runtime=None)
    world.store()

    assert sorted(_names(page, search=search)) == sorted(found)


def test_namesakes_are_told_apart(world: World, page: Connection) -> None:
    """Functions of one name in two regions or accounts are rows of their own, always in the same order."""
    for account, region in (("1", "eu-west-1"), ("1", "us-east-1"), ("2", "eu-west-1")):
        world.run(world.function("thumb", account=account, region=region))
    world.store()
    rows = list_functions(page, DAY)

    assert len({row.function for row in rows}) == 3
    assert rows == list_functions(page, DAY, descending=False)


def test_the_list_is_bounded(world: World, page: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many functions the first in the order asked for are kept."""
    monkeypatch.setattr(module, "MOST", 2)
    for index in range(4):
        function = world.function(f"f{index}")
        for at in range(index):
            world.run(function, at)
    world.store()

    assert _names(page, sort="invocations") == ["f3", "f2"]


def test_the_number_of_statements_is_constant(world: World, page: Connection, statements: list[str]) -> None:
    """Thirty functions take as many statements as one."""
    for index in range(30):
        world.run(world.function(f"f{index}"), index, result=Result.ERROR)
    world.store()
    list_functions(page, DAY, search="f1")
    few = len(statements)
    list_functions(page, DAY)

    assert len(statements) == 2 * few <= 8
