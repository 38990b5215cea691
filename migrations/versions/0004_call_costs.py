"""Sums by execution tag: how many invocations, and what they and their calls cost.

Revision: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tag_stats",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("resolution", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("function_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("invocations", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("cost_pd", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.Column("calls_cost_pd", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "resolution", "start_s", "value", "function_id", name=op.f("pk_tag_stats")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_tag_stats_resolution_start_s"), "tag_stats", ["resolution", "start_s"], unique=False)


def downgrade() -> None:
    op.drop_table("tag_stats")
