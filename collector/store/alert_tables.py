"""Rules, alerts and what the evaluation remembers. Conventions as in `collector.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, Table, Text

from collector.store.rollup_tables import metadata

# What a rule says is JSON: no query looks into it. `collector.alerts.rule_text` writes and reads it.
alert_rules = Table(
    "alert_rules",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("definition", Text, nullable=False),
    Column("origin", Text, nullable=False),  # "default", "page" or "file"
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # a hash of rule, subject and since_s
    Column("rule_id", Text, nullable=False),
    Column("rule_name", Text, nullable=False),  # rules can be renamed and deleted
    Column("severity", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_key", Text, nullable=False),
    Column("subject_name", Text, nullable=False),
    Column("function_id", BigInteger),
    Column("issue_id", BigInteger),
    Column("resource_id", BigInteger),
    Column("state", Text, nullable=False),  # "open", "acknowledged", "resolved"
    Column("since_s", BigInteger, nullable=False),  # the first moment at which the condition was met
    Column("last_s", BigInteger, nullable=False),  # the last one
    Column("opened_ms", BigInteger, nullable=False),
    Column("resolved_ms", BigInteger),
    Column("resolved_by", Text),
    Column("acknowledged_ms", BigInteger),
    Column("acknowledged_by", Text),
    Column("snoozed_until_ms", BigInteger),
    Column("value", Float(53), nullable=False),
    Column("peak", Float(53), nullable=False),
    Column("threshold", Float(53), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("told_count", BigInteger, nullable=False),  # `count` when somebody was last told
    Column("told_ms", BigInteger),
    Column("muted", Boolean, nullable=False),
    Index(None, "state", "last_s"),
    Index(None, "rule_id", "last_s"),
    Index(None, "last_s"),
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("alert_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 0, 1, 2 …
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # "opened", "repeated", "acknowledged", "snoozed", "resolved"
    Column("actor", Text),
    Column("note", Text, nullable=False),
    Column("value", Float(53)),
    sqlite_with_rowid=False,
)

alert_mutes = Table(
    "alert_mutes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("definition", Text, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

# How far the evaluation is; one row. It changes in the commit that holds what was decided.
alert_position = Table(
    "alert_position",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("evaluated_s", BigInteger, nullable=False),  # every minute up to here was looked at
    Column("blind_until_s", BigInteger, nullable=False),  # nothing was received for a while before this
    Column("issue_cursor", BigInteger, nullable=False),
)

# Minutes of functions whose sums changed when the evaluation may have passed them. Written in the commit that changed
# them; the evaluation takes away what it has read. `token` as in stitch_queue.
late_minutes = Table(
    "late_minutes",
    metadata,
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("function_id", BigInteger, primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
