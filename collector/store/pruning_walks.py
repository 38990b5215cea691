"""Deleting from the tables whose keys do not begin with a time, by walking through them from end to end.

A walk reads each page of a table once, in the order in which they lie; looking each old row up by its trace would read
a page per row.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Table, func, select

from collector.store import alert_tables, tables
from collector.store.commit import Seen
from collector.store.periods import Cutoffs, Kind
from collector.store.pruning import Step, failed_traces, page
from collector.store.statements import Row, delete_by_key, select_among

_SMALLEST: dict[type, Any] = {int: -(2**63), bytes: b"", str: ""}


class _Walk(Step):
    """One way through a table. `columns` are its key and what tells whether a row goes."""

    kind = Kind.ROWS

    def __init__(self, table: Table, *further: str) -> None:
        self.table = table
        self._key = [column.name for column in table.primary_key.columns]
        self._columns = ", ".join([*self._key, *further])
        self._after: Row = tuple(_SMALLEST[column.type.python_type] for column in table.primary_key.columns)

    def run(self, connection: Connection, most: int) -> tuple[int, bool]:
        what = f"{self._columns} FROM {self.table.name}"
        rows = page(connection, what, self._key, self._after, most=most)
        if not rows:
            return 0, False
        self._after = rows[-1][: len(self._key)]
        gone = {row[: len(self._key)] for row in self.choose(connection, rows)}
        delete_by_key(connection, self.table, gone)
        return len(gone), len(rows) == most

    def choose(self, connection: Connection, rows: list[Row], /) -> Collection[Row]:
        """Those of the rows that go."""
        raise NotImplementedError


class OldByTrace(_Walk):
    """Rows with a start and a trace: link keys, occurrences of issues."""

    def __init__(self, table: Table, cutoffs: Cutoffs) -> None:
        super().__init__(table, "trace_id")
        self._start = self._key.index("started_ns")
        self._cutoffs = cutoffs

    def choose(self, connection: Connection, rows: list[Row], /) -> Collection[Row]:
        old = [row for row in rows if row[self._start] < self._cutoffs.rows_ns]
        doubtful = {row[-1] for row in old if row[self._start] >= self._cutoffs.failed_rows_ns}
        kept = failed_traces(connection, doubtful)
        return [row for row in old if row[-1] not in kept or row[self._start] < self._cutoffs.failed_rows_ns]


class LostMemberships(_Walk):
    """Traces of transactions that are gone, once their exports are gone too.

    What has just come in has an export, so nothing that the stitcher still has to look at is touched.
    """

    def __init__(self) -> None:
        super().__init__(tables.memberships)

    def choose(self, connection: Connection, rows: list[Row], /) -> Collection[Row]:
        there = _there(connection, "SELECT id FROM transactions WHERE id IN [some]", {row[0] for row in rows})
        lost = [row for row in rows if row[0] not in there]
        held = exported(connection, {row[1] for row in lost})
        return [row for row in lost if row[1] not in held]


class LostLinks(_Walk):
    """Links to consumers that are gone. Where only the producer is gone they stay: the consumer's page says so."""

    def __init__(self) -> None:
        super().__init__(tables.links)

    def choose(self, connection: Connection, rows: list[Row], /) -> Collection[Row]:
        consumers = {row[0] for row in rows}
        known = _there(connection, "SELECT DISTINCT trace_id FROM memberships WHERE trace_id IN [some]", consumers)
        known |= exported(connection, consumers - known)
        return [row for row in rows if row[0] not in known]


class LostIssues(_Walk):
    """Issues that were not seen for as long as sums per hour are kept, with all that was decided about them."""

    kind = Kind.HOURS
    beside = (tables.issue_states, tables.issue_history, tables.issue_changes)

    def __init__(self, cutoffs: Cutoffs) -> None:
        super().__init__(tables.issues, "last_seen_ms")
        self._before_ms = cutoffs.hours_ns // 1_000_000

    def choose(self, connection: Connection, rows: list[Row], /) -> Collection[Row]:
        old = {row[0] for row in rows if row[1] < self._before_ms}
        old -= _there(connection, "SELECT DISTINCT issue_id FROM issue_occurrences WHERE issue_id IN [some]", old)
        old -= _there(connection, "SELECT DISTINCT issue_id FROM issue_stats WHERE issue_id IN [some]", old)
        for table in self.beside:
            delete_by_key(connection, table, {(id,) for id in old}, ("issue_id",))
        return [row for row in rows if row[0] in old]


class LostFunctions(_Walk):
    """Functions that nothing was heard of for as long as sums per hour are kept."""

    kind = Kind.HOURS

    def __init__(self, cutoffs: Cutoffs) -> None:
        super().__init__(tables.functions, "updated_ms")
        self._before_ms = cutoffs.hours_ns // 1_000_000

    def choose(self, connection: Connection, rows: list[Row], /) -> Collection[Row]:
        old = {row[0] for row in rows if row[1] < self._before_ms}
        for name in ("function_stats", "invocations"):
            statement = f"SELECT DISTINCT function_id FROM {name} WHERE function_id IN [some]"  # noqa: S608
            old -= _there(connection, statement, old)
        return [row for row in rows if row[0] in old]


class LostResources(_Walk):
    """Resources that no sum, no invocation and no transaction names any more.

    `named` is worked out beforehand: what was written shortly before that, or since, may be named by now.
    """

    kind = Kind.HOURS

    def __init__(self, named: set[int], cutoffs: Cutoffs) -> None:
        super().__init__(tables.resources)
        self._named = named
        # A process that has written one names it for FORGET_S without writing it again.
        self._before_ms = cutoffs.now_ns // 1_000_000 - round(Seen.FORGET_S * 2_000)

    def choose(self, connection: Connection, rows: list[Row], /) -> Collection[Row]:
        lost = [row[0] for row in rows if row[0] not in self._named]
        # On PostgreSQL who writes it again meanwhile has to wait, and then finds it gone.
        locking = " FOR UPDATE" if connection.dialect.name == "postgresql" else ""
        statement = f"SELECT id FROM resources WHERE id IN [some] AND written_ms < {self._before_ms}{locking}"  # noqa: S608
        old = _there(connection, statement, lost)
        return [row for row in rows if row[0] in old]


class OldAlerts(_Walk):
    """Alerts that were resolved longer ago than sums per hour are kept, with what happened to them."""

    kind = Kind.HOURS

    def __init__(self, cutoffs: Cutoffs) -> None:
        super().__init__(alert_tables.alerts, "resolved_ms")
        self._before_ms = cutoffs.hours_ns // 1_000_000

    def choose(self, connection: Connection, rows: list[Row], /) -> Collection[Row]:
        old = [row for row in rows if row[1] is not None and row[1] < self._before_ms]
        delete_by_key(connection, alert_tables.alert_events, {row[:1] for row in old}, ("alert_id",))
        return old


class OldDeliveries(_Walk):
    """Messages that were delivered, or given up, longer ago than that."""

    kind = Kind.HOURS

    def __init__(self, cutoffs: Cutoffs) -> None:
        super().__init__(tables.metadata.tables["deliveries"], "ended_ms")
        self._before_ms = cutoffs.hours_ns // 1_000_000

    def choose(self, _connection: Connection, rows: list[Row], /) -> Collection[Row]:
        return [row for row in rows if row[1] is not None and row[1] < self._before_ms]


def named_resources(connection: Connection) -> set[int]:
    """All that is named anywhere. Reads whole tables: once a day, by a connection that only reads."""
    named: set[int] = set()
    for column in (
        tables.edge_stats.c.resource_id,
        tables.flow_stats.c.source_id,
        tables.flow_stats.c.target_id,
        tables.calls.c.resource_id,
        tables.invocations.c.trigger_resource_id,
        tables.transactions.c.trigger_resource_id,
    ):
        named.update(connection.scalars(select(func.distinct(column))))
    return named


def exported(connection: Connection, traces: Collection[bytes]) -> set[bytes]:
    """Those of which an export is there."""
    return _there(connection, "SELECT DISTINCT trace_id FROM trace_exports WHERE trace_id IN [some]", traces)


def _there(connection: Connection, statement: str, values: Collection[Any]) -> set[Any]:
    return {row[0] for row in select_among(connection, statement, "[some]", values)}
