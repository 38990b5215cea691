"""Deleting what is older than it may be, in small steps: each is one short transaction, so that ingest goes on.

Every step reads the oldest rows from where the last one ended, spares those of failed transactions where these are
kept longer, and deletes the others by their key. What is left between two steps is whole: a span goes with all that is
said of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Table

from collector.store import tables
from collector.store.partitions import first_id
from collector.store.periods import NS, Cutoffs, Kind
from collector.store.statements import Row, delete_by_key, select_among

TRACE_BYTES = 16
_FAILED = (
    "SELECT DISTINCT m.trace_id FROM memberships m JOIN transactions t ON t.id = m.transaction_id "
    "WHERE t.failed_invocations > 0 AND m.trace_id IN [some]"
)


class Step(ABC):
    """A table's share of a pass; `run` it until it returns less than it was asked for."""

    kind: Kind
    table: Table

    @abstractmethod
    def run(self, connection: Connection, most: int) -> tuple[int, bool]:
        """Looks at up to `most` rows. Returns how many rows it deleted, and whether there are more to look at."""


def failed_traces(connection: Connection, traces: Collection[bytes]) -> set[bytes]:
    """Those that belong to a transaction in which an invocation failed."""
    return {row[0] for row in select_among(connection, _FAILED, "[some]", traces)}


class OldSpans(Step):
    """Invocations or calls, with what is kept beside them by the same key."""

    kind = Kind.ROWS

    def __init__(self, table: Table, cutoffs: Cutoffs, *, beside: Sequence[Table] = ()) -> None:
        self.table = table
        self._cutoffs = cutoffs
        self._beside = beside
        self._after: Row = (-(2**63), -(2**63))

    def run(self, connection: Connection, most: int) -> tuple[int, bool]:
        rows = page(
            connection, f"started_ns, span_id, trace_id FROM {self.table.name}", _SPAN, self._after,
            most=most, condition=f"started_ns < {self._cutoffs.rows_ns}",
        )  # fmt: skip
        if not rows:
            return 0, False
        first, self._after = self._after, rows[-1][:2]
        doubtful = {row[2] for row in rows if row[0] >= self._cutoffs.failed_rows_ns}
        kept = failed_traces(connection, doubtful)
        gone = [row[:2] for row in rows if row[2] not in kept or row[0] < self._cutoffs.failed_rows_ns]
        for table in (self.table, *self._beside):
            if len(gone) == len(rows):
                _delete_range(connection, table, _SPAN, first, self._after)
            else:
                delete_by_key(connection, table, gone, _SPAN)
        return len(gone), len(rows) == most


class OldExports(Step):
    """Exports, and the rows that say which trace they hold something of."""

    kind = Kind.EXPORTS
    table = tables.exports

    def __init__(self, cutoffs: Cutoffs, *, since_ns: int = 0) -> None:
        self._cutoffs = cutoffs
        self._after: Row = (first_id(since_ns) if since_ns else b"",)

    def run(self, connection: Connection, most: int) -> tuple[int, bool]:
        rows = exports_page(connection, self._after, self._cutoffs.exports_ns, most)
        if not rows:
            return 0, False
        self._after = rows[-1][:1]
        limit = first_id(self._cutoffs.failed_exports_ns)
        kept = failed_traces(connection, {trace for id, held in rows if id >= limit for trace in split(held)})
        gone = [(id, held) for id, held in rows if id < limit or kept.isdisjoint(split(held))]
        forget_exports(connection, gone)
        delete_by_key(connection, self.table, [(id,) for id, _ in gone])
        return len(gone), len(rows) == most


class OldTransactions(Step):
    """Those that ended long enough ago, with their memberships."""

    kind = Kind.ROWS
    table = tables.transactions

    def __init__(self, cutoffs: Cutoffs) -> None:
        self._cutoffs = cutoffs
        self._after: Row = (-(2**63), b"")

    def run(self, connection: Connection, most: int) -> tuple[int, bool]:
        rows = page(
            connection, "started_ns, id, ended_ns, failed_invocations FROM transactions", ("started_ns", "id"),
            self._after, most=most, condition=f"started_ns < {self._cutoffs.rows_ns}",
        )  # fmt: skip
        if not rows:
            return 0, False
        self._after = rows[-1][:2]
        gone = [
            (id,)
            for _, id, ended_ns, failed in rows
            if ended_ns < (self._cutoffs.failed_rows_ns if failed else self._cutoffs.rows_ns)
        ]
        delete_by_key(connection, tables.memberships, gone, ("transaction_id",))
        delete_by_key(connection, tables.transactions, gone)
        return len(gone), len(rows) == most


class OldReports(Step):
    """Lines' pieces, reports whose invocation never came, and refused events, by when they arrived."""

    kind = Kind.ROWS

    def __init__(self, table: Table, cutoffs: Cutoffs) -> None:
        self.table = table
        self._cutoffs = cutoffs
        key = [column.name for column in table.primary_key.columns]
        self._order = ("received_ms", *key)
        smallest: dict[type, Any] = {str: "", int: -(2**63)}
        self._after: Row = tuple(
            smallest[column.type.python_type] for column in (table.c[name] for name in self._order)
        )

    def run(self, connection: Connection, most: int) -> tuple[int, bool]:
        rows = page(
            connection, f"{', '.join(self._order)} FROM {self.table.name}", self._order, self._after,
            most=most, condition=f"received_ms < {self._cutoffs.rows_ns // 1_000_000}",
        )  # fmt: skip
        if not rows:
            return 0, False
        self._after = rows[-1]
        doubtful = {row[1] for row in rows if row[0] >= self._cutoffs.failed_rows_ns // 1_000_000}
        kept = self._kept(connection, doubtful) if self.table is tables.log_pieces else set()
        gone = [row[1:] for row in rows if row[1] not in kept]
        delete_by_key(connection, self.table, gone)
        return len(gone), len(rows) == most

    @staticmethod
    def _kept(connection: Connection, requests: Collection[str]) -> set[str]:
        """Those whose invocation is kept: why it failed is worked out from them."""
        statement = "SELECT request_id, trace_id FROM invocations WHERE request_id IN [some]"
        found = select_among(connection, statement, "[some]", requests)
        failed = failed_traces(connection, {row[1] for row in found})
        return {row[0] for row in found if row[1] in failed}


class OldSums(Step):
    """Rollups of one resolution, a few of their periods at a time."""

    def __init__(self, table: Table, resolution: int, before_ns: int) -> None:
        self.table = table
        self.kind = Kind.MINUTES if resolution == 60 else Kind.HOURS
        self._resolution = resolution
        # Whole periods: one that reaches into what is kept stays.
        self._before_s = before_ns // NS // resolution * resolution

    def run(self, connection: Connection, most: int) -> tuple[int, bool]:
        some = f"{self.table.name} WHERE resolution = {self._resolution} AND start_s < {self._before_s}"
        last = connection.exec_driver_sql(
            f"SELECT start_s FROM {some} ORDER BY start_s LIMIT 1 OFFSET {most}"  # noqa: S608  # numbers and names of ours
        ).scalar()
        more = f" AND start_s <= {last}" if last is not None else ""
        deleted = connection.exec_driver_sql(f"DELETE FROM {some}{more}").rowcount  # noqa: S608
        return deleted, last is not None


_SPAN = ("started_ns", "span_id")


def split(traces: bytes) -> list[bytes]:
    """The column `traces` of an export."""
    return [traces[start : start + TRACE_BYTES] for start in range(0, len(traces), TRACE_BYTES)]


def exports_page(connection: Connection, after: Row, before_ns: int, most: int, table: str = "exports") -> list[Row]:
    """Ids and traces of the oldest exports behind `after`."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    return list(
        connection.exec_driver_sql(
            f"SELECT id, traces FROM {table} WHERE id > {mark} AND id < {mark} ORDER BY id LIMIT {most}",  # noqa: S608
            (*after, first_id(before_ns)),
        )
    )


def forget_exports(connection: Connection, rows: Collection[Row]) -> None:
    """Deletes the rows of trace_exports of these exports."""
    delete_by_key(connection, tables.trace_exports, {(trace, id) for id, held in rows for trace in split(held)})


def page(
    connection: Connection, what: str, order: Sequence[str], after: Row, *, most: int, condition: str = "true"
) -> list[Row]:
    """The first rows behind `after` in this order."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join(order)
    # The first column's own bound is what both engines look for in the index.
    statement = (
        f"SELECT {what} WHERE {order[0]} >= {mark} AND ({names}) > ({', '.join([mark] * len(order))}) "
        f"AND {condition} ORDER BY {names} LIMIT {most}"
    )
    return [tuple(row) for row in connection.exec_driver_sql(statement, (after[0], *after))]


def _delete_range(connection: Connection, table: Table, key: Sequence[str], after: Row, last: Row) -> None:
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names, marks = ", ".join(key), ", ".join([mark] * len(key))
    connection.exec_driver_sql(
        f"DELETE FROM {table.name} WHERE {key[0]} >= {mark} AND {key[0]} <= {mark} "  # noqa: S608  # names are ours
        f"AND ({names}) > ({marks}) AND ({names}) <= ({marks})",
        (after[0], last[0], *after, *last),
    )
