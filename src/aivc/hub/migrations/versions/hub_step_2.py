"""Adds which files a version lists, and forgets all versions, so that the index is made again from the store."""

import sqlalchemy as sa
from alembic import op

revision = "hub2"
down_revision = "hub1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and have all versions read anew."""
    op.create_table(
        "hub_files",
        sa.Column("sha256", sa.String(71), primary_key=True),
        sa.Column("digest", sa.String(71), primary_key=True),
    )
    op.create_index("hub_files_digest", "hub_files", ["digest"])
    op.execute("DELETE FROM hub_badges")
    op.execute("DELETE FROM hub_versions")


def downgrade() -> None:
    """Remove it."""
    op.drop_table("hub_files")
