"""Processes that die between any two statements of a round, and several that want to do rounds at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, Text, event, insert, select

from collector.alerts.evaluator import LEASE, Evaluator
from collector.alerts.model import Notice
from collector.alerts.rounds import Rounds
from collector.alerts.rule_store import read_rules
from collector.domain.facts import Result
from collector.store.lease import Lease
from tests.collector.alerts.world import World, rule

_METADATA = MetaData()
TOLD = Table("told", _METADATA, Column("name", Text), Column("kind", Text), Column("number", Integer))


class Killed(Exception):
    """The process ends here."""


@pytest.fixture
def world(database: Engine, reader: Engine, monkeypatch: pytest.MonkeyPatch) -> World:
    _METADATA.create_all(database)
    return World(database, reader, monkeypatch)


def tell(connection: Connection, notices: Sequence[Notice], *, now_ms: int) -> None:
    """As the outbox does: in the transaction."""
    for notice in notices:
        connection.execute(insert(TOLD).values(name=notice.subject.name, kind=str(notice.kind)))


def told(world: World) -> list[tuple[Any, ...]]:
    with world.reading.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(TOLD.c.name, TOLD.c.kind)))


def die_at(engine: Engine, number: int) -> Any:
    """The engine's statement of that number is its last one."""
    left = [number]

    def listener(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    event.listen(engine, "before_cursor_execute", listener)
    return lambda: event.remove(engine, "before_cursor_execute", listener)


def test_a_round_that_dies_at_any_statement_is_done_again_and_told_once(world: World) -> None:
    """Nothing is lost and nothing told twice, wherever the process ends."""
    world.begin(rule(window_s=60, resolve_after_s=60))
    number, expected = 0, []
    while True:
        at_s = 600 * (number + 1)
        world.invoke(at_s + 5, name=f"function-{number:03}", result=Result.ERROR)
        world.now_s = at_s + 10
        revive = die_at(world.writing, number)
        try:
            Rounds(world.writing, world.reading, now=world.clock, tell=tell).run()
            survived = True
        except Killed:
            survived = False
        finally:
            revive()
        for after_s in (20, 500):
            world.now_s = at_s + after_s
            next_one = Rounds(world.writing, world.reading, now=world.clock, tell=tell)
            while next_one.run().behind:
                pass
        expected += [(f"function-{number:03}", "opened"), (f"function-{number:03}", "resolved")]
        assert sorted(expected) == told(world)
        if survived:
            break
        number += 1
    assert number > 8  # it died in every place first


def test_several_evaluators_tell_once(world: World) -> None:
    """One holds the lease; when it stops, another goes on."""
    world.begin(rule())
    world.invoke(65, result=Result.ERROR)
    world.now_s = 70
    heard = threading.Event()
    evaluators = [
        Evaluator(world.writing, world.reading, every_s=0.02, now=world.clock, tell=tell, told=heard.set)
        for _ in range(3)
    ]
    for evaluator in evaluators:
        evaluator.start()
    assert heard.wait(30)
    assert [("checkout", "opened")] == told(world)
    world.now_s = 1000
    deadline = threading.Event()
    for evaluator in evaluators:
        for _ in range(1500):
            if told(world) == [("checkout", "opened"), ("checkout", "resolved")]:
                break
            deadline.wait(0.02)
        evaluator.close()
    assert [("checkout", "opened"), ("checkout", "resolved")] == told(world)


def test_who_has_lost_the_lease_stores_nothing(world: World) -> None:
    """A process that was stopped for minutes in the middle of a round finds another in its place."""
    world.begin(rule())
    world.invoke(65, result=Result.ERROR)
    world.now_s = 70
    lost, other = (Lease(world.writing, LEASE, duration_s=60, holder=name) for name in ("lost", "other"))
    assert lost.acquire()
    lost.release()
    assert other.acquire()
    assert not Rounds(world.writing, world.reading, lease=lost, now=world.clock, tell=tell).run().done
    assert [] == told(world)
    assert Rounds(world.writing, world.reading, lease=other, now=world.clock, tell=tell).run().done
    assert [("checkout", "opened")] == told(world)


def test_a_database_that_fails_is_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The thread lives on, and says what was wrong."""
    world.begin(rule())
    world.invoke(65, result=Result.ERROR)
    world.now_s = 70
    heard = threading.Event()
    revive = die_at(world.writing, 3)
    evaluator = Evaluator(world.writing, world.reading, every_s=0.02, now=world.clock, tell=tell, told=heard.set)
    evaluator.start()
    for _ in range(1500):
        if "could not be evaluated" in caplog.text:
            break
        threading.Event().wait(0.02)
    revive()
    assert heard.wait(30)
    evaluator.close()
    assert [("checkout", "opened")] == told(world)
    with world.reading.connect() as connection:
        assert ["rule"] == list(read_rules(connection))
