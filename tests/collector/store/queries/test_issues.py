"""The Issues page's queries."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from collector.store.queries import issues as module
from collector.store.queries.common import TimeRange
from collector.store.queries.issues import SORTS, issue_types, list_issues
from tests.collector.domain import otlp
from tests.collector.store.queries.stored import Store
from tests.collector.store.queries.world import DAY, HOUR, MINUTE, NOON, World, trace


def test_an_empty_database_has_no_issues(page: Connection) -> None:
    """No rows and no types, whatever the filter."""
    for sort in SORTS:
        assert list_issues(page, DAY, sort=sort, search="x", type="y", function_id=1) == []
    assert issue_types(page, DAY) == []


def test_a_row_sums_up_the_window(world: World, page: Connection) -> None:
    """Occurrences, share, cost and trend are the window's; first and last seen are of all time."""
    thumb = world.function("thumb")
    issue = world.issue(thumb, "KeyError", "'bucket'", "app.py in handler")
    world.run(thumb, -30 * HOUR, issue=issue)
    for at in (1, 2, 3):
        world.run(thumb, at, number=at, issue=issue, cost_pd=10)
    world.run(thumb, 4)
    world.store()
    [row] = list_issues(page, DAY)

    assert (row.id, row.type, row.message, row.culprit) == (issue.id, "KeyError", "'bucket'", "app.py in handler")
    assert (row.status, row.function.name) == ("open", "thumb")
    assert (row.occurrences, row.share, row.cost_pd) == (3, 0.75, 30)
    assert type(row.cost_pd) is int
    assert (row.first_seen_ms, row.last_seen_ms) == (NOON - 30 * HOUR, NOON + 3)
    assert row.trend == (0,) * 12 + (3,) + (0,) * 11
    assert row.latest_transaction_id == trace(3)


def test_the_cost_of_what_has_no_price_is_unknown(world: World, page: Connection) -> None:
    """Outside Lambda nothing is known to be free: it is no figure, and stands after all figures."""
    free, dear, other = world.function("free"), world.function("dear"), world.function("svc", kind="service")
    for function, cost_pd in ((free, 0), (dear, 7), (other, None)):
        world.run(function, issue=world.issue(function, "KeyError"), cost_pd=cost_pd)
    world.store()

    for descending, names in ((True, ["dear", "free", "svc"]), (False, ["free", "dear", "svc"])):
        rows = list_issues(page, DAY, sort="cost", descending=descending)
        assert [row.function.name for row in rows] == names
        assert {row.function.name: row.cost_pd for row in rows} == {"free": 0, "dear": 7, "svc": None}


def test_what_did_not_occur_is_not_listed(world: World, page: Connection) -> None:
    """An issue outside the window is in neither the list nor the types."""
    thumb = world.function("thumb")
    world.run(thumb, 0, issue=world.issue(thumb, "KeyError"))
    world.store()
    later = TimeRange(NOON + MINUTE, NOON + HOUR)

    assert (list_issues(page, later), issue_types(page, later)) == ([], [])
    assert len(list_issues(page, TimeRange(NOON, NOON + 1))) == 1


def test_what_turned_out_not_to_have_happened_is_not_listed(store: Store, page: Connection) -> None:
    """A timeout that was foreseen and did not come, as the invocation ended in time after all, is no issue."""
    window = TimeRange(otlp.START_NS // otlp.MS, otlp.START_NS // otlp.MS + HOUR)
    open_still = {"clew.unfinished": True, "error.type": "Sandbox.Timedout"}
    store.traces(otlp.export(spans=[otlp.invocation(id=1, error="timed out", attrs=open_still)]))
    assert len(list_issues(page, window)) == 1
    page.rollback()
    store.traces(otlp.export(spans=[otlp.invocation(id=1)]))

    assert (list_issues(page, window), issue_types(page, window)) == ([], [])


def test_the_example_is_a_transaction_not_a_trace(world: World, page: Connection) -> None:
    """The latest occurrence in the window leads to the transaction that its trace is part of."""
    producer, consumer = world.function("producer"), world.function("consumer")
    issue = world.issue(consumer, "KeyError")
    cause = world.run(producer, 0, number=1)
    world.link(world.run(consumer, 50, number=2, issue=issue), cause)
    world.run(consumer, 13 * HOUR, number=3, issue=issue)
    world.store()

    assert list_issues(page, DAY)[0].latest_transaction_id == trace(1)


def _many(world: World) -> dict[str, int]:
    thumb, mail = world.function("thumb"), world.function("mail_100%")
    issues = {
        "a": world.issue(thumb, "KeyError", "no 50% off", "S3.GetObject"),
        "b": world.issue(thumb, "TypeError", "<script>alert(1)</script>", None),
        "c": world.issue(mail, "KeyError", "it's", "app.py in handler"),
    }
    for name, at, cost in (("a", 1, 9), ("b", 2, 1), ("b", 3, 1), ("c", 4, 4), ("c", 6, 4), ("c", 5, 4)):
        world.run(mail if name == "c" else thumb, at, issue=issues[name], cost_pd=cost)
    world.store()
    return {name: issue.id for name, issue in issues.items()} | {"thumb": thumb.id, "mail": mail.id}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, "cba"),
        ({"descending": False}, "abc"),
        ({"sort": "last_seen"}, "cba"),
        ({"sort": "first_seen", "descending": False}, "abc"),
        ({"sort": "type", "descending": False}, "cab"),
        ({"sort": "cost"}, "cab"),
        ({"sort": "nonsense"}, "cba"),
        ({"function": "thumb"}, "ba"),
        ({"function": "mail"}, "c"),
        ({"type": "KeyError"}, "ca"),
        ({"type": "Key%"}, ""),
        ({"type": "KeyError", "function": "thumb"}, "a"),
        ({"search": "keyerror"}, "ca"),
        ({"search": "50% OFF"}, "a"),
        ({"search": "<script>"}, "b"),
        ({"search": "it's"}, "c"),
        ({"search": "getobject"}, "a"),
        ({"search": "mail_"}, "c"),
        ({"search": "_%"}, ""),
        ({"search": "\0KeyError "}, "ca"),
    ],
)
def test_filters_and_orders(world: World, page: Connection, options: dict[str, object], found: str) -> None:
    """Each filter narrows, each sort orders, text means itself; equals stand with the one last seen first."""
    ids = _many(world)
    given = dict(options)
    if function := given.pop("function", None):
        given["function_id"] = ids[str(function)]
    rows = list_issues(page, DAY, **given)  # type: ignore[arg-type] # of each case its own

    assert [row.id for row in rows] == [ids[name] for name in found]


def test_an_id_that_cannot_be_one_finds_nothing(page: Connection) -> None:
    """A number beyond eight bytes, from a URL, is no error."""
    assert list_issues(page, DAY, function_id=2**64) == []


def test_types_are_counted_by_issue(world: World, page: Connection) -> None:
    """Most frequent type first; occurrences do not count, issues do."""
    _many(world)
    assert issue_types(page, DAY) == [("KeyError", 2), ("TypeError", 1)]


def test_the_list_is_bounded(world: World, page: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many issues the first in the order asked for are kept."""
    ids = _many(world)
    monkeypatch.setattr(module, "MOST", 2)
    assert [row.id for row in list_issues(page, DAY)] == [ids["c"], ids["b"]]


def test_the_number_of_statements_is_constant(world: World, page: Connection, statements: list[str]) -> None:
    """Thirty issues take as many statements as one."""
    for at in range(30):
        function = world.function(f"f{at}")
        world.run(function, at, issue=world.issue(function, f"Error{at}"))
    world.store()
    list_issues(page, DAY, search="Error11")
    few = len(statements)
    assert len(list_issues(page, DAY)) == 30

    assert len(statements) == 2 * few <= 8
