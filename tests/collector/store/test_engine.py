"""Opening databases, and what is said of those that cannot be opened."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import Engine, text

from collector.store import engine as engines
from collector.store.engine import describe, open_engine, sqlite_path
from collector.store.errors import (
    CannotConnect,
    DatabaseFull,
    DatabaseLocked,
    MissingDatabase,
    MissingDirectory,
    NotADatabase,
    NotWritable,
    StoreError,
    UnsupportedUrl,
)
from collector.store.schema import check
from collector.store.tables import memberships
from tests.databases import PostgresServer, create_sqlite

ROW = {"transaction_id": b"\1" * 16, "trace_id": b"\2" * 16, "begun_ns": 0}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that other users can reach, unlike tmp_path."""
    path = Path(tempfile.mkdtemp(prefix="clew-test-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@contextmanager
def unprivileged() -> Iterator[None]:
    """File permissions mean nothing to root; as root, be `nobody` meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_one_engine_commits_another_reads(database: Engine, reader: Engine) -> None:
    """A committed row is seen by readers at once, an open transaction's is not."""
    with reader.connect() as connection:
        with database.begin() as writing:
            writing.execute(memberships.insert().values(ROW))
            assert connection.execute(sqlalchemy.select(memberships)).all() == []
        connection.rollback()

        assert connection.execute(sqlalchemy.select(memberships)).all() == [tuple(ROW.values())]


def test_a_reader_sees_one_state_throughout(database: Engine, reader: Engine) -> None:
    """Two statements of one page agree although a commit came between them."""
    count = sqlalchemy.select(sqlalchemy.func.count()).select_from(memberships)
    with reader.connect() as connection:
        before = connection.execute(count).scalar_one()
        with database.begin() as writing:
            writing.execute(memberships.insert().values(ROW))

        assert (before, connection.execute(count).scalar_one()) == (0, 0)


def test_a_reader_cannot_write(reader: Engine) -> None:
    """A query that would change the database is refused by the database."""
    with pytest.raises(NotWritable), reader.begin() as connection:
        connection.execute(memberships.insert().values(ROW))


def test_a_failed_transaction_leaves_nothing(database: Engine) -> None:
    """Rows of a transaction that raised are gone, tables that it created too."""
    with pytest.raises(ZeroDivisionError), database.begin() as connection:  # noqa: PT012 # the transaction is the point
        connection.execute(memberships.insert().values(ROW))
        connection.execute(text("CREATE TABLE extra (id INTEGER)"))
        raise ZeroDivisionError

    assert "extra" not in sqlalchemy.inspect(database).get_table_names()
    with database.connect() as connection:
        assert connection.execute(sqlalchemy.select(memberships)).all() == []


def test_errors_that_are_not_the_databases_state_stay_as_they_are(database: Engine) -> None:
    """A mistake in a statement is SQLAlchemy's error, not one of the store's."""
    with pytest.raises(sqlalchemy.exc.DBAPIError), database.connect() as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))


def test_sqlite_is_durable_and_shares_with_readers(tmp_path: Path) -> None:
    """Commits reach the disk, readers do not wait, and deleted data's space can be given back."""
    engine = open_engine(f"sqlite:///{tmp_path / 'new.db'}")
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "auto_vacuum", "foreign_keys", "busy_timeout")
        }
    engine.dispose()

    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "auto_vacuum": 2,
        "foreign_keys": 0,
        "busy_timeout": engines.WAIT_S * 1000,
    }


def test_sqlite_writers_in_one_process_queue(tmp_path: Path) -> None:
    """Threads that write at the same time all succeed, each after the other."""
    engine = open_engine(create_sqlite(tmp_path / "clew.db"))

    def write(number: int) -> None:
        for round_ in range(20):
            with engine.begin() as connection:
                connection.execute(memberships.insert().values(ROW | {"trace_id": bytes([number, round_]) * 8}))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(memberships)).scalar() == 80
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("no url at all", "cannot be read"),
        ("mysql://root@localhost/clew", "not mysql"),
        ("postgresql+asyncpg://localhost/clew", r"not postgresql\+asyncpg"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_urls_that_are_no_use_are_refused(url: str, said: str) -> None:
    """A URL of another kind of database, or of none, is refused with the reason."""
    with pytest.raises(UnsupportedUrl, match=said):
        open_engine(url)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    """The message says which directory does not exist."""
    with pytest.raises(MissingDirectory, match=f"there is no directory {tmp_path / 'none'}"):
        open_engine(f"sqlite:///{tmp_path / 'none' / 'clew.db'}")


def test_reading_what_is_not_there_creates_nothing(tmp_path: Path) -> None:
    """A reader of a missing file is told so, and leaves no empty file behind."""
    with pytest.raises(MissingDatabase, match="no database"):
        open_engine(f"sqlite:///{tmp_path / 'clew.db'}", read_only=True)

    assert list(tmp_path.iterdir()) == []


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """A file that is no database is named and left as it was."""
    path = tmp_path / "notes.txt"
    path.write_text("This is no database. " * 100)
    with pytest.raises(NotADatabase, match=str(path)):
        open_engine(f"sqlite:///{path}")

    assert path.read_text() == "This is no database. " * 100


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    """A URL that names a directory is refused as such."""
    with pytest.raises(NotADatabase, match="is a directory"):
        open_engine(f"sqlite:///{tmp_path}")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Pages overwritten with rubbish come out as damage, whichever statement meets them."""
    url = create_sqlite(tmp_path / "clew.db")
    content = bytearray((tmp_path / "clew.db").read_bytes())
    content[100:] = b"\xde\xad" * ((len(content) - 100) // 2)
    (tmp_path / "clew.db").write_bytes(content)

    with pytest.raises(NotADatabase, match="damaged"):
        check(open_engine(url))


def test_a_read_only_file_is_refused_for_writing(folder: Path) -> None:
    """A file without write permission is said to be read-only, and can still be read."""
    url = create_sqlite(folder / "clew.db")
    folder.chmod(0o777)
    (folder / "clew.db").chmod(0o444)
    with unprivileged():
        with pytest.raises(NotWritable, match=r"clew.db cannot be written: it is read-only"):
            open_engine(url)
        open_engine(url, read_only=True).dispose()


def test_a_read_only_directory_is_refused_for_writing(folder: Path) -> None:
    """A new file in a directory without write permission: the directory is blamed."""
    folder.chmod(0o555)
    with unprivileged(), pytest.raises(NotWritable, match="its directory is read-only"):
        open_engine(f"sqlite:///{folder / 'clew.db'}")


def test_a_file_that_may_not_be_read_is_refused(folder: Path) -> None:
    """A file of another user is said to be out of reach."""
    url = create_sqlite(folder / "clew.db")
    folder.chmod(0o777)
    (folder / "clew.db").chmod(0o600)
    with unprivileged(), pytest.raises(NotWritable, match="cannot be read: permission denied"):
        open_engine(url, read_only=True)


def test_a_locked_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process's write transaction is waited for, then named as the reason."""
    monkeypatch.setattr(engines, "WAIT_S", 0.05)
    url = create_sqlite(tmp_path / "clew.db")
    other = sqlite3.connect(tmp_path / "clew.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseLocked, match="locked by another process"):
        open_engine(url)
    open_engine(url, read_only=True).dispose()
    other.close()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """A database that cannot grow any more says so."""
    engine = open_engine(create_sqlite(tmp_path / "clew.db"))
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # kept by the engine's one connection
    with pytest.raises(DatabaseFull, match="no space"), engine.begin() as connection:
        connection.execute(memberships.insert(), [ROW | {"trace_id": os.urandom(16)} for _ in range(10_000)])
    engine.dispose()


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    """The message names host, port and database and keeps the password."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(CannotConnect, match=f"127.0.0.1:{port}/clew") as caught:
            open_engine(f"postgresql://ann:hunter2@127.0.0.1:{port}/clew?sslpassword=hunter3")

    assert "hunter" not in str(caught.value)


def test_a_database_that_the_server_lacks_is_named(postgres_server: PostgresServer) -> None:
    """The server's own reason is part of the message."""
    with pytest.raises(CannotConnect, match=r'"nowhere" does not exist'):
        open_engine(postgres_server.url("nowhere"))


def test_a_server_that_only_reads_is_refused_for_writing(postgres_server: PostgresServer) -> None:
    """A standby, or a role that only reads, is said to be read-only as soon as something is written."""
    name = postgres_server.create()
    engine = open_engine(f"{postgres_server.url(name)}&options=-cdefault_transaction_read_only%3Don")
    with pytest.raises(NotWritable, match="it is read-only"), engine.begin() as connection:
        connection.execute(memberships.insert().values(ROW))
    engine.dispose()
    postgres_server.drop(name)


def test_connections_broken_by_the_server_are_replaced(postgres_server: PostgresServer) -> None:
    """After the server ended all connections the next page gets a new one and no error."""
    name = postgres_server.create()
    engine = open_engine(postgres_server.url(name))
    other = open_engine(postgres_server.url(name))
    with other.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()
    other.dispose()
    postgres_server.drop(name)


def test_every_spelling_of_postgresql_is_accepted(postgres_server: PostgresServer) -> None:
    """`postgres://`, `postgresql://` and `postgresql+psycopg://` are one."""
    name = postgres_server.create()
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        engine = open_engine(scheme + postgres_server.url(name).removeprefix("postgresql"))
        assert engine.dialect.driver == "psycopg"
        engine.dispose()
    postgres_server.drop(name)


def test_a_database_is_described_for_people(database: Engine, dialect: str) -> None:
    """SQLite is its path, PostgreSQL its URL without options."""
    if dialect == "sqlite":
        assert describe(database) == str(sqlite_path(database)) == database.url.database
    else:
        assert describe(database).startswith("postgresql://clew@/test_")
        assert "host=" not in describe(database)
        assert sqlite_path(database) is None


def test_every_error_is_a_store_error() -> None:
    """Whoever catches StoreError catches them all."""
    kinds = (
        CannotConnect,
        DatabaseFull,
        DatabaseLocked,
        MissingDatabase,
        MissingDirectory,
        NotADatabase,
        NotWritable,
        UnsupportedUrl,
    )
    assert all(issubclass(kind, StoreError) for kind in kinds)
