"""Moving everything from one database to another, of the same or the other engine.

The whole copy is one transaction of the target: one that fails or is interrupted leaves nothing behind. Rows are read
in the order of their keys and written a few at a time, so memory stays small however large the database is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Table, select

from collector.store import partitions
from collector.store.engine import describe
from collector.store.errors import CopyFailed, DatabaseInUse, NotEmpty
from collector.store.lease import leases
from collector.store.statements import Row, write
from collector.store.tables import exports, metadata

ROWS_AT_ONCE = 2_000
BYTES_AT_ONCE = 8 * 1024 * 1024
_MASK = 2**64 - 1


class Sum(NamedTuple):
    """Rows, and a checksum of them that does not depend on their order."""

    rows: int
    checksum: int


def copy(source: Engine, target: Engine, tell: Callable[[str, int], None]) -> int:
    """Copies all tables and compares what the target then holds. Returns how many rows that are.

    `tell` hears of each table and its rows. Both databases must be up to date, and nobody else at work on them: hold
    their claims. Raises DatabaseInUse, NotEmpty, CopyFailed.
    """
    for engine in (source, target):
        _refuse_others(engine)
    total = 0
    with source.connect() as reading, target.begin() as writing:
        _refuse_rows(writing)
        for table in copied_tables():
            if table is exports:
                _make_partitions(reading, writing)
            given = _copy_table(reading, writing, table)
            stored = _sum(_rows(writing, table))
            if given != stored:
                raise CopyFailed(
                    f"The copy of {table.name} differs: {given.rows} rows were read, {stored.rows} are there"
                    f"{'' if given.rows != stored.rows else ', not the same'}. Nothing was stored."
                )
            tell(table.name, given.rows)
            total += given.rows
    return total


def copied_tables() -> list[Table]:
    """All but the leases, which are of processes that are not there any more."""
    return [table for table in metadata.sorted_tables if table is not leases]


def _copy_table(reading: Connection, writing: Connection, table: Table) -> Sum:
    total = Sum(0, 0)
    for some in _batches(_rows(reading, table)):
        write(writing, table, some)
        found = _sum(some)
        total = Sum(total.rows + found.rows, total.checksum + found.checksum & _MASK)
    return total


def _rows(connection: Connection, table: Table) -> Iterator[Row]:
    found = connection.execute(select(table).order_by(*table.primary_key.columns), execution_options={"yield_per": 200})
    for row in found:
        yield tuple(row)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    some: list[Row] = []
    size = 0
    for row in rows:
        some.append(row)
        size += sum(len(value) for value in row if isinstance(value, bytes | str))
        if len(some) == ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _sum(rows: Iterable[Row]) -> Sum:
    count = checksum = 0
    for row in rows:
        count += 1
        checksum += int.from_bytes(blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    return Sum(count, checksum & _MASK)


def _refuse_rows(connection: Connection) -> None:
    for table in copied_tables():
        if connection.execute(select(*table.primary_key.columns).limit(1)).first() is not None:
            raise NotEmpty(
                f"The database {describe(connection.engine)} is not empty: there are rows in {table.name}. "
                "Copy into a new one."
            )


def _refuse_others(engine: Engine) -> None:
    """Collectors on PostgreSQL, which has no claims: they are known by their name."""
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        others: Any = connection.exec_driver_sql(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'clew' AND pid <> pg_backend_pid()"
        ).scalar()
    if others:
        raise DatabaseInUse(f"The database {describe(engine)} is in use: stop the collectors that work on it.")


def _make_partitions(reading: Connection, writing: Connection) -> None:
    """For the days of which the source has exports, where the target has partitions at all."""
    if writing.dialect.name != "postgresql":
        return
    ends = [
        reading.scalar(select(exports.c.id).order_by(order).limit(1)) for order in (exports.c.id, exports.c.id.desc())
    ]
    if ends[0] is not None:
        first_ns, last_ns = (int.from_bytes(bytes(id or b"")[:8], "big") for id in ends)
        partitions.make(writing, first_ns, last_ns)
