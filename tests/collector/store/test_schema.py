"""Migrations: what they make, on what, and what they refuse."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from collector.store.engine import open_engine
from collector.store.errors import DatabaseInUse, NewerDatabase, NotADatabase, NotWritable, OlderDatabase
from collector.store.schema import check, claim, current_revision, downgrade, head_revision, upgrade
from collector.store.tables import metadata
from tests.databases import create_sqlite

PARTITION = re.compile("exports_(default|[0-9]{8})")


def _catalogue(engine: Engine) -> list[tuple[object, ...]]:
    """The tables and indexes as the database itself describes them, without Alembic's own."""
    if engine.dialect.name == "sqlite":
        statement = "SELECT name, sql FROM sqlite_master WHERE tbl_name <> 'alembic_version' ORDER BY name"
    else:
        statement = """
            SELECT table_name || '.' || column_name, data_type, is_nullable, column_default, collation_name
            FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
            UNION ALL
            SELECT indexname, indexdef, '', '', '' FROM pg_indexes
            WHERE schemaname = 'public' AND tablename <> 'alembic_version'
            ORDER BY 1"""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_migrations_make_what_the_code_expects(database: Engine, empty_database_url: str) -> None:
    """The migrated database is the one that the metadata describes, down to every index and column order."""
    engine = open_engine(empty_database_url)
    metadata.create_all(engine)
    expected = _catalogue(engine)
    engine.dispose()

    assert len(expected) > len(metadata.tables)
    assert _catalogue(database) == expected


def test_alembic_finds_nothing_to_migrate(database: Engine) -> None:
    """Autogenerating a migration from head would be empty: partitions are made as time goes on."""
    options = {"include_name": lambda name, kind, _parents: kind != "table" or not PARTITION.fullmatch(name or "")}
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_migrations_go_down_and_up_again(database: Engine) -> None:
    """Down to nothing leaves nothing; up again gives the same tables."""
    before = _catalogue(database)
    downgrade(database, "base")
    assert _catalogue(database) == []
    assert current_revision(database) is None

    upgrade(database)
    assert _catalogue(database) == before


def test_an_empty_database_has_no_revision_until_upgraded(empty_database_url: str) -> None:
    """Upgrading takes an empty database to head, where `check` is content."""
    engine = open_engine(empty_database_url)
    assert current_revision(engine) is None
    with pytest.raises(OlderDatabase, match="clew db upgrade"):
        check(engine)

    upgrade(engine)
    assert current_revision(engine) == head_revision()
    check(engine)
    engine.dispose()


def test_upgrading_again_changes_nothing(database: Engine) -> None:
    """A database at head keeps its rows."""
    with database.begin() as connection:
        connection.execute(text("INSERT INTO memberships (transaction_id, trace_id, begun_ns) VALUES ('1', '2', 0)"))
    upgrade(database)

    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM memberships")).scalar() == 1


def test_two_that_start_at_once_upgrade_once(empty_database_url: str) -> None:
    """Both processes find the database at head; neither fails."""
    engines = [open_engine(empty_database_url) for _ in range(2)]
    barrier = threading.Barrier(2)
    failures: list[Exception] = []

    def start(engine: Engine) -> None:
        barrier.wait()
        try:
            upgrade(engine)
        except Exception as error:  # noqa: BLE001 # reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=start, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert {current_revision(engine) for engine in engines} == {head_revision()}
    for engine in engines:
        engine.dispose()


def test_a_newer_database_is_refused(database: Engine) -> None:
    """A revision that this Clew does not know means upgrading Clew, not the database."""
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for step in (upgrade, check, current_revision):
        with pytest.raises(NewerDatabase, match="written by a newer version of Clew"):
            step(database)


def test_another_programs_database_is_refused(empty_database_url: str) -> None:
    """A database with tables but no revision is left alone."""
    engine = open_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE customers (id INTEGER)"))
    with pytest.raises(NotADatabase, match="another program's tables"):
        upgrade(engine)

    assert sqlalchemy.inspect(engine).get_table_names() == ["customers"]
    engine.dispose()


def test_a_failed_upgrade_leaves_nothing(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a migration fails halfway the database is as it was before."""
    engine = open_engine(empty_database_url)

    def fail(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("alembic.op.create_index", fail)
        with pytest.raises(ZeroDivisionError):
            upgrade(engine)

    assert sqlalchemy.inspect(engine).get_table_names() == []
    engine.dispose()


def test_readers_need_no_write_access_to_check(reader: Engine) -> None:
    """A page's engine can find out whether the tables are right."""
    check(reader)


def test_a_file_is_claimed_once(tmp_path: Path) -> None:
    """A second collector on the file is refused with the first one's process id, until the first ends."""
    url = create_sqlite(tmp_path / "clew.db")
    engine = open_engine(url)
    # Written out as a program, since a lock of one process's own would not be in its way everywhere.
    program = (
        "from collector.store.engine import open_engine\n"
        "from collector.store.schema import claim\n"
        f"with claim(open_engine({url!r})):\n"
        "    print('claimed', flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ}
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(DatabaseInUse, match=f"another Clew, process {other.pid}, is running"), claim(engine):
            pass
        other.kill()
    with claim(engine):
        pass
    engine.dispose()


def test_a_claim_does_not_disturb_sqlites_own_locks(tmp_path: Path) -> None:
    """Releasing a claim leaves a write transaction of the same process in place."""
    url = create_sqlite(tmp_path / "clew.db")
    engine = open_engine(url)
    with engine.begin():
        with claim(engine):
            pass
        other = sqlite3.connect(tmp_path / "clew.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    engine.dispose()


def test_a_claim_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    """Where the lock file cannot be written the message says so."""
    engine = open_engine(create_sqlite(tmp_path / "clew.db"))
    (tmp_path / "clew.db.lock").mkdir()
    with pytest.raises(NotWritable, match=r"clew\.db\.lock"), claim(engine):
        pass
    engine.dispose()


def test_postgresql_takes_any_number_of_collectors(database: Engine, dialect: str) -> None:
    """Claims keep each other out of a file, not out of a server."""
    with claim(database):
        if dialect == "postgresql":
            with claim(database):
                pass
        else:
            with pytest.raises(DatabaseInUse), claim(database):
                pass
