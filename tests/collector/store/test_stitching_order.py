"""Whatever the order, however often, in whatever pieces and at whichever collector exports arrive: the transactions are
those that all of them together tell. With bounds so low that every slice and every job is needed."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from collector.domain import links, transactions
from collector.domain.facts import Facts
from collector.store import link_rows, placement, stitch_queue, stitcher, tables, transaction_sums
from collector.store.commit import Seen, write_facts
from collector.store.engine import open_engine
from collector.store.stitcher import Stitcher
from collector.store.writer import Writer
from tests.collector.store.topologies import Topology, topologies

COLLECTORS = 3
LOW = {
    links: {"MAX_PRODUCERS": 2, "MAX_NEAR": 2},
    transactions: {"MAX_ENTRIES": 2, "MAX_LINKS_IN": 4},
    link_rows: {
        "ROWS_PER_PASS": 3,
        "HOT": 1,
        "CONSUMERS_PER_SLICE": 2,
        "PRODUCERS_AT_ONCE": 3,
        "HOT_JOBS_PER_PASS": 1,
        "MAX_PRODUCERS": 2,
        "MAX_NEAR": 2,
    },
    placement: {"ROWS_AT_ONCE": 5, "NEXT_AT_ONCE": 2, "FEW": 1, "ROUNDS": 2, "MAX_LINKS_IN": 4},
    stitch_queue: {"KEYS_PER_ROW": 1},
    stitcher: {"KEYS_PER_PASS": 2, "TRACES_PER_PASS": 3, "SPREAD_PER_PASS": 1, "JOINS_PER_PASS": 2, "JOBS_PER_PASS": 2},
    transaction_sums: {"SMALL": 1, "ROWS_PER_PASS": 2, "ROWS_PER_SLICE": 1, "TRACES_PER_SLICE": 2},
}
LONG_NS = 10**15


@pytest.fixture(name="bounds", params=["as they are", "low"])
def _bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "low":
        for module, values in LOW.items():
            for name, value in values.items():
                monkeypatch.setattr(module, name, value)
    return str(request.param)


@pytest.fixture(name="collectors")
def _collectors(database_url: str) -> Iterator[list[Engine]]:
    """Each with connections of its own."""
    engines = [open_engine(database_url) for _ in range(COLLECTORS)]
    yield engines
    for engine in engines:
        engine.dispose()


def empty(database: Engine) -> None:
    with database.begin() as connection:
        for table in tables.metadata.sorted_tables:
            connection.execute(table.delete())


def store(database: Engine, group: list[Facts]) -> None:
    with database.begin() as connection:
        write_facts(connection, group, Seen())


def late_clock() -> Callable[[], int]:
    """On which whatever is due later is due at once."""
    numbers = count(1)
    return lambda: time.time_ns() + next(numbers) * LONG_NS


def outcome(database: Engine) -> tuple[dict[bytes, set[bytes]], dict[bytes, tuple[object, ...]]]:
    found: defaultdict[bytes, set[bytes]] = defaultdict(set)
    with database.connect() as connection:
        for transaction, member, _ in connection.execute(select(tables.memberships)):
            found[transaction].add(member)
        figures: dict[bytes, tuple[object, ...]] = {
            row.id: (
                row.invocations,
                row.failed_invocations,
                row.cost_pd,
                row.started_ns,
                row.ended_ns,
                row.services,
            )
            for row in connection.execute(select(tables.transactions))
        }
        left = [*connection.execute(select(tables.stitch_queue)), *connection.execute(select(tables.stitch_jobs))]
    assert left == []
    return dict(found), figures


def check(collectors: list[Engine], topology: Topology, seed: int) -> None:
    chance = random.Random(seed)
    exports = topology.exports()
    exports += chance.sample(exports, len(exports) // 3)  # sent again
    chance.shuffle(exports)
    clock = late_clock()
    stitchers = [Stitcher(engine, clock) for engine in collectors]
    while exports:
        size = chance.randint(1, 4)
        store(chance.choice(collectors), exports[:size])
        del exports[:size]
        for _ in range(chance.randint(0, 2)):
            chance.choice(stitchers).run_pass(chance.randint(1, 5))
    passes = 0
    while stitchers[passes % COLLECTORS].run_pass() is not None:
        passes += 1
        assert passes < 3_000, "the stitchers do not come to an end"

    assert outcome(collectors[0]) == (topology.transactions(), topology.figures())


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(topology=topologies(), seed=st.integers(0, 2**32))
def test_nothing_but_what_arrived_matters(bounds: str, collectors: list[Engine], topology: Topology, seed: int) -> None:
    """Neither order nor repetition, pieces, moments or collectors."""
    empty(collectors[0])
    check(collectors, topology, seed)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(topology=topologies(), seed=st.integers(0, 2**32))
def test_collectors_at_the_same_time(bounds: str, collectors: list[Engine], topology: Topology, seed: int) -> None:
    """Each takes what comes to it, stores and stitches, while the others do the same."""
    empty(collectors[0])
    chance = random.Random(seed)
    exports = topology.exports()
    exports += chance.sample(exports, len(exports) // 3)
    chance.shuffle(exports)

    def take_in(writer: Writer, mine: list[Facts]) -> None:
        for one in mine:
            writer.submit(one, one.size)

    writers = [Writer(engine) for engine in collectors]
    threads = [
        threading.Thread(target=take_in, args=(writer, exports[number :: len(writers)]))
        for number, writer in enumerate(writers)
    ]
    for writer in writers:
        writer.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for writer in writers:
        writer.close()
    last = Stitcher(collectors[0], late_clock())
    while last.run_pass() is not None:
        pass

    assert outcome(collectors[0]) == (topology.transactions(), topology.figures())
