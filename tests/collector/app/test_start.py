"""What keeps `clew up` from starting is told in one sentence, whatever it is."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.collector.app.clew import Clew, clew
from tests.databases import create_sqlite


def refused(*arguments: str, code: int = 1, bound_by_permissions: bool = False, **settings: object) -> str:
    """The one line that `clew` writes to stderr as it gives up."""
    result = clew(*arguments, bound_by_permissions=bound_by_permissions, **{"CLEW_PORT": 0, **settings})
    assert "" == result.stdout
    lines = result.stderr.splitlines()
    assert 1 == len(lines), result.stderr
    assert lines[0].startswith("clew: ")
    assert lines[0].endswith(".")
    assert code == result.returncode
    return lines[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clew.db"


def test_a_port_that_another_program_has(path: Path) -> None:
    """A port that is taken is named, and no database is made."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refused("up", CLEW_PORT=port, CLEW_DATABASE_URL=f"sqlite:///{path}")

    assert f"Cannot listen on 127.0.0.1 port {port}: address already in use." in line
    assert not path.exists()


def test_a_port_that_another_clew_has(path: Path, tmp_path: Path) -> None:
    """Two servers never share a port, each getting half of the requests."""
    with Clew(tmp_path / "first.db") as first:
        line = refused("up", CLEW_PORT=first.port, CLEW_DATABASE_URL=f"sqlite:///{path}")

    assert "address already in use" in line


def test_a_database_that_another_clew_has(path: Path) -> None:
    """Two collectors never write to one SQLite file; the other one's process id is told."""
    with Clew(path) as first:
        line = refused("up", CLEW_DATABASE_URL=f"sqlite:///{path}")

    assert f"process {first.pid}" in line


@pytest.mark.parametrize("host", ["192.0.2.1", "256.1.1.1", "nowhere.invalid"])
def test_an_address_that_is_not_ours(path: Path, host: str) -> None:
    """No address of this machine, or none at all: told before a database is made."""
    line = refused("up", "--host", host, CLEW_DATABASE_URL=f"sqlite:///{path}")

    assert f"Cannot listen on {host}" in line
    assert not path.exists()


def test_an_empty_address(path: Path) -> None:
    """Which would mean all of them."""
    assert "CLEW_HOST" in refused("up", "--host", "", code=2, CLEW_DATABASE_URL=f"sqlite:///{path}")
    assert not path.exists()


def test_a_read_only_file(path: Path) -> None:
    """A database file that may not be written is said to be read-only."""
    create_sqlite(path)
    path.chmod(0o444)

    assert "is read-only" in refused("up", bound_by_permissions=True, CLEW_DATABASE_URL=f"sqlite:///{path}")


def test_a_read_only_directory(tmp_path: Path) -> None:
    """A directory that no file can be made in is said to be read-only."""
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o555)

    url = f"sqlite:///{folder / 'clew.db'}"
    assert "its directory is read-only" in refused("up", bound_by_permissions=True, CLEW_DATABASE_URL=url)


def test_a_default_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """The directory for data that cannot be made is named."""
    (tmp_path / "clew").write_text("a file")

    assert f"{tmp_path / 'clew'} cannot be made" in refused("up", XDG_DATA_HOME=tmp_path)


def test_a_locked_database(path: Path) -> None:
    """A database that another program writes to, and goes on writing to, is said to be locked."""
    create_sqlite(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        line = refused("up", CLEW_DATABASE_URL=f"sqlite:///{path}")

    assert "is locked by another process" in line


def test_a_database_of_a_newer_version(path: Path) -> None:
    """A database that a newer Clew has upgraded is left alone."""
    create_sqlite(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")

    assert "newer version of Clew" in refused("up", CLEW_DATABASE_URL=f"sqlite:///{path}")


def test_a_file_that_is_no_database(path: Path) -> None:
    """A file of another kind is left as it is."""
    path.write_text("Dear diary, " * 100)

    assert "not a database" in refused("up", CLEW_DATABASE_URL=f"sqlite:///{path}")
    assert path.read_text().startswith("Dear diary")


def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    """A directory that the user named is not made in a place where it was perhaps not meant to be."""
    line = refused("up", CLEW_DATABASE_URL=f"sqlite:///{tmp_path / 'no' / 'clew.db'}")

    assert f"there is no directory {tmp_path / 'no'}" in line


def test_a_database_server_that_does_not_answer() -> None:
    """A PostgreSQL that is not there is named without its password."""
    line = refused("up", CLEW_DATABASE_URL="postgresql://clew:geheim@127.0.0.1:1/clew")

    assert "127.0.0.1" in line
    assert "geheim" not in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CLEW_PORT", "http"),
        ("CLEW_PORT", "70000"),
        ("CLEW_THREADS", "3"),
        ("CLEW_MAX_BODY_BYTES", "16MB"),
        ("CLEW_LOG_LEVEL", "loud"),
        ("CLEW_STOP_TIMEOUT_S", "-1"),
        ("CLEW_DATABASE_URL", "mysql://localhost/clew"),
        ("CLEW_DATABASE_URL", "clew.db"),
        ("CLEW_PRICES_FILE", "/does/not/exist"),
        ("CLEW_MAX_BODY_BYTES", "999999999"),
    ],
)
def test_a_bad_value(tmp_path: Path, variable: str, value: str) -> None:
    """A setting that cannot be used is named, and the exit code is that of a bad option."""
    settings: dict[str, Any] = {"XDG_DATA_HOME": tmp_path, variable: value}
    line = refused("up", code=2, **settings)

    assert variable in line


def test_a_bad_option_is_told_as_the_setting_that_it_is() -> None:
    """An option is checked as its variable is."""
    assert "CLEW_PORT" in refused("up", "--port", "http", code=2)


def test_the_default_database_is_made_where_xdg_wants_it(tmp_path: Path) -> None:
    """Without a URL the database is made under the user's data directory, which only the user can read."""
    result = clew("db", "upgrade", XDG_DATA_HOME=tmp_path)

    assert 0 == result.returncode, result.stderr
    assert (tmp_path / "clew" / "clew.db").is_file()
    assert 0o700 == (tmp_path / "clew").stat().st_mode & 0o777
