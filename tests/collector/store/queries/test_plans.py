"""How SQLite runs the hottest queries: by an index, however much is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from collector.domain.ids import hash63
from collector.store.engine import open_engine
from collector.store.queries.cost_marks import (
    marks_of_functions,
    marks_of_issues,
    marks_of_tag_values,
    marks_of_transactions,
)
from collector.store.queries.function import get_function, list_invocations
from collector.store.queries.functions import list_functions
from collector.store.queries.transaction import get_transaction
from collector.store.queries.transactions import Outcome, list_transactions
from collector.store.queries.windows import first_minute
from tests.collector.store.queries.world import DAY, World, trace
from tests.databases import create_sqlite

# Small, or read whole on purpose: there are as many functions, resources and issues as a person can name.
SMALL = {"functions", "resources", "issues"}
CONSTANT = "CONSTANT"  # how SQLite calls a row of values
THUMB = hash63("lambda", "123456789012", "eu-west-1", "thumb")
KEY_ERROR = hash63(str(THUMB), "KeyError", "broken")


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(create_sqlite(tmp_path / "clew.db"))
    world = World(engine)
    thumb = world.function("thumb")
    table = world.resource("dynamodb", "sizes")
    for number in range(1, 4):
        world.run(thumb, number, number=number, issue=world.issue(thumb, "KeyError"), calls=[(table, None)])
    world.store()
    yield engine
    engine.dispose()


def _plans(engine: Engine, query: Callable[[Connection], object]) -> list[list[str]]:
    """SQLite's plan of each statement that the query sends, a line per table."""
    sent: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_more: object) -> None:
        if statement.startswith("SELECT"):
            sent.append((statement, parameters))

    with engine.connect() as connection:
        event.listen(engine, "before_cursor_execute", note)
        query(connection)
        event.remove(engine, "before_cursor_execute", note)
        return [
            [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]  # type: ignore[arg-type] # as SQLAlchemy made them
            for statement, parameters in sent
        ]


def _scanned(plans: list[list[str]]) -> set[str]:
    """Tables that are read from end to end. SQLite names subqueries in brackets or by their alias."""
    lines = [line.split() for plan in plans for line in plan if line.startswith("SCAN")]
    return {words[1] for words in lines if not words[1].startswith(("anon", "(", "latest"))} - SMALL - {CONSTANT}


@pytest.mark.parametrize(
    "query",
    [
        lambda page: list_transactions(page, DAY, cursor=list_transactions(page, DAY, limit=1).next),
        lambda page: list_transactions(page, DAY, outcome=Outcome.WITH_ISSUES, function_id=THUMB, issue_id=KEY_ERROR),
        lambda page: list_transactions(page, DAY, search=trace(1).hex()),
        lambda page: get_transaction(page, trace(1)),
        lambda page: get_transaction(page, trace(4711)),
        lambda page: list_invocations(page, THUMB, DAY, cursor="AAAAAAAAAAAAAAAAAAAAAA"),
        lambda page: list_invocations(page, THUMB, DAY, issue_id=KEY_ERROR),
        lambda page: get_function(page, THUMB, DAY),
        lambda page: list_functions(page, DAY),
        lambda page: marks_of_functions(page, [THUMB], DAY),
        lambda page: marks_of_issues(page, [KEY_ERROR], DAY),
        lambda page: marks_of_transactions(page, [trace(1)]),
        lambda page: marks_of_tag_values(page, "customer", ["acme"], DAY, function_id=THUMB),
        first_minute,
    ],
    ids=[
        "transactions",
        "transactions filtered",
        "transactions by id",
        "transaction",
        "transaction of a trace",
        "invocations",
        "invocations of an issue",
        "function",
        "functions",
        "marks of functions",
        "marks of issues",
        "marks of transactions",
        "marks of tags",
        "first minute",
    ],
)
def test_no_large_table_is_scanned(sqlite: Engine, query: Callable[[Connection], object]) -> None:
    """Every statement seeks what it needs in an index."""
    assert _scanned(_plans(sqlite, query)) == set()


def test_transactions_come_in_the_order_of_their_index(sqlite: Engine) -> None:
    """A page of transactions reads its rows and no more: by the index on their start, without sorting all."""
    [plan, *_] = _plans(sqlite, lambda page: list_transactions(page, DAY))

    assert plan[0].startswith("SEARCH transactions USING INDEX ix_transactions_summary (started_ns>")
    assert not any("FOR ORDER BY" in line and "LAST" not in line for line in plan)


def test_invocations_come_in_the_order_of_their_index(sqlite: Engine) -> None:
    """A page of a function's invocations is a range of the index on function and start."""
    [plan, *_] = _plans(sqlite, lambda page: list_invocations(page, THUMB, DAY))

    assert len(plan) == 1
    assert plan[0].startswith("SEARCH invocations USING INDEX ix_invocations_function_id_started_ns (function_id=?")


def test_a_functions_sums_are_one_range_of_its_rollups(sqlite: Engine) -> None:
    """The function page's charts read the function's rows of the window and nobody else's."""
    [_, plan, *_] = _plans(sqlite, lambda page: get_function(page, THUMB, DAY))

    assert plan[0].startswith("SEARCH function_stats USING PRIMARY KEY (function_id=? AND resolution=? AND start_s>")
