"""Tables of the service: tokens, what was written by whom, and datasets."""

from sqlalchemy import JSON, BigInteger, Column, Float, Integer, MetaData, String, Table, Text

METADATA = MetaData()
VERSION_TABLE = "service_version"
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

TOKENS = Table(
    "service_tokens",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("user", String(64), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created", Float, nullable=False),
    # Id of the token that asked for it; empty for one that was made in a shell or on loopback.
    Column("made_by", String(32), nullable=False, index=True),
)
# Rows are added and never altered: the database itself refuses anything else.
AUDIT = Table(
    "service_audit",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False, index=True),
    Column("user", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(16), nullable=False),
    Column("path", Text, nullable=False),
    Column("status", Integer, nullable=False),
)
DATASETS = Table(
    "service_datasets",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("owner", String(64), nullable=False, index=True),
    Column("visibility", String(16), nullable=False),
    Column("file", Text, nullable=False),
    Column("asked", JSON, nullable=False),
    Column("schema", JSON, nullable=True),
    Column("cells", Integer, nullable=False),
    Column("genes", Integer, nullable=False),
    Column("created", Float, nullable=False),
)
