import pytest
from sqlalchemy import text

from aivc.core.errors import DataError
from aivc.hub.database import open_database


def test_sqlite_serves_several_processes(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


def test_postgres_is_spoken_to_by_psycopg():
    assert open_database("postgresql://someone@127.0.0.1/aivc").url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize("url", ["", "aivc.db", "oracle2://x"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(DataError, match="names no database"):
        open_database(url)
