"""Fills a database with many times what it holds already, as fast as it takes rows: an hour's invocations for each of
the hours before, with ids of their own.

The rows are what the collector itself had written. The bodies of the exports stay those of the first hour, which only a
transaction's page would notice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Table, select

from collector.store import statements, tables
from collector.store.engine import open_engine

_TABLES = (
    tables.exports,
    tables.trace_exports,
    tables.invocations,
    tables.calls,
    tables.link_keys,
    tables.links,
    tables.memberships,
    tables.transactions,
    tables.issue_occurrences,
    tables.function_stats,
    tables.function_durations,
    tables.edge_stats,
    tables.edge_durations,
    tables.issue_stats,
    tables.flow_stats,
)
_HOUR_S = 3_600
_TRACES = frozenset({"trace_id", "consumer_trace_id", "producer_trace_id", "transaction_id"})
_SPANS = frozenset({"span_id", "consumer_span_id", "producer_span_id", "entry_span_id", "key"})
_TIMES = frozenset({"started_ns", "ended_ns", "consumer_started_ns", "producer_started_ns", "begun_ns"})
_ROWS_PER_COMMIT = 100_000

Change = Callable[[Any], Any]


def fill(url: str, copies: int) -> None:
    """Adds `copies` copies of all that the database holds."""
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            columns = {table: _columns(connection, table) for table in _TABLES}
        for number in range(1, copies + 1):
            for table, values in columns.items():
                if not values:
                    continue
                changed = [
                    _change(table, column.name, number, some)
                    for column, some in zip(table.columns, values, strict=True)
                ]
                rows = list(zip(*changed, strict=True))
                for start in range(0, len(rows), _ROWS_PER_COMMIT):
                    with engine.begin() as connection:
                        statements.write(connection, table, rows[start : start + _ROWS_PER_COMMIT])
    finally:
        engine.dispose()


def _columns(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    return list(zip(*(tuple(row) for row in connection.execute(select(table))), strict=True))


def _change(table: Table, column: str, number: int, values: tuple[Any, ...]) -> list[Any] | tuple[Any, ...]:
    mask = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16).digest()
    wide, narrow = int.from_bytes(mask, "big"), int.from_bytes(mask[:8], "big") >> 1
    shift_ns = number * _HOUR_S * 1_000_000_000

    def trace(value: bytes) -> bytes:
        return (int.from_bytes(value, "big") ^ wide).to_bytes(16, "big")

    def export(value: bytes) -> bytes:
        earliest, digest = int.from_bytes(value[:8], "big"), int.from_bytes(value[8:], "big")
        return (earliest - shift_ns).to_bytes(8, "big") + (digest ^ narrow).to_bytes(8, "big")

    if column in _TRACES or (table is tables.transactions and column == "id"):
        return [trace(value) for value in values]
    if column == "export_id" or (table is tables.exports and column == "id"):
        return [export(value) for value in values]
    if table is tables.exports and column == "traces":
        return [b"".join(trace(value[at : at + 16]) for at in range(0, len(value), 16)) for value in values]
    if column in _SPANS:
        return [value ^ narrow if value else value for value in values]
    if column in _TIMES:
        return [value - shift_ns if value else value for value in values]
    if column == "start_s":
        return [value - number * _HOUR_S for value in values]
    if column == "request_id":
        return [f"{number:08x}{value[8:]}" if value else value for value in values]
    return values
