"""Asynchronous events that Lambda gave up on because it could not run their function.

Revision: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refused_events",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("trace_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("function_id", sa.BigInteger()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_refused_events")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_refused_events_function_id_received_ms"), "refused_events", ["function_id", "received_ms"])
    op.create_index(op.f("ix_refused_events_received_ms"), "refused_events", ["received_ms"])


def downgrade() -> None:
    op.drop_index(op.f("ix_refused_events_received_ms"), table_name="refused_events")
    op.drop_index(op.f("ix_refused_events_function_id_received_ms"), table_name="refused_events")
    op.drop_table("refused_events")
