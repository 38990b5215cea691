"""Create the tables.

Revision: 0001
Revises: none
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("started_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("span_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("function_id", sa.BigInteger(), nullable=False),
        sa.Column("resource_id", sa.BigInteger(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("duration_ns", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("cost_pd", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("started_ns", "span_id", name=op.f("pk_calls")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "edge_durations",
        sa.Column("resolution", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("function_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resource_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("direction", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "resolution", "start_s", "function_id", "resource_id", "direction", "bucket", name=op.f("pk_edge_durations")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "flow_stats",
        sa.Column("source_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("target_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resolution", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "target_id", "resolution", "start_s", name=op.f("pk_flow_stats")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_flow_stats_resolution_start_s"), "flow_stats", ["resolution", "start_s"], unique=False)
    op.create_table(
        "edge_stats",
        sa.Column("resolution", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("function_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resource_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("direction", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("cost_pd", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "resolution", "start_s", "function_id", "resource_id", "direction", name=op.f("pk_edge_stats")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "exports",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("signal", sa.SmallInteger(), nullable=False),
        sa.Column("codec", sa.SmallInteger(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("traces", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        postgresql_partition_by="RANGE (id)",
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE exports_default PARTITION OF exports DEFAULT")
    op.create_table(
        "function_durations",
        sa.Column("function_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resolution", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("function_id", "resolution", "start_s", "bucket", name=op.f("pk_function_durations")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_function_durations_resolution_start_s"), "function_durations", ["resolution", "start_s"], unique=False
    )
    op.create_table(
        "function_stats",
        sa.Column("function_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resolution", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("invocations", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("handled", sa.BigInteger(), nullable=False),
        sa.Column("cold_starts", sa.BigInteger(), nullable=False),
        sa.Column("throttles", sa.BigInteger(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("max_memory_mb", sa.Integer(), nullable=False),
        sa.Column("cost_pd", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.Column("calls_cost_pd", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("function_id", "resolution", "start_s", name=op.f("pk_function_stats")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_function_stats_resolution_start_s"), "function_stats", ["resolution", "start_s"], unique=False
    )
    op.create_table(
        "functions",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=True),
        sa.Column("architecture", sa.Text(), nullable=True),
        sa.Column("memory_mb", sa.Integer(), nullable=True),
        sa.Column("timeout_ms", sa.Integer(), nullable=True),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_functions")),
    )
    op.create_index(op.f("ix_functions_name"), "functions", ["name"], unique=False)
    op.create_table(
        "invocations",
        sa.Column("started_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("span_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("function_id", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("duration_ns", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.Column("result", sa.SmallInteger(), nullable=False),
        sa.Column("span_result", sa.SmallInteger(), nullable=False),
        sa.Column("cold_start", sa.Boolean(), nullable=False),
        sa.Column("init_ns", sa.BigInteger(), nullable=True),
        sa.Column("memory_mb", sa.Integer(), nullable=True),
        sa.Column("max_memory_mb", sa.Integer(), nullable=True),
        sa.Column("billed_ms", sa.BigInteger(), nullable=True),
        sa.Column("cost_pd", sa.BigInteger(), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("trigger_resource_id", sa.BigInteger(), nullable=True),
        sa.Column("services", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("call_errors", sa.Integer(), nullable=False),
        sa.Column("initialization", sa.SmallInteger(), nullable=True),
        sa.Column("restore_ns", sa.BigInteger(), nullable=True),
        sa.Column("reported_ns", sa.BigInteger(), nullable=True),
        sa.Column("architecture", sa.Text(), nullable=True),
        sa.Column("reported_issues", sa.Integer(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=True),
        sa.Column("batch_failed", sa.Integer(), nullable=True),
        sa.Column("capacity", sa.SmallInteger(), nullable=False),
        sa.Column("ephemeral_mb", sa.Integer(), nullable=True),
        sa.Column("restored", sa.Boolean(), nullable=False),
        sa.Column("calls_cost_pd", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("started_ns", "span_id", name=op.f("pk_invocations")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_invocations_function_id_started_ns"), "invocations", ["function_id", "started_ns"], unique=False
    )
    op.create_index(op.f("ix_invocations_request_id"), "invocations", ["request_id"], unique=False)
    op.create_index(op.f("ix_invocations_trace_id_started_ns"), "invocations", ["trace_id", "started_ns"], unique=False)
    op.create_table(
        "invocation_tags",
        sa.Column("started_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("span_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("function_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("started_ns", "span_id", "key", name=op.f("pk_invocation_tags")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_invocation_tags_key_value_started_ns"),
        "invocation_tags",
        ["key", "value", "started_ns"],
        unique=False,
    )
    op.create_table(
        "issue_occurrences",
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("started_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("span_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("issue_id", "started_ns", "span_id", name=op.f("pk_issue_occurrences")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_issue_occurrences_trace_id"), "issue_occurrences", ["trace_id"], unique=False)
    op.create_table(
        "issue_stats",
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resolution", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrences", sa.BigInteger(), nullable=False),
        sa.Column("cost_pd", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issue_id", "resolution", "start_s", name=op.f("pk_issue_stats")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_issue_stats_resolution_start_s"), "issue_stats", ["resolution", "start_s"], unique=False)
    op.create_table(
        "issues",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("function_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("culprit", sa.Text(), nullable=True),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issues")),
    )
    op.create_index(op.f("ix_issues_function_id"), "issues", ["function_id"], unique=False)
    op.create_table(
        "link_keys",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("span_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("pointer", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", "side", "started_ns", "span_id", name=op.f("pk_link_keys")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "links",
        sa.Column("consumer_trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("producer_trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("consumer_span_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("producer_span_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("consumer_started_ns", sa.BigInteger(), nullable=False),
        sa.Column("producer_started_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "consumer_trace_id",
            "key",
            "producer_trace_id",
            "consumer_span_id",
            "producer_span_id",
            name=op.f("pk_links"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_links_producer_trace_id_consumer_trace_id"),
        "links",
        ["producer_trace_id", "consumer_trace_id"],
        unique=False,
    )
    op.create_table(
        "log_pieces",
        sa.Column("request_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("function_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("culprit", sa.Text(), nullable=True),
        sa.Column("frames", sa.Text(), nullable=False),
        sa.Column("duration_ns", sa.BigInteger(), nullable=True),
        sa.Column("billed_ms", sa.BigInteger(), nullable=True),
        sa.Column("memory_mb", sa.Integer(), nullable=True),
        sa.Column("max_memory_mb", sa.Integer(), nullable=True),
        sa.Column("init_ns", sa.BigInteger(), nullable=True),
        sa.Column("restore_ns", sa.BigInteger(), nullable=True),
        sa.Column("architecture", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "request_id", "function_id", "kind", "time_ns", "error_type", name=op.f("pk_log_pieces")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_log_pieces_received_ms"), "log_pieces", ["received_ms"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("transaction_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("begun_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_id", "trace_id", name=op.f("pk_memberships")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_memberships_trace_id"), "memberships", ["trace_id"], unique=False)
    op.create_table(
        "reports",
        sa.Column("started_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("span_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("duration_ns", sa.BigInteger(), nullable=True),
        sa.Column("billed_ms", sa.BigInteger(), nullable=True),
        sa.Column("memory_mb", sa.Integer(), nullable=True),
        sa.Column("max_memory_mb", sa.Integer(), nullable=True),
        sa.Column("init_ns", sa.BigInteger(), nullable=True),
        sa.Column("restore_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("started_ns", "span_id", "kind", "time_ns", "status", name=op.f("pk_reports")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "resources",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("arn", sa.Text(), nullable=True),
        sa.Column("written_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resources")),
    )
    op.create_table(
        "stitch_jobs",
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("due_ns", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_stitch_jobs")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_stitch_jobs_due_ns"), "stitch_jobs", ["due_ns"], unique=False)
    op.create_table(
        "stitch_queue",
        sa.Column("token", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("token", "trace_id", "part", name=op.f("pk_stitch_queue")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "trace_exports",
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("export_id", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("trace_id", "export_id", name=op.f("pk_trace_exports")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=False),
        sa.Column("entry_started_ns", sa.BigInteger(), nullable=False),
        sa.Column("entry_span_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_function_id", sa.BigInteger(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("trigger_resource_id", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.SmallInteger(), nullable=False),
        sa.Column("invocations", sa.Integer(), nullable=False),
        sa.Column("failed_invocations", sa.Integer(), nullable=False),
        sa.Column("reported_issues", sa.Integer(), nullable=False),
        sa.Column("running_invocations", sa.Integer(), nullable=False),
        sa.Column("cold_starts", sa.Integer(), nullable=False),
        sa.Column("cost_pd", sa.BigInteger(), nullable=True),
        sa.Column("services", sa.Text(), nullable=False),
        sa.Column("calls_cost_pd", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
    )
    op.create_index(
        op.f("ix_transactions_summary"),
        "transactions",
        ["started_ns", "result", "failed_invocations", "reported_issues"],
        unique=False,
    )
    op.create_table(
        "unfinished",
        sa.Column("started_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("span_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("deadline_ns", sa.BigInteger(), nullable=True),
        sa.Column("culprit", sa.Text(), nullable=True),
        sa.Column("calls", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("started_ns", "span_id", name=op.f("pk_unfinished")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_unfinished_deadline_ns"), "unfinished", ["deadline_ns"], unique=False)
    op.create_table(
        "waiting_reports",
        sa.Column("request_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("function", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("span_id", sa.BigInteger(), nullable=True),
        sa.Column("started_ns", sa.BigInteger(), nullable=True),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("duration_ns", sa.BigInteger(), nullable=True),
        sa.Column("billed_ms", sa.BigInteger(), nullable=True),
        sa.Column("memory_mb", sa.Integer(), nullable=True),
        sa.Column("max_memory_mb", sa.Integer(), nullable=True),
        sa.Column("init_ns", sa.BigInteger(), nullable=True),
        sa.Column("restore_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", "kind", "time_ns", "status", name=op.f("pk_waiting_reports")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_waiting_reports_received_ms"), "waiting_reports", ["received_ms"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_waiting_reports_received_ms"), table_name="waiting_reports")
    op.drop_table("waiting_reports")
    op.drop_index(op.f("ix_unfinished_deadline_ns"), table_name="unfinished")
    op.drop_table("unfinished")
    op.drop_index(op.f("ix_transactions_summary"), table_name="transactions")
    op.drop_table("transactions")
    op.drop_table("trace_exports")
    op.drop_table("stitch_queue")
    op.drop_index(op.f("ix_stitch_jobs_due_ns"), table_name="stitch_jobs")
    op.drop_table("stitch_jobs")
    op.drop_table("resources")
    op.drop_table("reports")
    op.drop_index(op.f("ix_memberships_trace_id"), table_name="memberships")
    op.drop_table("memberships")
    op.drop_index(op.f("ix_log_pieces_received_ms"), table_name="log_pieces")
    op.drop_table("log_pieces")
    op.drop_index(op.f("ix_links_producer_trace_id_consumer_trace_id"), table_name="links")
    op.drop_table("links")
    op.drop_table("link_keys")
    op.drop_index(op.f("ix_issues_function_id"), table_name="issues")
    op.drop_table("issues")
    op.drop_index(op.f("ix_issue_stats_resolution_start_s"), table_name="issue_stats")
    op.drop_table("issue_stats")
    op.drop_index(op.f("ix_issue_occurrences_trace_id"), table_name="issue_occurrences")
    op.drop_table("issue_occurrences")
    op.drop_index(op.f("ix_invocation_tags_key_value_started_ns"), table_name="invocation_tags")
    op.drop_table("invocation_tags")
    op.drop_index(op.f("ix_invocations_trace_id_started_ns"), table_name="invocations")
    op.drop_index(op.f("ix_invocations_request_id"), table_name="invocations")
    op.drop_index(op.f("ix_invocations_function_id_started_ns"), table_name="invocations")
    op.drop_table("invocations")
    op.drop_index(op.f("ix_functions_name"), table_name="functions")
    op.drop_table("functions")
    op.drop_index(op.f("ix_function_stats_resolution_start_s"), table_name="function_stats")
    op.drop_table("function_stats")
    op.drop_index(op.f("ix_function_durations_resolution_start_s"), table_name="function_durations")
    op.drop_table("function_durations")
    op.drop_table("exports")
    op.drop_table("edge_stats")
    op.drop_index(op.f("ix_flow_stats_resolution_start_s"), table_name="flow_stats")
    op.drop_table("flow_stats")
    op.drop_table("edge_durations")
    op.drop_table("calls")
