"""Tokens say which token made them, so that they end with it; of those made before, nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "service_0002"
down_revision = "service_0001"


def upgrade() -> None:
    """Add the column."""
    op.add_column("service_tokens", sa.Column("made_by", sa.String(32), nullable=False, server_default=""))
    op.create_index("ix_service_tokens_made_by", "service_tokens", ["made_by"])


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_service_tokens_made_by", "service_tokens")
    op.drop_column("service_tokens", "made_by")
