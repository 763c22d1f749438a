"""A small virtual cell on disk, and a hub to publish it in."""

from pathlib import Path

import pytest

from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.hub.hub import Hub
from aivc.hub.signing import TrustStore

FIELDS = {"namespace": "lab", "name": "jak", "version": "1.0", "licence": "CC-BY-4.0"}


@pytest.fixture(scope="session")
def cell_folder(tmp_path_factory) -> Path:
    """A saved virtual cell of four perturbations."""
    cells, _ = synthetic_screen(perturbations=4, features=20, cells=12, controls=24, seed=0)
    folder = tmp_path_factory.mktemp("cells") / "cell"
    fit(cells, "mean-effect", recipe=Recipe(dim=3, members=2, inner_folds=0)).save(folder)
    return folder


@pytest.fixture(scope="session")
def empty_index(tmp_path_factory) -> bytes:
    """The tables of an empty index: migrating anew takes longer than most tests."""
    place = tmp_path_factory.mktemp("index")
    Hub.open(str(place), trust=TrustStore()).index.engine.dispose()
    return (place / "index.db").read_bytes()


@pytest.fixture
def hub(tmp_path, empty_index) -> Hub:
    """An empty hub in a folder; nobody is trusted."""
    place = tmp_path / "hub"
    place.mkdir()
    (place / "index.db").write_bytes(empty_index)
    made = Hub.open(str(place), trust=TrustStore())
    yield made
    made.index.engine.dispose()


@pytest.fixture
def card(tmp_path) -> Path:
    """A folder that is published as a dataset card: quicker than a cell."""
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "card.json").write_text('{"cells": 3}\n')
    (folder / "README.md").write_text("# Three cells\n")
    return folder


@pytest.fixture
def card_fields() -> dict:
    return {**FIELDS, "kind": "dataset-card"}


@pytest.fixture
def cell_fields() -> dict:
    return dict(FIELDS)
