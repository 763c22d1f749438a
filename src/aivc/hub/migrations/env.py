"""Alembic runs this to bring the tables of the hub's index to their newest form."""

from alembic import context


def run() -> None:
    """Run the steps that a database lacks, all of them or none."""
    given = context.config.attributes
    with given["engine"].begin() as connection:
        context.configure(connection=connection, version_table=given["version_table"])
        with context.begin_transaction():
            context.run_migrations()


# Alembic loads this file under a name of its own; whoever merely imports it runs nothing.
if __name__ == "env_py":
    run()
