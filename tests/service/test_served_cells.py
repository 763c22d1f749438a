import json

import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.service.accounts import Account
from aivc.service.service_state import ServiceState
from aivc.service.settings import Settings
from tiny_service import tiny_cell

ADMIN, ADA, BOB = Account("local", "admin"), Account("ada", "writer"), Account("bob", "reader")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    for name in ("demo", "other"):
        tiny_cell().save(home / name / "cell")
    (home / "demo" / "scores.json").write_text(json.dumps({"made_by": "aivc demo", "scores": {}}))
    state = ServiceState.open(Settings(home=home, cells=(home / "demo" / "cell", home / "other" / "cell")))
    yield state.cells
    state.engine.dispose()


def test_a_folder_is_named_after_what_is_around_it(shelf):
    demo, other = shelf.all()[:2]
    assert (demo.id, demo.source, demo.title) == ("demo", "demo", "Demo cell")
    assert (other.id, other.source, other.scores()) == ("other", "folder", None)
    assert demo.scores()["made_by"] == "aivc demo"


def test_a_private_cell_is_not_there_for_others(shelf):
    name = shelf.new_id("Interferon screen")
    tiny_cell().save(shelf.settings.folder("cells") / name)
    made = shelf.add(name, title="Interferon screen", source="fit", owner="ada", scores={"scores": {}})
    assert shelf.get(name, ADA) == made
    assert (made.title, made.visibility) == ("Interferon screen", "private")
    assert shelf.get(name, ADMIN).scores() == {"scores": {}}
    with pytest.raises(UnknownNameError, match="no virtual cell"):
        shelf.get(name, BOB)


def test_what_was_saved_by_other_means_is_for_who_runs_it(shelf):
    tiny_cell().save(shelf.settings.folder("cells") / "by-hand")
    assert shelf.get("by-hand", ADMIN).source == "fit"
    with pytest.raises(UnknownNameError):
        shelf.get("by-hand", BOB)


def test_a_cell_is_read_once(shelf):
    served = shelf.all()[0]
    assert shelf.load(served) is shelf.load(served)


def test_a_folder_without_a_cell_is_refused_at_once(tmp_path):
    with pytest.raises(IntegrityError):
        ServiceState.open(Settings(home=tmp_path, cells=(tmp_path / "nothing",)))
