"""What every query's test starts from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, event

from tests.collector.store.queries.stored import Store
from tests.collector.store.queries.world import World


@pytest.fixture
def world(database: Engine) -> World:
    return World(database)


@pytest.fixture
def store(database: Engine) -> Store:
    return Store(database)


@pytest.fixture
def page(reader: Engine) -> Iterator[Connection]:
    """A page's connection. Opened by the first query, so that it sees what was stored before."""
    with reader.connect() as connection:
        yield connection


@pytest.fixture
def statements(reader: Engine) -> list[str]:
    """Every statement that pages have sent so far."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if not statement.startswith("BEGIN"):
            sent.append(statement)

    event.listen(reader, "before_cursor_execute", note)
    return sent
