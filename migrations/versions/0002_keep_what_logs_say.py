"""Keep what lines of functions' logs say of invocations.

Revision: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_pieces",
        sa.Column(
            "request_id",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
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


def downgrade() -> None:
    op.drop_index(op.f("ix_log_pieces_received_ms"), table_name="log_pieces")
    op.drop_table("log_pieces")
