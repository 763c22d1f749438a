"""Alembic runs this to bring the tables of jobs to their newest form; of several servers, one after another."""

from alembic import context
from sqlalchemy import Connection, Engine, text

from aivc.service.jobs.job_table import JobTables

# Any number that no other program locks by: the letters of "jobs".
_LOCK = 0x6A6F6273


def _alone(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


def _migrate() -> None:
    engine: Engine = context.config.attributes["engine"]
    with engine.connect() as connection:
        _alone(connection)
        context.configure(
            connection=connection,
            target_metadata=JobTables.metadata,
            version_table=context.config.attributes["version_table"],
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


_migrate()
