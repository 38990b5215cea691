"""Checkpoints, ends, reports and silence: whatever their order, the same is known in the end."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete
from sqlalchemy.exc import OperationalError

from collector.domain.facts import Facts
from collector.store import tables
from collector.store.engine import open_engine
from collector.store.errors import StoreError
from tests.collector.domain.otlp import (
    MS,
    RECEIVED_MS,
    SECOND,
)
from tests.collector.store.lives import (
    checkpoint,
    end,
    known,
    report,
    stitch,
    store,
    sweep,
)
from tests.databases import create_sqlite


@dataclass(frozen=True)
class Story:
    """What becomes known of one attempt of a request."""

    checkpoints: tuple[int, ...]
    ending: str
    reports: tuple[tuple[str, str, bool], ...]
    retried: bool


stories = st.builds(
    Story,
    checkpoints=st.lists(st.sampled_from([500, 1_000, 2_000]), unique=True, max_size=3).map(tuple),
    ending=st.sampled_from(["none", "ok", "error", "timeout"]),
    reports=st.lists(
        st.tuples(
            st.sampled_from(["platform.report", "platform.initReport", "platform.restoreReport"]),
            st.sampled_from(["success", "error", "timeout"]),
            st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    retried=st.booleans(),
)


def pieces(told: Iterable[Story]) -> list[Facts]:
    found: list[Facts] = []
    number = 0
    for index, story in enumerate(told):
        for attempt in range(1 + story.retried):
            number += 1
            where: dict[str, Any] = {"at": attempt * 62 * SECOND, "request": f"same-{index}"}
            found += [checkpoint(number, after=after, **where) for after in story.checkpoints]
            if story.ending == "timeout":
                found.append(checkpoint(number, after=2_900, timeout=True, **where))
            elif story.ending != "none":
                found.append(end(number, error="boom" if story.ending == "error" else None, **where))
            found += [
                report(number, kind=kind, status=status, named=named, **where) for kind, status, named in story.reports
            ]
    return found


def arrive(database: Engine, given_pieces: list[Facts], chance: random.Random | None) -> dict[str, Any]:
    """In order, or shuffled, repeated and grouped at random, with time passing at any moment."""
    if chance is None:
        store(database, *given_pieces)
    else:
        left = given_pieces + chance.sample(given_pieces, len(given_pieces) // 2)
        chance.shuffle(left)
        while left:
            size = chance.randint(1, 4)
            store(database, *left[:size])
            del left[:size]
            if chance.random() < 0.4:
                sweep(database)
            if chance.random() < 0.3:
                stitch(database)
    sweep(database)
    stitch(database)
    return known(database)


def check_order(database: Engine, empty: Any, told: list[Story], seed: int) -> None:
    empty(database)
    expected = arrive(database, pieces(told), None)
    empty(database)
    found = arrive(database, pieces(told), random.Random(seed))
    for name, rows in expected.items():
        assert rows == found[name], name


def _empty(database: Engine) -> None:
    with database.begin() as connection:
        for table in tables.metadata.sorted_tables:
            connection.execute(delete(table))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(stories, min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_the_order_does_not_matter(told: list[Story], seed: int, tmp_path: Path) -> None:
    """Whatever comes first, twice or late, and whenever silence is noticed, the same is known in the end."""
    path = tmp_path / "shuffled.db"
    if not path.exists():
        create_sqlite(path)
    database = open_engine(f"sqlite:///{path}")
    try:
        check_order(database, _empty, told, seed)
    finally:
        database.dispose()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(stories, min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_nor_does_it_in_either_database(told: list[Story], seed: int, database: Engine) -> None:
    check_order(database, _empty, told, seed)


def test_collectors_that_store_at_the_same_moment(database: Engine, database_url: str) -> None:
    """Each has a part of what is known, in an order of its own; some comes to both. One that has to yield to the other
    is told to come again, as a client is."""
    told = [
        Story((500, 1_000, 2_000), ending, (("platform.report", status, named),), retried=True)
        for ending in ("none", "ok", "error", "timeout")
        for status in ("success", "error", "timeout")
        for named in (True, False)
    ]
    expected = arrive(database, pieces(told), None)
    _empty(database)
    given_pieces = pieces(told)
    start = threading.Barrier(3)

    def collect(number: int) -> None:
        chance = random.Random(number)
        own = [piece for index, piece in enumerate(given_pieces) if index % 3 == number or index % 7 == 0]
        chance.shuffle(own)
        engine = open_engine(database_url)
        try:
            start.wait(30)
            while own:
                size = chance.randint(1, 6)
                try:
                    store(engine, *own[:size])
                    if chance.random() < 0.2:
                        sweep(engine)
                except (OperationalError, StoreError):
                    continue
                del own[:size]
        finally:
            engine.dispose()

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(collect, number) for number in range(3)]:
            done.result(120)
    sweep(database, RECEIVED_MS * MS + SECOND)  # lately: what neither saw of the other's
    sweep(database)
    stitch(database)

    found = known(database)
    for name, rows in expected.items():
        assert rows == found[name], name
