"""Where alerts are delivered to, and what is to be delivered. Conventions as in `collector.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text

from collector.store.rollup_tables import metadata

channels = Table(
    "channels",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # random
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # "slack", "pagerduty", …: collector.alerts.channels
    Column("settings", Text, nullable=False),  # what is no secret, as a JSON object
    Column("secrets", LargeBinary, nullable=False),  # collector.alerts.keyring
    Column("enabled", Boolean, nullable=False),
    Column("is_default", Boolean, nullable=False),  # gets what rules send that name no channel
    Column("sends_resolved", Boolean, nullable=False),
    Column("least_severity", Text, nullable=False),  # "info" for all
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    # One process at a time delivers to a channel, until it lets go or the time has passed.
    Column("holder", Text, nullable=False),  # "" where nobody does
    Column("held_until_ms", BigInteger, nullable=False),
    Column("next_ms", BigInteger, nullable=False),  # nothing before: its own pace, or the service asked for a pause
    Column("tested_ms", BigInteger),
    Column("test_error", Text),  # NULL: the test arrived, or there was none
    Index(None, "name", unique=True),
)

# The outbox, and what became of it. A row is written in the commit of what it tells of.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # hash of channel, alert, kind and time
    Column("channel_id", BigInteger, nullable=False),
    Column("channel_name", Text, nullable=False),  # stays readable when the channel is gone
    Column("alert_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # collector.alerts.model.NoticeKind
    Column("created_ms", BigInteger, nullable=False),
    Column("message", Text, nullable=False),  # collector.alerts.message, as JSON
    Column("state", Text, nullable=False),  # "waiting", "sent", "dead"
    Column("attempts", Integer, nullable=False),
    Column("next_ms", BigInteger, nullable=False),  # of a waiting one: not before
    Column("ended_ms", BigInteger),  # when it was sent, or given up
    Column("reason", Text),  # why the last attempt failed
    Column("reference", Text),  # what the service calls it: a ticket's key, a message's timestamp
    Column("url", Text),  # where the service shows it
    Column("bundle_id", BigInteger),  # of the delivery that named this one too
    Index(None, "state", "channel_id", "created_ms"),
    Index(None, "alert_id", "created_ms"),
    Index(None, "created_ms"),
)

# What is open in an issue tracker, so that it is not opened twice.
tickets = Table(
    "tickets",
    metadata,
    Column("channel_id", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", Text, primary_key=True),  # what it is about: collector.alerts.message.Message.subject_key
    Column("key", Text, nullable=False),  # "OPS-17"
    Column("url", Text, nullable=False),
    Column("alert_id", BigInteger, nullable=False),  # that it was last told of
    Column("issue_id", BigInteger),  # that it is about, if it is one's
    Column("created_ms", BigInteger, nullable=False),
    Index(None, "issue_id"),
    Index(None, "alert_id"),
    sqlite_with_rowid=False,
)
