"""Whether a sum of costs has an estimated or an unknown part."""

from __future__ import annotations

from sqlalchemy import Engine

from collector.domain.facts import Facts, Result, Tag
from collector.domain.ids import hash63
from collector.store.queries.common import TimeRange
from collector.store.queries.cost_marks import (
    MOST_READ,
    NONE,
    CostMarks,
    marks_of_functions,
    marks_of_issues,
    marks_of_tag_values,
    marks_of_transactions,
)
from tests.collector.store.facts import START_NS, facts, function, invocation, trace
from tests.collector.store.lives import stitch, store

START_MS = START_NS // 1_000_000
DAY = TimeRange(START_MS, START_MS + 86_400_000)
ESTIMATED = CostMarks(estimated=True)
ISSUE = hash63("issue", str(Result.ERROR))


def ran(number: int, *, name: str = "transcribe", reported: bool = True, **said: object) -> Facts:
    """An invocation of the minute of its number, with an issue and a tag."""
    row = invocation(number, name=name, start_ms=number * 60_000, result=Result.ERROR)
    row = row._replace(reported_ns=10_000_000 if reported else None)._replace(**said)  # type: ignore[arg-type]
    given = facts(row, body=f"{name} {number}".encode())
    given.functions = [function(name)]
    given.tags = [Tag(row.started_ns, row.span_id, "customer", "acme", row.function_id)]
    return given


def read(database: Engine, window: TimeRange = DAY) -> tuple[CostMarks, ...]:
    """Of the function, the issue and the value of the tag, which all have the same invocations."""
    id = function().id
    with database.connect() as connection:
        return (
            marks_of_functions(connection, [id], window).get(id, NONE),
            marks_of_issues(connection, [ISSUE], window).get(ISSUE, NONE),
            marks_of_tag_values(connection, "customer", ["acme"], window)["acme"],
            marks_of_tag_values(connection, "customer", ["acme"], window, function_id=id)["acme"],
        )


def test_what_lambda_reported_is_no_estimate(database: Engine) -> None:
    assert set(read(database)) == {NONE}
    store(database, ran(1), ran(2, name="other", reported=False, cost_pd=7))
    assert read(database) == (NONE, ESTIMATED, ESTIMATED, NONE)
    store(database, ran(3, reported=False))
    assert set(read(database)) == {ESTIMATED}
    assert set(read(database, TimeRange(START_MS, START_MS + 100_000))) == {NONE}
    with database.connect() as connection:
        assert marks_of_functions(connection, [], DAY) == {}
        assert marks_of_functions(connection, [7], DAY) == {}


def test_what_has_no_price_is_missing(database: Engine) -> None:
    store(database, ran(1), ran(2, cost_pd=None, reported=False))
    assert set(read(database)) == {CostMarks(unpriced=True)}
    store(database, ran(3, calls_cost_pd=5, unpriced_calls=1))
    assert set(read(database)) == {CostMarks(unpriced=True, with_calls=True)}


def test_the_newest_are_looked_at(database: Engine) -> None:
    store(database, *(ran(number, reported=number > 1) for number in range(1, MOST_READ + 1)))
    assert set(read(database)) == {ESTIMATED}
    store(database, ran(MOST_READ + 1))
    assert set(read(database)) == {NONE}


def test_transactions(database: Engine) -> None:
    store(database, ran(1), ran(2, reported=False), ran(3, calls_cost_pd=5))
    stitch(database)
    ids = [trace(number) for number in (1, 2, 3, 4)]
    with database.connect() as connection:
        found = marks_of_transactions(connection, ids)
    assert found == {trace(1): NONE, trace(2): ESTIMATED, trace(3): CostMarks(with_calls=True)}
