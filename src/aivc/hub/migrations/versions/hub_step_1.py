"""Makes the tables of the hub's index: published versions, and badges."""

import sqlalchemy as sa
from alembic import op

revision = "hub1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "hub_versions",
        sa.Column("digest", sa.String(71), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("namespace", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.UniqueConstraint("kind", "namespace", "name", "version", name="hub_versions_ref"),
    )
    op.create_index("hub_versions_created", "hub_versions", ["created"])
    op.create_table(
        "hub_badges",
        sa.Column("digest", sa.String(71), primary_key=True),
        sa.Column("badge", sa.String(16), primary_key=True),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("checked", sa.String(40), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    """Remove them; the index can be made again from the store."""
    op.drop_table("hub_badges")
    op.drop_table("hub_versions")
