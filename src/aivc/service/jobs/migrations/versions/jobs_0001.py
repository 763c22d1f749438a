"""The first form of the tables of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "jobs_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("uses", sa.JSON, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("progress", sa.JSON, nullable=False),
        sa.Column("cancel_asked", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lease_by", sa.String(200)),
        sa.Column("lease_until", sa.Float(53)),
        sa.Column("heartbeat", sa.Float(53)),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("allowed", sa.Integer, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.Column("started", sa.Float(53)),
        sa.Column("finished", sa.Float(53)),
        sa.Column("version", sa.Integer, nullable=False, server_default="0"),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="jobs_state"),
    )
    op.create_index("jobs_by_owner", "jobs", ["owner", "created"])
    op.create_index("jobs_by_state", "jobs", ["state", "created"])
    op.create_table(
        "job_lines",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("ix_job_lines_job_id", "job_lines", ["job_id"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("job_lines")
    op.drop_table("jobs")
