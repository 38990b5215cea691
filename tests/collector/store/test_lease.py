"""Leases: of several collectors one holds a lease, until it lets go or is not heard of."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Connection, Engine, text

from collector.store.engine import open_engine
from collector.store.lease import Lease, database_now_ms


class Clock:
    """The database's clock and everyone's monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def lease(self, engine: Engine, holder: str, *, duration_s: float = 60) -> Lease:
        return Lease(
            engine, "retention", duration_s=duration_s, holder=holder, monotonic=lambda: self.now_s, now_ms=self._now_ms
        )

    def _now_ms(self, _connection: Connection) -> int:
        return round(self.now_s * 1000)


def test_one_of_two_holds_it(database: Engine) -> None:
    """The second gets it once the first has not renewed it for its whole duration, and not before."""
    clock = Clock()
    first, second = clock.lease(database, "first"), clock.lease(database, "second")

    assert (True, False) == (first.acquire(), second.acquire())
    assert (True, False) == (first.held(), second.held())

    clock.now_s += 50
    assert (True, False) == (first.acquire(), second.acquire())  # renewed

    clock.now_s += 59.999
    assert not second.acquire()
    assert first.held()

    clock.now_s += 0.001
    assert not first.held()  # it knows without asking
    assert second.acquire()
    assert not first.acquire()


def test_who_lets_go_is_succeeded_at_once(database: Engine) -> None:
    """Releasing what another holds changes nothing."""
    clock = Clock()
    first, second = clock.lease(database, "first"), clock.lease(database, "second")
    first.acquire()
    second.release()
    assert not second.acquire()

    first.release()
    assert not first.held()
    assert second.acquire()


def test_names_are_independent(database: Engine) -> None:
    """Who holds one lease does not hold another."""
    retention, alerts = (Lease(database, name, duration_s=60, holder=name) for name in ("retention", "alerts"))

    assert (True, True) == (retention.acquire(), alerts.acquire())


def test_a_holder_that_slept_cannot_confirm(database: Engine) -> None:
    """In the transaction that would make its work last it learns that another holds the lease."""
    clock = Clock()
    first, second = clock.lease(database, "first"), clock.lease(database, "second")
    first.acquire()
    with database.begin() as connection:
        assert first.confirm(connection)
        assert not second.confirm(connection)

    clock.now_s += 60
    second.acquire()
    with database.begin() as connection:
        assert not first.confirm(connection)
        assert second.confirm(connection)


def test_nobody_takes_it_from_a_transaction_that_confirmed_it(database_url: str) -> None:
    """However long ago it expired: the other waits for the end of the transaction."""
    engines = [open_engine(database_url) for _ in range(2)]
    clock = Clock()
    first, second = (clock.lease(engine, str(number)) for number, engine in enumerate(engines))
    first.acquire()
    clock.now_s += 120
    order: list[str] = []

    def take() -> None:
        second.acquire()
        order.append("taken")

    thread = threading.Thread(target=take)
    with engines[0].begin() as connection:
        assert first.confirm(connection)
        thread.start()
        thread.join(0.2)
        order.append("committed")
    thread.join()

    assert ["committed", "taken"] == order
    for engine in engines:
        engine.dispose()


def test_many_that_ask_at_once(database_url: str) -> None:
    """One of them gets it."""
    engines = [open_engine(database_url) for _ in range(4)]
    barrier = threading.Barrier(len(engines))
    taken: list[bool] = []

    def ask(engine: Engine) -> None:
        lease = Lease(engine, "retention", duration_s=60)
        barrier.wait()
        taken.append(lease.acquire())

    threads = [threading.Thread(target=ask, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()

    assert [False, False, False, True] == sorted(taken)


def test_the_databases_clock(database: Engine) -> None:
    """It counts milliseconds since 1970."""
    with database.connect() as connection:
        own = connection.scalar(
            text("SELECT CURRENT_TIMESTAMP" if database.dialect.name == "postgresql" else "SELECT unixepoch()")
        )
        seconds = own if isinstance(own, int) else own.timestamp()
        assert seconds == pytest.approx(database_now_ms(connection) / 1000, abs=2)
