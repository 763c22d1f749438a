"""First form of the tables of the service, and the rules that keep the audit log as it was written."""

import sqlalchemy as sa
from alembic import op

revision = "service_0001"
down_revision = None

_REFUSAL = "the audit log is append-only"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "service_tokens",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("user", sa.String(64), nullable=False, index=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_table(
        "service_audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False, index=True),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
    )
    op.create_table(
        "service_datasets",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False, index=True),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("schema", sa.JSON, nullable=True),
        sa.Column("cells", sa.Integer, nullable=False),
        sa.Column("genes", sa.Integer, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    )
    _keep_audit()


def _keep_audit() -> None:
    dialect = op.get_bind().dialect.name
    if dialect == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER service_audit_no_{change.lower()} BEFORE {change} ON service_audit "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
    if dialect == "postgresql":
        op.execute(
            "CREATE FUNCTION service_audit_refuse() RETURNS trigger AS "
            f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$ LANGUAGE plpgsql"
        )
        op.execute(
            "CREATE TRIGGER service_audit_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON service_audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION service_audit_refuse()"
        )


def downgrade() -> None:
    """Take the tables away, with what they hold."""
    for name in ("service_datasets", "service_audit", "service_tokens"):
        op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION service_audit_refuse()")
