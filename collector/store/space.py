"""What the database takes on disk, per table and in all, and giving back what is free."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from sqlalchemy import Connection, Engine

from collector.store.tables import metadata

if TYPE_CHECKING:
    import sqlite3

PAGES_AT_ONCE = 256  # that a step gives back: 1 MiB, in about 10 ms, while nobody else writes
# Free pages that are kept: what is deleted now is written again soon, and a file that shrinks and grows all the time
# is moved about for nothing.
SPARE = 0.1
SPARE_PAGES = 1_024

_POSTGRESQL_SIZES = """
SELECT COALESCE(parent.relname, c.relname), SUM(pg_total_relation_size(c.oid))::bigint
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class parent ON parent.oid = i.inhparent
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
GROUP BY 1
"""
# All indexes of a table belong to it.
_SQLITE_SIZES = """
SELECT m.tbl_name, SUM(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name
WHERE s.aggregate = TRUE GROUP BY m.tbl_name
"""


class Disk(NamedTuple):
    """Bytes. `used` is what cannot be given back: everything but SQLite's free pages."""

    total: int
    used: int


def disk(connection: Connection) -> Disk:
    """What the database takes. Cheap: neither engine reads its data for it. SQLite's write-ahead log is not counted."""
    if connection.dialect.name == "postgresql":
        size: int = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
        return Disk(size, size)
    page, pages, free = (_pragma(connection, name) for name in ("page_size", "page_count", "freelist_count"))
    return Disk(page * pages, page * (pages - free))


def table_sizes(connection: Connection) -> dict[str, int]:
    """Bytes per table, indexes and out-of-line values included. Reads a whole SQLite file: for people who ask.

    Empty where this SQLite was built without the means to tell.
    """
    if connection.dialect.name == "postgresql":
        found = connection.exec_driver_sql(_POSTGRESQL_SIZES).fetchall()
    elif connection.exec_driver_sql("SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'").first() is None:
        return {}
    else:
        found = connection.exec_driver_sql(_SQLITE_SIZES).fetchall()
    return {name: int(size) for name, size in found if name in metadata.tables}


def give_back(engine: Engine, *, everything: bool = False) -> bool:
    """Cuts up to PAGES_AT_ONCE free pages off SQLite's file, beyond a spare share. Returns whether more could be.

    PostgreSQL gives back what a dropped partition held as it is dropped, and uses all else again by itself.
    """
    if engine.dialect.name != "sqlite":
        return False
    with engine.begin() as connection:
        names = ("auto_vacuum", "page_count", "freelist_count")
        mode, pages, free = (_pragma(connection, name) for name in names)
    surplus = free - (0 if everything else max(round(pages * SPARE), SPARE_PAGES))
    if mode == 0 or surplus <= 0:
        return False
    # As a script: the statement frees one page per step, and sqlite3 takes only the first step of one without columns.
    raw = engine.raw_connection()
    try:
        cast("sqlite3.Connection", raw.driver_connection).executescript(
            f"BEGIN IMMEDIATE; PRAGMA incremental_vacuum({min(surplus, PAGES_AT_ONCE)}); COMMIT"
        )
    finally:
        raw.close()
    return surplus > PAGES_AT_ONCE


def _pragma(connection: Connection, name: str) -> int:
    value: int = connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
    return value
