from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from aivc import fit
from aivc.data.synthetic_time import synthetic_development
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.experiments.fitting.fit_time import fit_time
from aivc.experiments.fitting.fit_tissue import fit_tissue
from aivc.experiments.fitting.shared_fit import Recipe
from tiny_images import screen_of_crops
from tiny_service import tiny_cell, tiny_client

CELLS = "/api/v1/cells"
COURSE = {"schedule": "wait 24h; wait 24h"}
EDIT = {"dataset": "sections", "edit": "remove:T1"}


def table(answer):
    assert answer.status_code == 200, answer.text
    return pa.ipc.open_stream(answer.content).read_all()


@pytest.fixture(scope="module")
def tissue():
    return synthetic_tissue(patients=2, cells=40, seed=3)[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory, tissue):
    """A service with a cell of images, one of time, one of tissue and one of profiles alone."""
    home = tmp_path_factory.mktemp("home")
    read = synthetic_development(times=(0.0, 24.0, 48.0), cells=30, features=12, given=None)[0]
    made = {
        "pictured": fit(screen_of_crops(per_well=6), "mean-effect", recipe=Recipe(dim=8, members=0, inner_folds=0)),
        "grown": fit_time(read, "mixture-time", recipe=Recipe(dim=3, members=2)),
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
    drawn = served.get(f"{CELLS}/grown/time", params=COURSE)
    assert drawn.status_code == 200, drawn.text
    assert drawn.json()["svg"].startswith("<svg")
    assert len(drawn.json()["rows"]) >= 2
    assert served.get(f"{CELLS}/grown/time", params={"schedule": "wait for ever"}).status_code == 422


def test_the_cells_of_a_schedule_are_points_and_its_steps_a_table(served):
    answer = served.get(f"{CELLS}/grown/time/answer", params={**COURSE, "every": 12}).json()
    assert answer["times"] == [0, 12, 24, 36, 48]
    assert [(step["begin"], step["end"], step["done"]) for step in answer["steps"]][:2] == [
        (0, 12, "wait"),
        (12, 24, "wait"),
    ]
    assert all(step["low"] <= step["mass"] <= step["high"] for step in answer["steps"])
    assert {step["applicability"] for step in answer["steps"]} == {"inside"}
    points = table(served.get(f"{CELLS}/grown/time/points", params={**COURSE, "every": 12}))
    assert len(points) == 5 * answer["cells"]
    assert points["hours"].to_pylist()[:: answer["cells"]] == answer["times"]
    assert points["step"].to_pylist()[:: answer["cells"]] == [0, 1, 2, 3, 4]
    # Shares of a moment are those of its points, weighted by how many cells each has become.
    mass, state = points["mass"].to_numpy()[-answer["cells"] :], points["state"].to_pylist()[-answer["cells"] :]
    for row in answer["states"][-2:]:
        own = mass[[name == row["state"] for name in state]].sum() / mass.sum()
        assert row["low"] - 0.15 <= own <= row["high"] + 0.15
    assert served.get(f"{CELLS}/grown/time/points", params=COURSE).headers["etag"]


def test_times_that_were_not_read_are_refused_or_said(served):
    far = {"schedule": "wait 300h"}
    refused = served.get(f"{CELLS}/grown/time/answer", params=far)
    assert (refused.status_code, "from 0 to 48 h" in refused.text) == (422, True)
    said = served.get(f"{CELLS}/grown/time/answer", params={**far, "extrapolate": True}).json()
    assert [(step["applicability"], step["inside"]) for step in said["steps"]] == [("outside", False)]
    often = served.get(f"{CELLS}/grown/time/points", params={**COURSE, "every": 0.01})
    assert (often.status_code, "At most" in often.text) == (422, True)


@pytest.mark.parametrize(
    "path",
    [
        "images",
        "gallery?perturbation=ko:G0001",
        "time?schedule=wait 24h",
        "time/points?schedule=wait 24h",
        "tissue?dataset=none",
        "tissue/change?dataset=none&edit=remove:T1",
    ],
)
def test_what_a_cell_lacks_is_said(served, path):
    answer = served.get(f"{CELLS}/plain/{path}")
    assert answer.status_code == 404
    assert "This one" in answer.json()["error"]["problems"][0]


@pytest.fixture
def sections(served, tissue, monkeypatch):
    """The service, with the data of the tissue; how often they were read."""
    read = []
    one = SimpleNamespace(id="sections", schema={}, measurement=lambda: read.append(1) or tissue)
    monkeypatch.setattr(served.app.state.service.datasets, "get", lambda name, asker: one)
    return served, read


def test_a_section_and_what_an_edit_changes_are_drawn(sections):
    served, _ = sections
    plain = served.get(f"{CELLS}/placed/tissue", params={"dataset": "sections"}).json()
    assert plain["svg"].startswith("<svg")
    assert plain["rows"] == []
    edited = served.get(f"{CELLS}/placed/tissue", params=EDIT)
    assert edited.status_code == 200, edited.text
    assert {each["cell_type"] for each in edited.json()["rows"]} >= {"T1"}


def test_what_an_edit_changes_is_said_cell_by_cell(sections, tissue):
    served, read = sections
    answer = served.get(f"{CELLS}/placed/tissue/answer", params=EDIT).json()
    change = table(served.get(f"{CELLS}/placed/tissue/change", params=EDIT))
    gone = tissue.entities["cell_type"].to_numpy() == "T1"
    assert np.array_equal(change["change"].is_null().to_numpy(), gone)
    assert (answer["taken_out"], answer["put_in"], answer["edit"]) == (gone.sum(), 0, "remove:T1")
    assert answer["others"] == (~gone).sum()
    steps = change["steps"].drop_null().to_numpy()
    assert (len(steps), steps.max()) == (answer["changed"], answer["within"])
    by_type = {row["cell_type"]: row for row in answer["by_type"]}
    assert (by_type["T1"]["taken_out"], by_type["T1"]["mean_change"]) == (by_type["T1"]["cells"], 0)
    other = change["change"].to_numpy()[tissue.entities["cell_type"].to_numpy() == "T2"]
    assert by_type["T2"]["mean_change"] == pytest.approx(other.mean(), rel=1e-5)
    assert (answer["applicability"], "neighbours shuffled" in answer["verdict"]) == ("edge", True)
    # Shown as a table, as points and as a figure, it was computed once, and so were the states of the tissue.
    served.get(f"{CELLS}/placed/tissue", params=EDIT)
    served.get(f"{CELLS}/placed/tissue/answer", params={**EDIT, "edit": "add:T1@10%"})
    assert len(read) <= 1


def test_an_edit_that_names_nothing_is_refused(sections):
    served, _ = sections
    for edit, status in (("", 422), ("remove:nobody", 404), ("remove everything", 422)):
        answer = served.get(f"{CELLS}/placed/tissue/change", params={**EDIT, "edit": edit})
        assert (answer.status_code, bool(answer.json()["error"]["problems"])) == (status, True)


def test_sections_need_data_that_are_there(served):
    answer = served.get(f"{CELLS}/placed/tissue", params={"dataset": "nobody"})
    assert answer.status_code == 404
