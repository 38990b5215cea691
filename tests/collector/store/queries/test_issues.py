"""The Issues page's queries."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine

from collector.domain.facts import IssueKind
from collector.domain.issue_states import Status
from collector.store import issue_states
from collector.store.queries import issues as module
from collector.store.queries.common import TimeRange
from collector.store.queries.issues import (
    NOBODY,
    SORTS,
    IssueFilter,
    assignees,
    count_issues,
    issue_choices,
    list_issues,
)
from tests.collector.domain import otlp
from tests.collector.store.queries.stored import Store
from tests.collector.store.queries.world import DAY, HOUR, MINUTE, NOON, World, trace


def test_an_empty_database_has_no_issues(page: Connection) -> None:
    """No rows and nothing to choose from, whatever the filter."""
    wanted = IssueFilter(1, "y", frozenset(Status), frozenset(IssueKind), "ada", "x")
    for sort in SORTS:
        assert list_issues(page, DAY, wanted, sort=sort) == []
    assert set(count_issues(page, DAY, wanted).values()) == {0}
    assert (issue_choices(page, DAY), assignees(page)) == (([], []), [])


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
    assert (row.status, row.kind, row.function.name) == (Status.OPEN, IssueKind.FAILURE, "thumb")
    assert (row.assignee, row.until_ms) == ("", None)
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
    """An issue outside the window is neither in the list nor among the choices."""
    thumb = world.function("thumb")
    world.run(thumb, 0, issue=world.issue(thumb, "KeyError"))
    world.store()
    later = TimeRange(NOON + MINUTE, NOON + HOUR)

    assert (list_issues(page, later), issue_choices(page, later)) == ([], ([], []))
    assert count_issues(page, later)[Status.OPEN] == 0
    assert len(list_issues(page, TimeRange(NOON, NOON + 1))) == 1


def test_what_turned_out_not_to_have_happened_is_not_listed(store: Store, page: Connection) -> None:
    """A timeout that was foreseen and did not come, as the invocation ended in time after all, is no issue."""
    window = TimeRange(otlp.START_NS // otlp.MS, otlp.START_NS // otlp.MS + HOUR)
    open_still = {"clew.unfinished": True, "error.type": "Sandbox.Timedout"}
    store.traces(otlp.export(spans=[otlp.invocation(id=1, error="timed out", attrs=open_still)]))
    assert len(list_issues(page, window)) == 1
    page.rollback()
    store.traces(otlp.export(spans=[otlp.invocation(id=1)]))

    assert (list_issues(page, window), issue_choices(page, window)) == ([], ([], []))


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
    wanted = IssueFilter(
        function_id=ids[str(given.pop("function"))] if "function" in given else None,
        type=str(given.pop("type", "")),
        search=str(given.pop("search", "")),
    )
    rows = list_issues(page, DAY, wanted, **given)  # type: ignore[arg-type] # of each case its own

    assert [row.id for row in rows] == [ids[name] for name in found]


def test_an_id_that_cannot_be_one_finds_nothing(page: Connection) -> None:
    """A number beyond eight bytes, from a URL, is no error."""
    wanted = IssueFilter(function_id=2**64)
    assert (list_issues(page, DAY, wanted), sum(count_issues(page, DAY, wanted).values())) == ([], 0)


def test_the_choices_are_what_occurred(world: World, page: Connection) -> None:
    """Kinds with their number of issues, not of occurrences, and functions by name."""
    _many(world)
    kinds, functions = issue_choices(page, DAY)
    assert kinds == [(IssueKind.FAILURE, 3)]
    assert [function.name for function in functions] == ["mail_100%", "thumb"]


def test_statuses_and_assignees(world: World, page: Connection, database: Engine) -> None:
    """Each status is a filter, and is counted whatever is asked for; a mute ends by itself."""
    ids = _many(world)
    with database.begin() as connection:
        issue_states.resolve(connection, [ids["a"]], "ada", now=lambda: (NOON + 100) * otlp.MS)
        issue_states.mute(connection, [ids["b"]], "ada", until_ms=NOON + 1_000)
        issue_states.assign(connection, [ids["b"]], "ada", assignee="Grace")

    def found(*statuses: Status, assignee: str = "", now_ms: int = NOON + 500) -> str:
        wanted = IssueFilter(statuses=statuses, assignee=assignee)
        rows = list_issues(page, DAY, wanted, now_ms=now_ms)
        return "".join(sorted(name for name, id in ids.items() if id in {row.id for row in rows}))

    assert found(Status.OPEN, Status.REGRESSED) == "c"
    assert found(Status.RESOLVED) == "a"
    assert found(Status.MUTED) == "b"
    assert found(Status.MUTED, now_ms=NOON + 1_000) == ""
    assert found(Status.OPEN, now_ms=NOON + 1_000) == "bc"
    assert (found(assignee="Grace"), found(assignee=NOBODY), found(assignee="Ada")) == ("b", "ac", "")
    assert assignees(page) == ["Grace"]
    counts = count_issues(page, DAY, IssueFilter(statuses=[Status.OPEN]), now_ms=NOON + 500)
    assert counts == {Status.OPEN: 1, Status.REGRESSED: 0, Status.RESOLVED: 1, Status.MUTED: 1}
    muted = next(row for row in list_issues(page, DAY, now_ms=NOON) if row.id == ids["b"])
    assert (muted.assignee, muted.until_ms) == ("Grace", NOON + 1_000)


def test_what_came_back_wants_attention_first(world: World, page: Connection, database: Engine) -> None:
    """Before the most frequent."""
    ids = _many(world)
    with database.begin() as connection:
        issue_states.resolve(connection, [ids["a"]], "ada", now=lambda: (NOON + 100) * otlp.MS)
    assert [row.id for row in list_issues(page, DAY, sort="attention")] == [ids["c"], ids["b"], ids["a"]]
    page.rollback()
    thumb = world.function("thumb")
    world.run(thumb, 200, number=99, issue=world.issue(thumb, "KeyError", "no 50% off", "S3.GetObject"))
    world.store()
    rows = list_issues(page, DAY, sort="attention")
    assert [(row.id, row.status) for row in rows][:2] == [(ids["a"], Status.REGRESSED), (ids["c"], Status.OPEN)]


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
    list_issues(page, DAY, IssueFilter(search="Error11"))
    few = len(statements)
    assert len(list_issues(page, DAY)) == 30

    assert len(statements) == 2 * few <= 8
