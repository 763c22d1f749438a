import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from aivc.service.service_state import ServiceState
from aivc.service.service_tables import AUDIT
from aivc.service.settings import Settings


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    state = ServiceState.open(Settings(home=tmp_path_factory.mktemp("home")))
    for path in ("/a", "/b"):
        state.log.add(user="ada", address="::1", action="POST", path=path, status=201)
    yield state.log
    state.engine.dispose()


def test_newest_lines_come_first(log):
    assert [line["path"] for line in log.lines()] == ["/b", "/a"]
    newest = log.lines(limit=1)[0]
    assert [line["path"] for line in log.lines(before=newest["id"])] == ["/a"]


@pytest.mark.parametrize("change", [update(AUDIT).values(user="eve"), delete(AUDIT)])
def test_the_database_refuses_to_alter_what_was_written(log, change):
    with pytest.raises(IntegrityError, match="append-only"), log.engine.begin() as connection:
        connection.execute(change)
    assert {line["user"] for line in log.lines()} == {"ada"}
