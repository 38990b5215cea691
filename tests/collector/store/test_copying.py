"""Copies of whole databases, from either engine to either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Boolean, Engine, Float, LargeBinary, Table, insert, select

from collector.store.copying import copied_tables, copy
from collector.store.engine import open_engine
from collector.store.errors import CopyFailed, NotEmpty
from collector.store.queries.transaction import get_transaction
from collector.store.schema import upgrade
from collector.store.statements import Row, write
from tests.collector.app.clew import Clew, clew
from tests.collector.store.aged import aged, store
from tests.collector.store.facts import trace
from tests.databases import PostgresServer, create_sqlite

DIALECTS = ("sqlite", "postgresql")


@pytest.fixture(params=DIALECTS)
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'target.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create(migrated=False)
    yield server.url(name)
    server.drop(name)


def fill(database: Engine) -> None:
    """Rows in every table: real ones of what collectors store, and odd values in all others."""
    store(database, aged(1, 3, produces="one", body=bytes(range(256)) * 50), aged(2, 2, consumes="one", failed=True))
    with database.begin() as connection:
        for table in copied_tables():
            if connection.execute(select(table).limit(1)).first() is None:
                connection.execute(insert(table), [_odd(table, number) for number in range(3)])


def _odd(table: Table, number: int) -> dict[str, object]:
    values: dict[str, object] = {}
    for column in table.columns:
        if column.nullable and number == 0:
            values[column.name] = None
        elif isinstance(column.type, Boolean):
            values[column.name] = number % 2 == 0
        elif isinstance(column.type, LargeBinary):
            values[column.name] = bytes([0, 255, number]) + bytes(29)
        elif isinstance(column.type, Float):
            values[column.name] = 0.1 + number
        elif column.type.python_type is int:
            values[column.name] = number - 1
        else:
            values[column.name] = f"<b>ö\n'{number}\U0001f9f6"
    return values


def contents(database: Engine) -> dict[str, list[Row]]:
    with database.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in copied_tables()
        }


def test_everything_is_there(database: Engine, target_url: str) -> None:
    """Every row of every table, and what a page shows."""
    fill(database)
    before = contents(database)
    assert all(before.values())
    source = str(database.url.render_as_string(hide_password=False))
    database.dispose()

    done = clew("db", "copy", source, target_url)

    assert (0, "") == (done.returncode, done.stderr)
    target = open_engine(target_url)
    assert before == contents(target) == contents(database)
    with target.connect() as connection:
        detail = get_transaction(connection, trace(1))
    target.dispose()
    assert detail is not None
    assert 2 == len(detail.invocations)
    assert f"{sum(map(len, before.values()))} rows were copied" in done.stdout

    database.dispose()
    again = clew("db", "copy", source, target_url)
    assert 1 == again.returncode
    assert "is not empty: there are rows in" in again.stderr


def test_a_copy_that_differs_leaves_nothing(database: Engine, target_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the target holds is read again: a row that was lost or changed on the way is found."""
    store(database, aged(1, 3), aged(2, 3))
    target = open_engine(target_url)
    upgrade(target)

    def lose(connection: object, table: Table, rows: list[Row]) -> None:
        write(connection, table, rows[1:] if table.name == "invocations" else rows)  # type: ignore[arg-type]

    def change(connection: object, table: Table, rows: list[Row]) -> None:
        changed = [(*row[:-1], b"x") if table.name == "exports" else row for row in rows]
        write(connection, table, changed)  # type: ignore[arg-type]

    for harm, message in ((lose, "2 rows were read, 1 are there"), (change, "2 rows were read, 2 are there, not the")):
        with monkeypatch.context() as patched:
            patched.setattr("collector.store.copying.write", harm)
            with pytest.raises(CopyFailed, match=message):
                copy(database, target, lambda *_: None)
        assert not any(contents(target).values())

    copy(database, target, lambda *_: None)
    assert contents(database) == contents(target)
    with pytest.raises(NotEmpty):
        copy(database, target, lambda *_: None)
    target.dispose()


def test_many_small_batches_are_one_copy(database: Engine, target_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the rows are cut."""
    store(database, *(aged(number, number % 5) for number in range(1, 60)))
    monkeypatch.setattr("collector.store.copying.ROWS_AT_ONCE", 7)
    target = open_engine(target_url)
    upgrade(target)

    copy(database, target, lambda *_: None)

    assert contents(database) == contents(target)
    target.dispose()


def test_not_while_a_collector_works(database_url: str, tmp_path: Path) -> None:
    """Neither from a database nor into one that a collector runs on."""
    other = create_sqlite(tmp_path / "other.db")
    with Clew(database_url):
        away = clew("db", "copy", database_url, other)
        into = clew("db", "copy", other, database_url)

    assert (1, 1) == (away.returncode, into.returncode)
    assert "is in use" in away.stderr
    assert "is in use" in into.stderr
