from __future__ import annotations

from sqlalchemy import Connection, Engine

from collector.domain.facts import Result, Tag
from collector.store import tables
from collector.store.queries import common
from collector.store.queries.function import list_invocations
from collector.store.queries.transaction_filter import FEW
from collector.store.queries.transactions import list_transactions, summarize_transactions
from collector.store.statements import write
from tests.collector.store.queries.world import DAY, World

ACME = common.Tag("customer", "acme")


def tag(engine: Engine, *rows: Tag) -> None:
    with engine.begin() as connection:
        write(connection, tables.invocation_tags, rows)


def test_invocations_with_a_tag(world: World, page: Connection) -> None:
    """Of this function, within the window, newest first, with all their tags."""
    thumb, other = world.function("thumb"), world.function("other")
    rows = [world.run(thumb, at) for at in (1, 2, 3)]
    foreign = world.run(other, 4)
    world.store()
    tagged = [Tag(row.started_ns, row.span_id, "customer", "acme", row.function_id) for row in (*rows[:2], foreign)]
    tag(world.engine, *tagged, Tag(rows[1].started_ns, rows[1].span_id, "plan", "pro", thumb.id))

    found = list_invocations(page, thumb.id, DAY, tag=ACME).rows

    assert [row.span_id for row in found] == [rows[1].span_id, rows[0].span_id]
    assert found[0].tags == (ACME, common.Tag("plan", "pro"))
    assert list_invocations(page, thumb.id, DAY, tag=common.Tag("customer", "ACME")).rows == ()


def test_a_tag_beside_other_filters(world: World, page: Connection) -> None:
    """Issue, result and place in the list all hold."""
    thumb = world.function("thumb")
    issue = world.issue(thumb, "KeyError")
    rows = [world.run(thumb, at, issue=issue if at % 2 else None) for at in range(6)]
    world.store()
    tag(world.engine, *(Tag(row.started_ns, row.span_id, "customer", "acme", thumb.id) for row in rows[:4]))

    def spans(**filters: object) -> list[int]:
        return [row.span_id for row in list_invocations(page, thumb.id, DAY, tag=ACME, **filters).rows]  # type: ignore[arg-type]

    assert spans(issue_id=issue.id) == [rows[3].span_id, rows[1].span_id]
    assert spans(result=Result.OK) == [rows[2].span_id, rows[0].span_id]
    first = list_invocations(page, thumb.id, DAY, tag=ACME, limit=3)
    assert [row.span_id for row in list_invocations(page, thumb.id, DAY, tag=ACME, cursor=first.next).rows] == [
        rows[0].span_id
    ]


def test_transactions_with_a_tag(world: World, page: Connection) -> None:
    """Whichever invocation of theirs has it."""
    thumb, other = world.function("thumb"), world.function("other")
    entry, alone = world.run(thumb, 1), world.run(thumb, 2)
    follower = world.run(other, 3)
    world.link(follower, entry)
    world.store()
    tag(world.engine, Tag(follower.started_ns, follower.span_id, "customer", "acme", other.id))

    assert [row.id for row in list_transactions(page, DAY, tag=ACME).rows] == [entry.trace_id]
    assert summarize_transactions(page, DAY, tag=ACME).total == 1
    assert alone.trace_id not in {row.id for row in list_transactions(page, DAY, tag=ACME).rows}


def test_a_tag_that_all_have_finds_the_same(world: World, page: Connection) -> None:
    """Another plan serves what is frequent."""
    thumb = world.function("thumb")
    rows = [world.run(thumb, at) for at in range(5)]
    world.store()
    many = [Tag(row.started_ns, row.span_id, "customer", "acme", thumb.id) for row in rows]
    many += [Tag(rows[0].started_ns + n, 7, "customer", "acme", thumb.id) for n in range(1, FEW + 2)]
    tag(world.engine, *many)

    found = list_transactions(page, DAY, tag=ACME, limit=3)

    assert [row.id for row in found.rows] == [row.trace_id for row in rows[:1:-1]]
    assert list_transactions(page, DAY, tag=common.Tag("customer", "nobody")).rows == ()


def test_hostile_tags_find_nothing(world: World, page: Connection) -> None:
    thumb = world.function("thumb")
    world.run(thumb)
    world.store()
    for key, value in (
        ("\0", "x"),
        ("%", "%"),
        ("'; DROP TABLE functions", "x"),
        ("\ud800", "\ud800"),
        ("k" * 9_999, "v"),
    ):
        assert list_invocations(page, thumb.id, DAY, tag=common.Tag(key, value)).rows == ()
        assert list_transactions(page, DAY, tag=common.Tag(key, value)).rows == ()
