import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from aivc.core.errors import DataError, UnavailableError
from aivc.hub import database
from aivc.hub.database import open_database, upgrade


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


def test_two_processes_may_make_the_same_tables(monkeypatch, tmp_path):
    said = ["table hub_versions already exists", "database is locked"]

    def make(config, revision):
        if said:
            raise OperationalError("CREATE TABLE", {}, Exception(said.pop()))

    monkeypatch.setattr(database.command, "upgrade", make)
    monkeypatch.setattr(database, "_PAUSE", 0.0)
    upgrade(open_database("sqlite://"), tmp_path, "some_version")
    assert said == []
    said.extend(["no such table: x", "disk I/O error"])
    with pytest.raises(UnavailableError, match="disk I/O error"):
        upgrade(open_database("sqlite://"), tmp_path, "some_version")
    assert said == ["no such table: x"]
