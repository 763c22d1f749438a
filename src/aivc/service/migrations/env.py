"""Alembic runs this to bring the tables of the service to their newest form."""

from alembic import context

from aivc.service.service_tables import METADATA

_about = context.config.attributes
with _about["engine"].connect() as _connection:
    context.configure(
        connection=_connection,
        target_metadata=METADATA,
        version_table=_about["version_table"],
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    _connection.commit()
