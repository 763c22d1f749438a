import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.service.accounts import LOCAL
from aivc.service.service_places import ServicePlaces
from aivc.service.service_state import ServiceState
from aivc.service.settings import Settings
from tiny_service import SCHEMA, tiny_cell, tiny_h5ad, waiting


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    made = ServiceState.open(Settings(home=tmp_path_factory.mktemp("home")))
    yield made
    made.engine.dispose()


def test_jobs_use_what_who_asks_may_use(state):
    places = ServicePlaces(state.cells, state.datasets)
    folder = state.settings.folder("cells") / "mine"
    tiny_cell().save(folder)
    state.cells.add("mine", title="Mine", source="fit", owner="ada")
    assert places.cell("mine", "ada") == places.cell("mine", LOCAL) == folder
    with pytest.raises(UnknownNameError):
        places.cell("mine", "bob")


def test_a_dataset_is_used_once_its_columns_are_confirmed(state):
    places = ServicePlaces(state.cells, state.datasets)
    asked = state.datasets.add(waiting(state.datasets, tiny_h5ad()), "s.h5ad", "", "ada")
    with pytest.raises(DataError, match="confirm"):
        places.dataset(asked.id, "ada")
    state.datasets.confirm(asked, SCHEMA)
    found = places.dataset(asked.id, "ada")
    assert found.path.endswith("s.h5ad")
    assert found.schema["perturbation"] == "gene"
    with pytest.raises(UnknownNameError):
        places.dataset(asked.id, "bob")
