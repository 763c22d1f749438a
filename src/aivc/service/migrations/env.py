"""Alembic runs this to bring the tables of the service to their newest form; of several servers, one after another."""

from alembic import context
from sqlalchemy import Connection, text

# Any number that no other program locks by: the letters of "serv".
_LOCK = 0x73657276


def _alone(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


def _migrate() -> None:
    given = context.config.attributes
    with given["engine"].connect() as connection:
        _alone(connection)
        context.configure(connection=connection, version_table=given["version_table"])
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


# Alembic loads this file under a name of its own; whoever merely imports it runs nothing.
if __name__ == "env_py":
    _migrate()
