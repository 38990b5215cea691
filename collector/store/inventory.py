"""What the database holds, for people: sizes, the oldest of each kind, and what retention would take now."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, or_, select

from collector.store import tables
from collector.store.partitions import first_id
from collector.store.periods import NS, Cutoffs, Kind, Periods
from collector.store.space import Disk, disk, table_sizes

ROLLUPS = tuple(
    table for table in tables.metadata.sorted_tables if {"resolution", "start_s"} <= set(table.columns.keys())
)
_exports, _transactions, _memberships = tables.exports.c, tables.transactions.c, tables.memberships.c
_FAILED_TRACES = (
    select(_memberships.trace_id)
    .join(tables.transactions, _transactions.id == _memberships.transaction_id)
    .where(_transactions.failed_invocations > 0)
)
_FAILED_EXPORTS = select(tables.trace_exports.c.export_id).where(tables.trace_exports.c.trace_id.in_(_FAILED_TRACES))


@dataclass(frozen=True, slots=True)
class Inventory:
    disk: Disk
    sizes: dict[str, int]  # bytes by table, largest first; empty where the engine cannot tell
    oldest_ns: dict[Kind, int | None]  # start of the oldest row
    expired: Counter[str]  # rows by table that retention would take now, for their age
    expired_bytes: int  # of the exports among them: what their bodies take


def take_inventory(connection: Connection, periods: Periods, now_ns: int, *, sizes: bool = True) -> Inventory:
    """Reads a lot: for a command, not for a page that many open. `sizes`: also each table's, which reads all."""
    cutoffs = periods.cutoffs(now_ns)
    expired, size = _expired(connection, cutoffs)
    taken = table_sizes(connection) if sizes else {}
    return Inventory(
        disk=disk(connection),
        sizes=dict(sorted(taken.items(), key=lambda item: (-item[1], item[0]))),
        oldest_ns={
            Kind.EXPORTS: oldest_export_ns(connection),
            Kind.ROWS: oldest_row_ns(connection),
            Kind.MINUTES: _oldest_sum_ns(connection, 60),
            Kind.HOURS: _oldest_sum_ns(connection, 3600),
        },
        expired=expired,
        expired_bytes=size,
    )


def oldest_export_ns(connection: Connection) -> int | None:
    id = connection.scalar(select(_exports.id).order_by(_exports.id).limit(1))
    return int.from_bytes(bytes(id)[:8], "big") if id is not None else None


def oldest_row_ns(connection: Connection) -> int | None:
    """Of invocations, calls and transactions."""
    found = [
        connection.scalar(select(func.min(table.c.started_ns)))
        for table in (tables.invocations, tables.calls, tables.transactions)
    ]
    return min((start for start in found if start is not None), default=None)


def _oldest_sum_ns(connection: Connection, resolution: int) -> int | None:
    found = [
        connection.scalar(select(func.min(table.c.start_s)).where(table.c.resolution == resolution))
        for table in ROLLUPS
    ]
    return min((start * NS for start in found if start is not None), default=None)


def _expired(connection: Connection, cutoffs: Cutoffs) -> tuple[Counter[str], int]:
    found: Counter[str] = Counter()
    exports = and_(
        _exports.id < first_id(cutoffs.exports_ns),
        or_(_exports.id < first_id(cutoffs.failed_exports_ns), _exports.id.not_in(_FAILED_EXPORTS)),
    )
    count, size = connection.execute(
        select(func.count(), func.coalesce(func.sum(func.length(_exports.body)), 0)).where(exports)
    ).one()
    found["exports"] = count
    for table in (tables.calls, tables.invocations):
        column = table.c
        old = and_(
            column.started_ns < cutoffs.rows_ns,
            or_(column.started_ns < cutoffs.failed_rows_ns, column.trace_id.not_in(_FAILED_TRACES)),
        )
        found[table.name] = _count(connection, table, old)
    found["transactions"] = _count(
        connection,
        tables.transactions,
        and_(
            _transactions.started_ns < cutoffs.rows_ns,
            _transactions.ended_ns < cutoffs.rows_ns,
            or_(_transactions.ended_ns < cutoffs.failed_rows_ns, _transactions.failed_invocations == 0),
        ),
    )
    for table in ROLLUPS:
        for resolution, before_ns in ((60, cutoffs.minutes_ns), (3600, cutoffs.hours_ns)):
            before_s = before_ns // NS // resolution * resolution
            found[table.name] += _count(
                connection, table, and_(table.c.resolution == resolution, table.c.start_s < before_s)
            )
    return +found, int(size)


def _count(connection: Connection, table: Table, where: ColumnElement[bool]) -> int:
    statement: Select[int] = select(func.count()).select_from(table).where(where)
    return connection.execute(statement).scalar_one()
