"""What people decide about issues, the history of it, and the issues that came or came back.

Revision: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "issue_states",
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger()),
        sa.Column("assignee", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("issue_id", name=op.f("pk_issue_states")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "issue_history",
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("action", sa.SmallInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("until_ms", sa.BigInteger()),
        sa.Column("assignee", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("issue_id", "changed_ns", name=op.f("pk_issue_history")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "issue_changes",
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger()),
        sa.PrimaryKeyConstraint("issue_id", "since_ms", name=op.f("pk_issue_changes")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_issue_changes_number"), "issue_changes", ["number"])


def downgrade() -> None:
    op.drop_index(op.f("ix_issue_changes_number"), table_name="issue_changes")
    op.drop_table("issue_changes")
    op.drop_table("issue_history")
    op.drop_table("issue_states")
