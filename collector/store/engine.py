"""Connections to the database: SQLite or PostgreSQL, one that writes or several that read.

A collector opens two engines. The writer's transactions take SQLite's write lock as they begin, so that they never
fail halfway for another's sake; the reader's never wait for it, and one page sees one state of the database.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, ExceptionContext, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

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

if TYPE_CHECKING:
    import psycopg

READERS = 8  # connections: more pages at once than two cores can compute anyway
WRITERS_POSTGRESQL = 4  # the writer, the stitcher, a migration, one to spare
WAIT_S = 5  # for SQLite's write lock, for PostgreSQL to answer: shorter than OTLP clients' timeout of 10 s
POOL_WAIT_S = 10

# KiB. The writer keeps the right-hand edges of all indexes and the inner pages of the random ones (trace and request
# ids) at hand; readers lean on the operating system's cache. All connections together stay below 130 MB.
_WRITER_CACHE_KIB = 64 * 1024
_READER_CACHE_KIB = 8 * 1024


def open_engine(url: str, *, read_only: bool = False) -> Engine:
    """An engine that has connected once. `sqlite:///clew.db`, `sqlite:////var/lib/clew.db`, `postgresql://…`.

    Writing, SQLite has one connection: threads that want to write queue in this process, not at the file. Reading, up
    to READERS connections. Raises a StoreError that says what is wrong.
    """
    parsed = _parse(url)
    engine = _open_sqlite(parsed, read_only) if parsed.drivername == "sqlite" else _open_postgresql(parsed, read_only)
    try:
        with engine.begin():
            pass  # connecting is lazy, and so is SQLite in looking at the file: what is wrong shows here
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def disposing(engine: Engine) -> Iterator[Engine]:
    """Closes the engine's connections at the end of the block."""
    try:
        yield engine
    finally:
        engine.dispose()


def describe(engine: Engine) -> str:
    """The database in words for a person: the file's path, or the server without password and options."""
    path = sqlite_path(engine)
    return str(path) if path else _describe(engine.url)


def sqlite_path(engine: Engine) -> Path | None:
    """The file; None for PostgreSQL."""
    return Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None


def _parse(url: str) -> URL:
    try:
        parsed = sqlalchemy.make_url(url)
    except ArgumentError:
        raise UnsupportedUrl("The database's URL cannot be read: it looks like sqlite:///clew.db.") from None
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database in (None, "", ":memory:"):
            raise UnsupportedUrl("The database's URL names no file: in memory, nothing stored would last.")
        return parsed.set(drivername="sqlite")
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    raise UnsupportedUrl(f"The database is SQLite or PostgreSQL with psycopg, not {parsed.drivername}.")


def _describe(url: URL) -> str:
    return URL.create("postgresql", url.username, None, url.host, url.port, url.database).render_as_string()


def _open_sqlite(url: URL, read_only: bool) -> Engine:
    path = Path(url.database or "")
    if read_only and not path.exists():
        raise MissingDatabase(f"There is no database at {path} yet: run `clew db upgrade`, which makes it.")
    if not path.parent.is_dir():
        raise MissingDirectory(f"The database {path} cannot be opened: there is no directory {path.parent}.")

    engine = sqlalchemy.create_engine(
        url,
        # isolation_level None leaves transactions to us: sqlite3's own BEGIN would come late and deferred, and a
        # deferred transaction that turns to writing fails at once, without waiting, when another wrote meanwhile.
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": WAIT_S},
        poolclass=QueuePool,
        pool_size=READERS if read_only else 1,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        hide_parameters=True,  # errors are logged, and functions' data is in them
    )

    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in _READER_PRAGMAS if read_only else _WRITER_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    def translate(context: ExceptionContext) -> StoreError | None:
        error = context.original_exception
        return _sqlite_error(error, path) if isinstance(error, sqlite3.Error) else None

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    event.listen(engine, "handle_error", translate, retval=True)
    return engine


_WRITER_PRAGMAS = (
    # Only on an empty file, and before anything else: lets deleted data's pages go back to the file system a few at a
    # time. Without it only a VACUUM of the whole file would.
    "PRAGMA auto_vacuum = INCREMENTAL",
    # Readers see the last commit while the writer writes.
    "PRAGMA journal_mode = WAL",
    # A 200 means stored: NORMAL would lose the last commits when the machine loses power.
    "PRAGMA synchronous = FULL",
    # Rows arrive in any order and from any collector; nothing declares foreign keys.
    "PRAGMA foreign_keys = OFF",
    f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}",
    # Pages that many commits touch are copied into the file once for all of them.
    "PRAGMA wal_autocheckpoint = 4000",
    # After a burst the write-ahead log gives its disk space back.
    "PRAGMA journal_size_limit = 67108864",
    # Not mapped into memory: an I/O error would be a signal that ends the process instead of an exception.
    "PRAGMA mmap_size = 0",
)
_READER_PRAGMAS = (
    "PRAGMA query_only = ON",
    f"PRAGMA cache_size = -{_READER_CACHE_KIB}",
    # Sorts and groups of a page are small; a temporary file costs more than they do.
    "PRAGMA temp_store = MEMORY",
    "PRAGMA mmap_size = 0",
)


def _sqlite_error(error: sqlite3.Error, path: Path) -> StoreError | None:
    """What SQLite's primary result code means for a person; None where it is no fault of the file's."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseLocked(f"The database {path} is locked by another process.")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return NotADatabase(f"The file {path} is not a database, or is damaged.")
    if code == sqlite3.SQLITE_FULL:
        return DatabaseFull(f"The database {path} cannot grow: no space is left on its disk.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return _access_error(path)
    return None


def _access_error(path: Path) -> StoreError:
    """SQLite says "unable to open" for many reasons; this finds out which."""
    if not path.parent.is_dir():
        return MissingDirectory(f"The database {path} cannot be opened: there is no directory {path.parent}.")
    if path.is_dir():
        return NotADatabase(f"The database {path} cannot be opened: it is a directory.")
    if not _may(path.parent, os.W_OK | os.X_OK):
        return NotWritable(f"The database {path} cannot be written: its directory is read-only.")
    if path.exists() and not _may(path, os.R_OK):
        return NotWritable(f"The database {path} cannot be read: permission denied.")
    return NotWritable(f"The database {path} cannot be written: it is read-only.")


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _open_postgresql(url: URL, read_only: bool) -> Engine:
    import psycopg  # noqa: PLC0415  # 9 MB and 85 ms that an installation on SQLite need not pay

    # It registers how arrays are sent; an engine takes what is registered before it is made.
    from collector.store import arrays  # noqa: F401, PLC0415

    options: dict[str, object] = {}
    if read_only:
        # One snapshot per page, as SQLite's readers have: a total and the rows below it agree.
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    connect_args: dict[str, object] = {"connect_timeout": WAIT_S, "application_name": "clew"}
    engine = sqlalchemy.create_engine(
        url,
        connect_args={name: value for name, value in connect_args.items() if name not in url.query},
        pool_size=READERS if read_only else WRITERS_POSTGRESQL,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_pre_ping=True,  # the server may have been restarted since
        execution_options=options,
        hide_parameters=True,
    )
    name = _describe(url)

    def translate(context: ExceptionContext) -> StoreError | None:
        error = context.original_exception
        if context.is_pre_ping or not isinstance(error, psycopg.Error):
            return None
        return _postgresql_error(error, name, connected=context.connection is not None and not context.is_disconnect)

    event.listen(engine, "handle_error", translate, retval=True)
    return engine


def _postgresql_error(error: psycopg.Error, name: str, *, connected: bool) -> StoreError | None:
    state = error.sqlstate or ""
    if state == "25006":  # read_only_sql_transaction: a standby, or default_transaction_read_only
        return NotWritable(f"The database {name} cannot be written: it is read-only.")
    if state == "42501":  # insufficient_privilege
        return NotWritable(f"The database {name} refuses: {_first_line(error)}.")
    if state == "55P03":  # lock_not_available
        return DatabaseLocked(f"The database {name} is locked by another process.")
    if state == "53100":  # disk_full
        return DatabaseFull(f"The database {name} cannot grow: no space is left on its disk.")
    if not connected:
        return CannotConnect(f"Cannot connect to the database {name}: {_first_line(error)}.")
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
