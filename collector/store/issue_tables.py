"""What people decide about issues, and what the alerts are told of them. Conventions as in `collector.store.tables`.

`issues` itself is ingest's alone. These tables are apart so that neither writes over the other.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Table, Text

from collector.store.rollup_tables import metadata

# What somebody last decided about an issue. No row: open, and nobody's.
issue_states = Table(
    "issue_states",
    metadata,
    Column("issue_id", BigInteger, primary_key=True, autoincrement=False),
    Column("status", SmallInteger, nullable=False),  # collector.domain.issue_states.Decision
    # Since when. Of a resolved issue: occurrences that began later are a regression.
    Column("since_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),  # when a mute ends; NULL: never
    Column("assignee", Text, nullable=False),  # "" for nobody
    sqlite_with_rowid=False,
)

# Who decided what, and when.
issue_history = Table(
    "issue_history",
    metadata,
    Column("issue_id", BigInteger, primary_key=True, autoincrement=False),
    Column("changed_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("action", SmallInteger, nullable=False),  # collector.domain.issue_states.Action
    Column("actor", Text, nullable=False),
    Column("until_ms", BigInteger),  # of a mute
    Column("assignee", Text, nullable=False),  # of an assignment; "" for nobody
    sqlite_with_rowid=False,
)

# What happened to issues by itself: they came, or they came back after they had been resolved. Written in the commit
# of the occurrence that brought it about, once for each time that the issue was resolved.
issue_changes = Table(
    "issue_changes",
    metadata,
    Column("issue_id", BigInteger, primary_key=True, autoincrement=False),
    Column("since_ms", BigInteger, primary_key=True, autoincrement=False),  # when it had been resolved; 0: it is new
    # In the order in which they were seen by all, given after their commit: collector.store.issue_changes.
    Column("number", BigInteger),
    Index(None, "number"),
    sqlite_with_rowid=False,
)
