import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from aivc.service.service_state import ServiceState
from aivc.service.settings import Settings


@pytest.fixture(params=["sqlite", "postgres"])
def log(request, tmp_path):
    """A log of two lines, in each kind of database."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres")
    state = ServiceState.open(Settings(home=tmp_path, database=url))
    assert state.engine.dialect.name.startswith(request.param)
    for path in ("/a", "/b"):
        state.log.add(user="ada", address="::1", action="POST", path=path, status=201)
    yield state.log
    state.engine.dispose()


def test_newest_lines_come_first(log):
    assert [line["path"] for line in log.lines()] == ["/b", "/a"]
    newest = log.lines(limit=1)[0]
    assert [line["path"] for line in log.lines(before=newest["id"])] == ["/a"]


@pytest.mark.parametrize("change", ["UPDATE service_audit SET path = '/c'", "DELETE FROM service_audit", "TRUNCATE"])
def test_the_database_refuses_to_alter_what_was_written(log, change):
    if change == "TRUNCATE":
        if log.engine.dialect.name == "sqlite":
            pytest.skip("SQLite knows no TRUNCATE; there DELETE says it all")
        change = "TRUNCATE service_audit"
    # Each driver has its own name for what a trigger refuses.
    with pytest.raises((IntegrityError, ProgrammingError), match="append-only"), log.engine.begin() as connection:
        connection.execute(text(change))
    assert [(line["path"], line["user"]) for line in log.lines()] == [("/b", "ada"), ("/a", "ada")]
