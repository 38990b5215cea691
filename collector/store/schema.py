"""The state of the database's tables: upgrading them, and knowing whether this Clew can work with them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

import migrations
from collector.store.engine import describe, sqlite_path
from collector.store.errors import DatabaseInUse, NewerDatabase, NotADatabase, NotWritable, OlderDatabase

# Any number will do, as long as every collector asks PostgreSQL for the same lock: "clew" in ASCII.
_ADVISORY_LOCK = 0x636C6577


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the tables from whatever they are to `revision`. Does nothing to a database that is there already.

    All in one transaction, which holds a lock: of two processes that start at once one upgrades, the other waits and
    finds it done. Raises NotADatabase, NewerDatabase, or what the engine raises.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        _recognize(connection)
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the tables back to an earlier revision, or "base" for none; their newer contents are lost."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        _recognize(connection)
        command.downgrade(_config(connection), revision)


def current_revision(engine: Engine) -> str | None:
    """None: an empty database. Raises NotADatabase, NewerDatabase."""
    with engine.connect() as connection:
        return _recognize(connection)


def head_revision() -> str:
    """The revision that this Clew works with."""
    head = _scripts().get_current_head()
    if head is None:
        raise RuntimeError("the migrations are not part of this installation")
    return head


def check(engine: Engine) -> None:
    """Raises NotADatabase, NewerDatabase or OlderDatabase unless the tables are those of this Clew."""
    revision = current_revision(engine)
    if revision != head_revision():
        raise OlderDatabase(f"The database {describe(engine)} is not up to date: run `clew db upgrade`.")


@contextmanager
def claim(engine: Engine) -> Iterator[None]:
    """Be the only collector that writes to this SQLite file, until the block or the process ends.

    Two would both be right, as every transaction takes the write lock, but each would wait for the other's. Raises
    DatabaseInUse with the other's process id. Readers need no claim; PostgreSQL has room for any number of collectors.

    The lock is on a file of its own beside the database: closing any descriptor of the database file itself would
    drop the locks that SQLite holds on it in this process.
    """
    path = sqlite_path(engine)
    if path is None:
        yield
        return
    lock = Path(f"{path}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise NotWritable(f"The database {path} cannot be claimed: {lock}: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            who = f"another Clew, process {holder}," if holder else "another Clew"
            raise DatabaseInUse(f"The database {path} is in use: {who} is running on it.") from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _recognize(connection: Connection) -> str | None:
    """The revision of a database that is ours to work with; None for an empty one."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        if set(sqlalchemy.inspect(connection).get_table_names()) - {"alembic_version"}:  # that one outlives a downgrade
            raise NotADatabase(f"The database {describe(connection.engine)} holds another program's tables.")
        return None
    if revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise NewerDatabase(
            f"The database {describe(connection.engine)} was written by a newer version of Clew: upgrade Clew."
        )
    return revision


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    folder = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))  # configparser's own escape
    config.attributes["connection"] = connection
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
