"""The tables, as SQLAlchemy Core sees them; `migrations/` creates them.

Conventions that hold in every table:

* `started_ns` is a span's start in integer nanoseconds since 1970, UTC. `(started_ns, span_id)` names a span: the
  start is part of the key so that new rows land at the right-hand edge of the index however large the table is, and
  so that the same span sent twice meets itself.
* `span_id` is the span's 8 bytes read as a signed big-endian integer, `trace_id` its 16 bytes.
* A sum of durations is in microseconds: in nanoseconds a thousand functions that never rest would overflow 64 bits
  within three months.
* `*_pd` is money in picodollars (1e-12 USD), an integer, so that sums never drift.
* Ids of functions, resources and issues are 63-bit hashes of what they name (`collector.domain.ids`), so that any
  number of collectors agree on them without asking the database.
* The rollups are in `collector.store.rollup_tables`, what people decide about issues in `collector.store.issue_tables`.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    event,
)

from collector.store import alert_tables, channel_tables  # parts of the one metadata
from collector.store.issue_tables import issue_changes, issue_history, issue_states
from collector.store.lease import leases
from collector.store.refusal_tables import refused_events
from collector.store.rollup_tables import (
    age_stats,
    edge_durations,
    edge_stats,
    flow_stats,
    function_durations,
    function_stats,
    issue_stats,
    metadata,
)
from collector.store.tag_tables import tag_stats
from collector.store.token_tables import secret_keys, tokens

__all__ = [
    "age_stats",
    "alert_tables",
    "calls",
    "channel_tables",
    "edge_durations",
    "edge_stats",
    "exports",
    "flow_stats",
    "function_durations",
    "function_stats",
    "functions",
    "invocation_tags",
    "invocations",
    "issue_changes",
    "issue_history",
    "issue_occurrences",
    "issue_states",
    "issue_stats",
    "issues",
    "leases",
    "link_keys",
    "links",
    "log_pieces",
    "memberships",
    "metadata",
    "refused_events",
    "reports",
    "resources",
    "secret_keys",
    "stitch_queue",
    "tag_stats",
    "tokens",
    "trace_exports",
    "transactions",
    "unfinished",
    "waiting_reports",
]

# What was received, whole: the OTLP request as protobuf, compressed. Only the transaction page reads it.
exports = Table(
    "exports",
    metadata,
    # First 8 bytes: earliest time in the export, ns, big-endian. Last 8: digest of the body. So ids sort by time and
    # a request that is sent again has the id it had before.
    Column("id", LargeBinary(16), primary_key=True),
    Column("signal", SmallInteger, nullable=False),  # collector.domain.facts.Signal
    Column("codec", SmallInteger, nullable=False),  # collector.store.codec.Codec
    Column("items", Integer, nullable=False),  # spans or log records in it
    Column("received_ms", BigInteger, nullable=False),
    # Of which traces it holds something, 16 bytes each: whoever deletes it finds its rows in trace_exports by them.
    Column("traces", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # On PostgreSQL one partition per day, so that a day's disk space comes back at once: collector.store.partitions.
    postgresql_partition_by="RANGE (id)",
)
event.listen(
    exports,
    "after_create",
    DDL("CREATE TABLE exports_default PARTITION OF exports DEFAULT").execute_if(  # type: ignore[no-untyped-call]
        dialect="postgresql"
    ),
)

# Which exports hold something of a trace.
trace_exports = Table(
    "trace_exports",
    metadata,
    Column("trace_id", LargeBinary(16), primary_key=True),
    Column("export_id", LargeBinary(16), primary_key=True),
    sqlite_with_rowid=False,
)

functions = Table(
    "functions",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),  # "lambda", or "service" for any other sender of spans
    Column("account", Text, nullable=False),  # "" where unknown
    Column("region", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("runtime", Text),  # "python3.12"
    Column("architecture", Text),  # "x86_64" or "arm64"
    Column("memory_mb", Integer),  # configured
    Column("timeout_ms", Integer),  # configured
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),  # when the configuration above was last seen to change
    Index(None, "name"),
)

resources = Table(
    "resources",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("service", Text, nullable=False),  # "s3", "sqs", "dynamodb", "transcribe", "http", ...
    Column("region", Text, nullable=False),  # "" where names are global (s3, http)
    Column("name", Text, nullable=False),  # bucket, queue, table, host; "" for a service as a whole
    Column("arn", Text),
    # When it was last written, which is not each time that it is named: `collector.store.commit.Seen`.
    Column("written_ms", BigInteger, nullable=False),
)

invocations = Table(
    "invocations",
    metadata,
    Column("started_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("span_id", BigInteger, primary_key=True, autoincrement=False),
    Column("trace_id", LargeBinary(16), nullable=False),
    Column("function_id", BigInteger, nullable=False),
    # Bytewise order: only so can PostgreSQL find the ids that begin with something by the index.
    Column("request_id", Text().with_variant(Text(collation="C"), "postgresql")),
    Column("duration_ns", BigInteger, nullable=False),
    Column("finished", Boolean, nullable=False),  # False: it was open when it was exported, its end is unknown
    Column("result", SmallInteger, nullable=False),  # collector.domain.facts.Result
    # The same as its span alone says; `result` may differ once the platform has reported or its deadline has passed.
    Column("span_result", SmallInteger, nullable=False),
    Column("cold_start", Boolean, nullable=False),
    Column("init_ns", BigInteger),
    Column("memory_mb", Integer),  # configured
    Column("max_memory_mb", Integer),  # used, maximum over the environment's life
    Column("billed_ms", BigInteger),  # an estimate until the platform has reported; so is the cost
    Column("cost_pd", BigInteger),  # NULL: unknown (not a Lambda function, or a region without a known price)
    Column("trigger", Text, nullable=False),  # "s3", "sqs", "schedule", "direct", ...
    Column("trigger_resource_id", BigInteger),
    # "s3 2,transcribe 1": the services it called and how often, most called first.
    Column("services", Text, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("call_errors", Integer, nullable=False),
    Column(
        "initialization", SmallInteger
    ),  # collector.domain.facts.Initialization; NULL: not the first one, or unknown
    Column("restore_ns", BigInteger),  # of a snapshot, before it
    Column("reported_ns", BigInteger),  # the platform's own measure of its duration. NULL: it has not reported
    Column("architecture", Text),  # that it ran on, for its price
    Column("reported_issues", Integer, nullable=False),  # that the function reported itself
    Column("batch_size", Integer),  # records that it was given
    Column("batch_failed", Integer),  # records of those that it gave back
    # What its price goes by beside its time, its memory and its architecture.
    Column("capacity", SmallInteger, nullable=False),  # collector.domain.facts.Capacity
    Column("ephemeral_mb", Integer),  # configured size of /tmp; NULL: what is free
    Column("restored", Boolean, nullable=False),  # from a snapshot, at a price
    Column("calls_cost_pd", BigInteger, nullable=False),  # of those of its calls that have a price
    Column("unpriced_calls", Integer, nullable=False),
    Index(None, "function_id", "started_ns"),
    Index(None, "trace_id", "started_ns"),
    Index(None, "request_id"),
    sqlite_with_rowid=False,
)

# Invocations that ran when they were last heard of, until their end is known. The sweep looks for deadlines that have
# passed, and leaves NULL; NULL from the start: there is none.
unfinished = Table(
    "unfinished",
    metadata,
    Column("started_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("span_id", BigInteger, primary_key=True, autoincrement=False),
    Column("deadline_ns", BigInteger),
    Column("culprit", Text),  # the call that it waited for
    Column("calls", LargeBinary, nullable=False),  # all open ones, as in collector.domain.facts.Unfinished
    Index(None, "deadline_ns"),
    sqlite_with_rowid=False,
)

_REPORT_FIGURES = (
    ("duration_ns", BigInteger),
    ("billed_ms", BigInteger),
    ("memory_mb", Integer),
    ("max_memory_mb", Integer),
    ("init_ns", BigInteger),
    ("restore_ns", BigInteger),
)

# What the platform said of invocations that are known. Their rows hold the outcome of it; this is what that is worked
# out from, should more become known.
reports = Table(
    "reports",
    metadata,
    Column("started_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("span_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),  # collector.domain.facts.ReportKind
    Column("time_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("status", SmallInteger, primary_key=True, autoincrement=False),  # collector.domain.facts.ReportStatus
    Column("error_type", Text, nullable=False),  # "" where there is none
    *(Column(name, type) for name, type in _REPORT_FIGURES),
    sqlite_with_rowid=False,
)

# The same of invocations that have not arrived.
waiting_reports = Table(
    "waiting_reports",
    metadata,
    # Of the request; "span:" and the ids of trace and span, where nothing but these is known.
    Column("request_id", Text().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("time_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("status", SmallInteger, primary_key=True, autoincrement=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("function", Text, nullable=False),  # name; "" where unknown
    Column("region", Text, nullable=False),
    Column("trace_id", LargeBinary(16)),
    Column("span_id", BigInteger),
    Column("started_ns", BigInteger),
    Column("error_type", Text, nullable=False),
    *(Column(name, type) for name, type in _REPORT_FIGURES),
    Index(None, "received_ms"),
    sqlite_with_rowid=False,
)

# What lines of functions' logs say of invocations, also of those that no tracer told of: `invocations` holds what these
# come to, unless the tracer's own span of the request is there.
log_pieces = Table(
    "log_pieces",
    metadata,
    Column("request_id", Text().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
    Column("function_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),  # collector.domain.facts.PieceKind
    Column("time_ns", BigInteger, primary_key=True, autoincrement=False),  # of the line
    Column("error_type", Text, primary_key=True),  # "" where there is none
    Column("received_ms", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),  # collector.domain.facts.ReportStatus
    Column("message", Text, nullable=False),
    Column("culprit", Text),
    Column("frames", Text, nullable=False),
    *(Column(name, type) for name, type in _REPORT_FIGURES),
    Column("architecture", Text),
    Index(None, "received_ms"),
    sqlite_with_rowid=False,
)

# Execution tags, as the functions set them.
invocation_tags = Table(
    "invocation_tags",
    metadata,
    Column("started_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("span_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("function_id", BigInteger, nullable=False),
    Index(None, "key", "value", "started_ns"),
    sqlite_with_rowid=False,
)

calls = Table(
    "calls",
    metadata,
    Column("started_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("span_id", BigInteger, primary_key=True, autoincrement=False),
    Column("trace_id", LargeBinary(16), nullable=False),
    Column("function_id", BigInteger, nullable=False),
    Column("resource_id", BigInteger, nullable=False),
    Column("operation", Text, nullable=False),  # "PutItem", "GET"
    Column("duration_ns", BigInteger, nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("error_type", Text),  # NULL: it succeeded, or it is not finished and runs
    Column("cost_pd", BigInteger),  # 0: AWS charges nothing for it; NULL: unknown
    sqlite_with_rowid=False,
)

# Ids that both sides of an asynchronous hop saw. `key` is the 64-bit hash of the link key.
link_keys = Table(
    "link_keys",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("side", SmallInteger, primary_key=True),  # collector.domain.facts.Side
    Column("started_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("span_id", BigInteger, primary_key=True, autoincrement=False),
    Column("trace_id", LargeBinary(16), nullable=False),
    # A pointer (bucket and key) can name several events; the latest producer before the consumer is the one.
    Column("pointer", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# "Something in the consumer's trace was set off by the producer's." Worked out from link_keys by the stitcher.
links = Table(
    "links",
    metadata,
    Column("consumer_trace_id", LargeBinary(16), primary_key=True),
    # Of the link key that gave it, whose links are replaced together. 0: the consumer's span itself named the other.
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("producer_trace_id", LargeBinary(16), primary_key=True),
    # The two spans that the graph draws an edge between.
    Column("consumer_span_id", BigInteger, primary_key=True, autoincrement=False),
    Column("producer_span_id", BigInteger, primary_key=True, autoincrement=False),
    Column("consumer_started_ns", BigInteger, nullable=False),
    Column("producer_started_ns", BigInteger, nullable=False),  # 0: not known
    Index(None, "producer_trace_id", "consumer_trace_id"),
    sqlite_with_rowid=False,
)

# Traces that changed since the stitcher last looked at them, written in the commit that changed them. Each commit has
# a token of its own (its time), so that the stitcher takes away what it has read and nothing that came since.
stitch_queue = Table(
    "stitch_queue",
    metadata,
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("trace_id", LargeBinary(16), primary_key=True),
    Column("part", BigInteger, primary_key=True, autoincrement=False),  # 0: without keys
    Column("keys", LargeBinary, nullable=False),  # link keys that are new of it: collector.store.stitch_queue
    sqlite_with_rowid=False,
)

# What is too much for one pass of the stitcher: it is worked off in slices, between other requests.
stitch_jobs = Table(
    "stitch_jobs",
    metadata,
    Column("kind", SmallInteger, primary_key=True),  # collector.store.stitch_jobs.Kind
    Column("subject", LargeBinary, primary_key=True),  # a trace, a transaction or a link key
    Column("due_ns", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False),  # of when it was asked for last
    Column("state", LargeBinary, nullable=False),  # how far it has come
    Index(None, "due_ns"),
    sqlite_with_rowid=False,
)

transactions = Table(
    "transactions",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),  # trace id of the entry invocation
    Column("started_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger, nullable=False),
    Column("entry_started_ns", BigInteger, nullable=False),
    Column("entry_span_id", BigInteger, nullable=False),
    Column("entry_function_id", BigInteger, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("trigger_resource_id", BigInteger),
    Column("result", SmallInteger, nullable=False),  # the entry invocation's
    Column("invocations", Integer, nullable=False),
    Column("failed_invocations", Integer, nullable=False),
    Column("reported_issues", Integer, nullable=False),  # that its functions reported themselves
    Column("running_invocations", Integer, nullable=False),  # that have not ended yet
    Column("cold_starts", Integer, nullable=False),
    Column("cost_pd", BigInteger),  # its invocations', without their calls. NULL: unknown for every one
    Column("services", Text, nullable=False),  # as in invocations, summed
    Column("calls_cost_pd", BigInteger, nullable=False),
    Column("unpriced_calls", Integer, nullable=False),
    # With what the summary of a window counts, so that it reads the index alone.
    Index("ix_transactions_summary", "started_ns", "result", "failed_invocations", "reported_issues"),
)

# Which traces belong to which transactions; a batch can belong to several.
memberships = Table(
    "memberships",
    metadata,
    Column("transaction_id", LargeBinary(16), primary_key=True),
    Column("trace_id", LargeBinary(16), primary_key=True),
    # When the trace's earliest invocation started, as of when it was placed; 0: it has none.
    Column("begun_ns", BigInteger, nullable=False),
    Index(None, "trace_id"),
    sqlite_with_rowid=False,
)

issues = Table(
    "issues",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("function_id", BigInteger, nullable=False),
    Column("type", Text, nullable=False),  # exception class or AWS error code; "Timeout"
    Column("message", Text, nullable=False),  # one example, its first line
    Column("culprit", Text),  # the failing call "Transcribe.StartTranscriptionJob", or "app.py in handler"
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),  # collector.domain.facts.IssueKind
    Index(None, "function_id"),
)

issue_occurrences = Table(
    "issue_occurrences",
    metadata,
    Column("issue_id", BigInteger, primary_key=True, autoincrement=False),
    Column("started_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("span_id", BigInteger, primary_key=True, autoincrement=False),
    Column("trace_id", LargeBinary(16), nullable=False),
    Index(None, "trace_id"),
    sqlite_with_rowid=False,
)
