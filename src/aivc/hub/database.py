"""Opens a database by its URL, and brings its tables to the newest form."""

import time
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from aivc.core.errors import DataError, UnavailableError

# Milliseconds that a writer waits for another one, of SQLite.
_PATIENCE = 30_000
# Of making tables that another process makes, too: attempts, seconds between them, and what databases say of it.
_ATTEMPTS, _PAUSE = 10, 0.2
_MEANWHILE = ("already exists", "unique constraint", "duplicate key", "database is locked")


def open_database(url: str) -> Engine:
    """Open a database.

    Args:
        url: Such as ``sqlite:////home/me/aivc.db`` or ``postgresql+psycopg://user@host/name``.

    Raises:
        DataError: It is no URL of a database that is known.
        UnavailableError: The library that speaks to it is not installed.

    >>> open_database("sqlite://").dialect.name
    'sqlite'
    """
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError) as error:
        raise DataError(
            [f"{url!r} names no database. Give a URL such as sqlite:///aivc.db or postgresql://user@host/name."]
        ) from error
    except ImportError as error:
        raise UnavailableError(
            f"{parsed.drivername} needs {error.name}, which is not installed. Install it."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _for_several_processes)
    return engine


def _for_several_processes(connection: Any, _record: Any) -> None:
    """Readers do not wait for the writer, a writer waits for another, and rows that others need stay."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", f"busy_timeout={_PATIENCE}", "foreign_keys=ON", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def upgrade(engine: Engine, migrations: Path, version_table: str) -> None:
    """Bring tables to the newest form; what is there is kept.

    Args:
        engine: The database.
        migrations: Folder of Alembic's, with ``env.py`` and ``versions``.
        version_table: Where it is noted how far they are, so that several sets of tables share a database.

    Raises:
        UnavailableError: The database does not answer.
    """
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes |= {"engine": engine, "version_table": version_table}
    for left in reversed(range(_ATTEMPTS)):
        try:
            command.upgrade(config, "head")
            return
        except DBAPIError as error:
            # Another process may be making the same tables at this moment: then all is done in the next attempt.
            if not left or not any(said in str(error.orig).lower() for said in _MEANWHILE):
                raise UnavailableError(
                    f"The database {engine.url!r} cannot be used ({error.orig}). See that it runs and may be written "
                    "to."
                ) from error
            time.sleep(_PAUSE)
