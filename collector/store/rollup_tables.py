"""The rollups: sums per minute and hour that the dashboards read. Conventions as in `collector.store.tables`.

Every statement that writes them adds, so any number of collectors may write the same row. `resolution` is 60 or 3600:
the seconds that one row covers, from `start_s` (seconds since 1970) on.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, SmallInteger, Table

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

function_stats = Table(
    "function_stats",
    metadata,
    Column("function_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("invocations", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("handled", BigInteger, nullable=False),  # invocations that dealt with an error, and did not fail
    Column("cold_starts", BigInteger, nullable=False),
    Column("throttles", BigInteger, nullable=False),  # its calls that were refused because they were too many
    Column("duration_us", BigInteger, nullable=False),
    Column("max_memory_mb", Integer, nullable=False),  # 0: unknown
    Column("cost_pd", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),  # invocations whose cost is unknown
    Column("calls_cost_pd", BigInteger, nullable=False),  # of the calls that started then
    Column("unpriced_calls", BigInteger, nullable=False),
    Index(None, "resolution", "start_s"),
    sqlite_with_rowid=False,
)

# Durations as mergeable histograms: bucket as in collector.domain.histogram.
function_durations = Table(
    "function_durations",
    metadata,
    Column("function_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Index(None, "resolution", "start_s"),
    sqlite_with_rowid=False,
)

# Most rows of all rollups are edges', and what reads them reads those of all functions. So time comes first in their
# key: what a commit writes lies together, and no other index is needed.
edge_stats = Table(
    "edge_stats",
    metadata,
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("function_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resource_id", BigInteger, primary_key=True, autoincrement=False),
    Column("direction", SmallInteger, primary_key=True, autoincrement=False),  # collector.domain.facts.Direction
    Column("calls", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("cost_pd", BigInteger, nullable=False),  # of calls; what a trigger costs is not known
    Column("unpriced", BigInteger, nullable=False),  # calls whose cost is unknown
    sqlite_with_rowid=False,
)

edge_durations = Table(
    "edge_durations",
    metadata,
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("function_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resource_id", BigInteger, primary_key=True, autoincrement=False),
    Column("direction", SmallInteger, primary_key=True, autoincrement=False),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What one resource hands to another behind the functions' backs: Transcribe writes its transcript into a bucket. Known
# by links from a call to one resource to an invocation that another triggered; written by the stitcher.
flow_stats = Table(
    "flow_stats",
    metadata,
    Column("source_id", BigInteger, primary_key=True, autoincrement=False),
    Column("target_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),  # when the invocation started
    Column("events", BigInteger, nullable=False),
    Index(None, "resolution", "start_s"),
    sqlite_with_rowid=False,
)

# How long what a queue or a stream handed over had waited. Of a minute the largest counts, which is never taken back.
age_stats = Table(
    "age_stats",
    metadata,
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("function_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resource_id", BigInteger, primary_key=True, autoincrement=False),
    Column("max_age_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

issue_stats = Table(
    "issue_stats",
    metadata,
    Column("issue_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("occurrences", BigInteger, nullable=False),
    Column("cost_pd", BigInteger, nullable=False),  # of the invocations that it occurred in, with their calls
    Index(None, "resolution", "start_s"),
    sqlite_with_rowid=False,
)
