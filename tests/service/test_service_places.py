from types import SimpleNamespace

import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.service.cells import CellShelf
from aivc.service.datasets import DatasetShelf
from aivc.service.service_places import ServicePlaces
from aivc.service.service_state import ServiceState
from aivc.service.settings import Settings


@pytest.fixture
def service(tmp_path):
    made = ServiceState.open(Settings(home=tmp_path))
    yield made
    made.engine.dispose()


def test_each_user_finds_what_that_one_sees(service, monkeypatch, tmp_path):
    def get(_shelf, name, account):
        """Ada's alone, as the shelves have it."""
        if not account.sees("ada", "private"):
            raise UnknownNameError("thing", name, ())
        state = {"asked": ("asked", None), "ready": ("ready", {"units": "counts"})}.get(name, ("ready", {}))
        file = "" if name == "catalog" else "x.h5ad"
        return SimpleNamespace(
            folder=tmp_path, name=name, file=file, path=tmp_path / "x.h5ad", state=state[0], schema=state[1]
        )

    monkeypatch.setattr(CellShelf, "get", get)
    monkeypatch.setattr(DatasetShelf, "get", get)
    places = ServicePlaces(service.cells, service.datasets)
    for user in ("ada", "local"):
        assert places.cell("one", user) == tmp_path
        assert places.dataset("ready", user).schema == {"units": "counts"}
        assert places.dataset("catalog", user).catalog == "catalog"
        with pytest.raises(DataError, match="confirm what its columns mean"):
            places.dataset("asked", user)
    for ask in (places.cell, places.dataset):
        with pytest.raises(UnknownNameError):
            ask("ready", "bob")
