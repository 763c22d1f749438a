from types import SimpleNamespace

import pytest

from aivc import fit
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.experiments.fitting.fit_tissue import fit_tissue
from aivc.experiments.fitting.shared_fit import Recipe
from tiny_images import screen_of_crops
from tiny_series import times_only
from tiny_service import tiny_cell, tiny_client

CELLS = "/api/v1/cells"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A service with a cell of images, one of time, one of tissue and one of profiles alone."""
    home = tmp_path_factory.mktemp("home")
    tissue = synthetic_tissue(patients=2, cells=40, seed=3)[0]
    made = {
        "pictured": fit(screen_of_crops(per_well=12), "mean-effect", recipe=Recipe(dim=8, members=0, inner_folds=0)),
        "grown": times_only(),
        "placed": fit_tissue(tissue, dim=4, settings={"draws": 2, "axes": 3}),
        "plain": tiny_cell(),
    }
    folders = []
    for name, cell in made.items():
        folders.append(home / "given" / name)
        cell.save(folders[-1])
    with tiny_client(home, cell=False, cells=tuple(folders)) as client:
        yield client


def test_images_are_drawn_with_words(served):
    album = served.get(f"{CELLS}/pictured/images").json()
    assert "drug:dim@1uM" in album["perturbations"]
    drawn = served.get(f"{CELLS}/pictured/gallery", params={"perturbation": "drug:dim@1uM"})
    assert drawn.status_code == 200, drawn.text
    assert drawn.json()["svg"].startswith("<svg")
    assert "Cells under drug:dim" in drawn.json()["caption"]
    assert drawn.json()["notes"]
    assert served.get(f"{CELLS}/pictured/gallery", params={"perturbation": "drug:none@1uM"}).status_code in (404, 422)


def test_time_is_simulated_and_drawn(served):
    drawn = served.get(f"{CELLS}/grown/time", params={"schedule": "wait 24h; wait 24h"})
    assert drawn.status_code == 200, drawn.text
    assert drawn.json()["svg"].startswith("<svg")
    assert len(drawn.json()["rows"]) >= 2
    assert served.get(f"{CELLS}/grown/time", params={"schedule": "wait for ever"}).status_code == 422


@pytest.mark.parametrize(
    "path", ["images", "gallery?perturbation=ko:G0001", "time?schedule=wait 24h", "tissue?dataset=none"]
)
def test_what_a_cell_lacks_is_said(served, path):
    answer = served.get(f"{CELLS}/plain/{path}")
    assert answer.status_code == 404
    assert "This one" in answer.json()["error"]["problems"][0]


def test_a_section_and_what_an_edit_changes_are_drawn(served, monkeypatch):
    tissue = synthetic_tissue(patients=2, cells=40, seed=3)[0]
    one = SimpleNamespace(id="sections", schema={}, measurement=lambda: tissue)
    monkeypatch.setattr(served.app.state.service.datasets, "get", lambda name, asker: one)
    plain = served.get(f"{CELLS}/placed/tissue", params={"dataset": "sections"}).json()
    assert plain["svg"].startswith("<svg")
    assert plain["rows"] == []
    gone = tissue.entities["cell_type"].iloc[0]
    edited = served.get(f"{CELLS}/placed/tissue", params={"dataset": "sections", "edit": f"remove:{gone}"})
    assert edited.status_code == 200, edited.text
    assert {each["cell_type"] for each in edited.json()["rows"]} >= {str(gone)}


def test_sections_need_data_that_are_there(served):
    answer = served.get(f"{CELLS}/placed/tissue", params={"dataset": "nobody"})
    assert answer.status_code == 404
