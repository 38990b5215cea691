"""Sums by execution tag, per minute and hour. Conventions as in `collector.store.rollup_tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from collector.store.rollup_tables import metadata

# Who asks does so for all values of one key: the key comes first, and then the time.
tag_stats = Table(
    "tag_stats",
    metadata,
    Column("key", Text, primary_key=True),
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Text, primary_key=True),
    Column("function_id", BigInteger, primary_key=True, autoincrement=False),
    Column("invocations", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("cost_pd", BigInteger, nullable=False),  # of the invocations
    Column("unpriced", BigInteger, nullable=False),  # invocations whose cost is unknown
    Column("calls_cost_pd", BigInteger, nullable=False),  # of their calls
    Column("unpriced_calls", BigInteger, nullable=False),
    Index(None, "resolution", "start_s"),
    sqlite_with_rowid=False,
)
