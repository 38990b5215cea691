"""The writer: what `submit` promises."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, func, select, text, update

from collector.domain.facts import Facts, Result, Unfinished
from collector.store import tables
from collector.store.errors import Overloaded, StoreError, StoreUnavailable, TryAgain
from collector.store.writer import Writer
from tests.collector.store.facts import facts, invocation


@contextmanager
def running(database: Engine, **options: Any) -> Iterator[Writer]:
    writer = Writer(database, **options)
    writer.start()
    try:
        yield writer
    finally:
        writer.close()


def count(database: Engine) -> int:
    with database.connect() as connection:
        return connection.scalar(select(func.count()).select_from(tables.invocations)) or 0


class Gate:
    """Stands before every commit that stores exports: counts them, and may hold or fail them."""

    def __init__(self) -> None:
        self.commits = 0
        self.reached = threading.Event()
        self.open = threading.Event()
        self.open.set()
        self.fail_with: Exception | None = None

    def pass_through(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO exports"):
            self.commits += 1
            self.reached.set()
            assert self.open.wait(30)
            if self.fail_with is not None:
                raise self.fail_with


@pytest.fixture
def gate(database: Engine) -> Gate:
    gate = Gate()
    event.listen(database, "before_cursor_execute", gate.pass_through)
    return gate


def wait_until_waiting(writer: Writer, size: int) -> None:
    deadline = time.monotonic() + 30
    while writer.waiting_bytes < size:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_submit_returns_when_the_facts_are_stored(database: Engine, reader: Engine) -> None:
    """Another connection sees them."""
    with running(database) as writer:
        writer.submit(facts(invocation(1)), 100)

        assert 1 == count(reader)


def test_many_requests_share_commits(database: Engine, reader: Engine, gate: Gate) -> None:
    """Requests that wait while a commit runs are stored together, each once."""
    gate.open.clear()
    with running(database) as writer, ThreadPoolExecutor(20) as pool:
        first = pool.submit(writer.submit, facts(invocation(1)), 100)
        assert gate.reached.wait(30)
        others = [pool.submit(writer.submit, facts(invocation(n)), 100) for n in range(2, 20)]
        wait_until_waiting(writer, 18 * 100)
        gate.open.set()
        for request in [first, *others]:
            request.result(30)

    assert 19 == count(reader)
    assert 2 == gate.commits


def test_more_than_may_wait_is_refused(database: Engine, gate: Gate) -> None:
    """The refusal says when to try again, and what had been taken is stored."""
    gate.open.clear()
    with running(database, max_queue_bytes=1_000) as writer, ThreadPoolExecutor(3) as pool:
        first = pool.submit(writer.submit, facts(invocation(1)), 900)
        assert gate.reached.wait(30)
        second = pool.submit(writer.submit, facts(invocation(2)), 900)
        wait_until_waiting(writer, 900)

        with pytest.raises(Overloaded) as refused:
            writer.submit(facts(invocation(3)), 200)
        assert refused.value.retry_after_s >= 1

        gate.open.set()
        first.result(30)
        second.result(30)
    assert 2 == count(database)


def test_a_database_that_fails_is_worth_a_retry(database: Engine, gate: Gate) -> None:
    """A commit that fails tells every request of it to come again; the next one may succeed."""
    with running(database) as writer:
        gate.fail_with = StoreError("The disk is gone.")
        with pytest.raises(StoreUnavailable, match="The disk is gone"):
            writer.submit(facts(invocation(1)), 100)
        health = [writer.alive]
        gate.fail_with = None
        writer.submit(facts(invocation(1)), 100)
        health.append(writer.alive)

    assert [False, True] == health
    assert 1 == count(database)
    with database.connect() as connection:
        assert 1 == connection.scalar(select(func.count()).select_from(tables.functions))


def test_one_bad_export_does_not_fail_its_neighbours(database: Engine, gate: Gate) -> None:
    """Data that the database refuses fails alone, and not as something to try again."""
    bad = facts(invocation(2)._replace(duration_ns=2**70))
    gate.open.clear()
    with running(database) as writer, ThreadPoolExecutor(3) as pool:
        first = pool.submit(writer.submit, facts(invocation(1)), 100)
        assert gate.reached.wait(30)
        worse = pool.submit(writer.submit, bad, 100)
        good = pool.submit(writer.submit, facts(invocation(3)), 100)
        wait_until_waiting(writer, 200)
        gate.open.set()

        first.result(30)
        good.result(30)
        with pytest.raises(StoreError) as refused:
            worse.result(30)
        assert not isinstance(refused.value, TryAgain)
    assert 2 == count(database)


def test_close_stores_what_waits(database: Engine, gate: Gate) -> None:
    """Nothing that was taken is dropped, it is stitched too, and nothing is taken afterwards."""
    writer = Writer(database)
    writer.start()
    gate.open.clear()
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(writer.submit, facts(invocation(1)), 10)]
        assert gate.reached.wait(30)
        waiting += [pool.submit(writer.submit, facts(invocation(n)), 10) for n in range(2, 6)]
        wait_until_waiting(writer, 40)
        closing = threading.Thread(target=writer.close)
        closing.start()
        gate.open.set()
        closing.join(30)
        for request in waiting:
            request.result(30)

    assert 5 == count(database)
    with database.connect() as connection:
        assert 5 == connection.scalar(select(func.count()).select_from(tables.transactions))
    with pytest.raises(StoreUnavailable):
        writer.submit(facts(invocation(9)), 10)


def test_what_is_handed_over_is_read_before_its_commit(database: Engine, reader: Engine, gate: Gate) -> None:
    """All that waits unread is read by the writer's thread, and what it gives is stored in one commit; what gives
    nothing is nothing, and what cannot be read is told to who handed it over."""
    outcomes: dict[str, list[Exception | None]] = {name: [] for name in "abcdx"}
    threads: list[str] = []

    def broken() -> None:
        raise ValueError("cannot be read")

    def read(span_id: int) -> Facts:
        threads.append(threading.current_thread().name)
        return facts(invocation(span_id))

    with running(database) as writer:
        gate.open.clear()
        writer.hand_over(lambda: read(1), outcomes["a"].append)
        assert gate.reached.wait(30)
        writer.hand_over(lambda: read(2), outcomes["b"].append)
        writer.hand_over(broken, outcomes["x"].append)
        writer.hand_over(lambda: None, outcomes["c"].append)
        writer.hand_over(lambda: read(3), outcomes["d"].append)
        assert 4 == writer.waiting
        gate.open.set()
        writer.submit(facts(invocation(4)), 1)
    assert 4 == count(reader)
    assert 2 == gate.commits
    assert ["clew-writer"] * 3 == threads
    assert str(outcomes.pop("x")[0]) == "cannot be read"
    assert {"a": [None], "b": [None], "c": [], "d": [None]} == outcomes


def test_what_waits_unread_when_the_database_fails_is_not_read(database: Engine, gate: Gate) -> None:
    """It is told to come again at once, as all others that wait."""
    outcomes: list[Exception | None] = []
    done = threading.Event()

    def settle(error: Exception | None) -> None:
        outcomes.append(error)
        if len(outcomes) == 3:
            done.set()

    def never() -> Facts:
        raise AssertionError

    gate.open.clear()
    gate.fail_with = StoreError("The disk is gone.")
    with running(database) as writer:
        writer.hand_over(lambda: facts(invocation(1)), settle)
        assert gate.reached.wait(30)
        for _ in range(2):
            writer.hand_over(never, settle)
        gate.open.set()
        assert done.wait(30)
        assert 0 == writer.waiting
        assert 3 == writer.counts.returned_exports
    assert all(isinstance(error, StoreUnavailable) for error in outcomes)
    with pytest.raises(StoreUnavailable):
        writer.hand_over(never, settle)


def test_neither_keeps_the_other_waiting(
    database: Engine, reader: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more waits than a commit may hold, each has some of what is read already and of what is not."""
    monkeypatch.setattr("collector.store.writer.MAX_GROUP_BYTES", 1)
    outcomes: list[Exception | None] = []
    with running(database) as writer:
        gate.open.clear()
        writer.hand_in(facts(invocation(1)), 1, outcomes.append)
        assert gate.reached.wait(30)
        for number in range(2, 6):
            writer.hand_in(facts(invocation(number)), 1, outcomes.append)
            writer.hand_over(partial(facts, invocation(10 + number)), outcomes.append)
        gate.open.set()
    assert [None] * 9 == outcomes
    assert 9 == count(reader)
    assert 5 <= gate.commits <= 9


def test_what_time_brings_about_comes_without_a_request(database: Engine) -> None:
    """The writer notices a deadline that has passed, also one that an earlier process was told of."""
    row = invocation(1, result=Result.RUNNING, finished=False)
    given = facts(row)
    given.issues, given.occurrences = [], []
    given.unfinished = [Unfinished(row.started_ns, row.span_id, row.started_ns, None, b"")]
    with running(database, grace_s=0) as writer:
        writer.submit(given, 100)
    with database.begin() as connection:  # as it was before the sweep, whichever came first
        connection.execute(update(tables.unfinished).values(deadline_ns=row.started_ns))
        connection.execute(update(tables.invocations).values(result=Result.RUNNING))
        connection.execute(delete(tables.issue_occurrences))

    deadline = time.monotonic() + 30
    with running(database, grace_s=0):
        while not count_crashed(database):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def count_crashed(database: Engine) -> int:
    with database.connect() as connection:
        crashed = select(func.count()).where(tables.invocations.c.result == Result.CRASHED)
        return connection.scalar(crashed) or 0


def test_a_queue_left_behind_is_stitched_at_the_start(database: Engine) -> None:
    """What a killed collector stored but did not stitch is taken up by the next."""
    with database.begin() as connection:
        queued = text("INSERT INTO stitch_queue (token, trace_id, part, keys) VALUES (1, :id, 0, :keys)")
        connection.execute(queued, {"id": bytes(15) + b"x", "keys": b""})

    with running(database):
        pass

    with database.connect() as connection:
        assert [] == connection.execute(select(tables.stitch_queue)).all()
