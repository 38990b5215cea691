"""The table of asynchronous events that Lambda gave up on because it could not run their function."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from collector.store.rollup_tables import metadata

# One row for each event, so that it counts once, however many messages tell of it.
refused_events = Table(
    "refused_events",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),  # of the request, as in link_keys
    Column("started_ns", BigInteger, nullable=False),  # when it was given up on
    Column("trace_id", LargeBinary(16), nullable=False),  # of the invocation that was told
    Column("function_id", BigInteger),  # NULL until it is known who invoked which function
    Column("message", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Index(None, "function_id", "received_ms"),
    Index(None, "received_ms"),
    sqlite_with_rowid=False,
)
