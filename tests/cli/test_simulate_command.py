import json

import anndata
import pytest

from aivc.cli import main
from tiny_series import both, developing

SCHEMA = """units = "counts"
perturbation = "label"
control = "control"
context = { value = "culture" }
time = "hours"
time_unit = "h"
species = "none"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulate")
    cells = developing()[0]
    cells = cells.take(cells.perturbations == "control")
    obs = cells.entities[["perturbation"]].rename(columns={"perturbation": "label"}).assign(hours=cells.times)
    made = anndata.AnnData(cells.values, obs=obs)
    made.var_names = [str(name) for name in cells.features]
    made.write_h5ad(folder / "days.h5ad")
    (folder / "days.toml").write_text(
        SCHEMA.replace('"label"', '{ value = "control" }').replace('control = "control"\n', "")
    )
    (folder / "own.toml").write_text(
        SCHEMA.replace('"label"', '{ value = "control" }').replace('control = "control"\n', "")
    )
    both().save(folder / "both")
    return folder


def run(capsys, *words):
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def test_fit_simulate_and_draw(place, capsys):
    code, out, _ = run(
        capsys, "fit", place / "days.h5ad", "--schema", place / "days.toml", "--manipulator", "mixture-time",
        "--counts", "0=1000,24=1271", "--dim", "3", "--members", "2", "--out", place / "cell", "--json",
    )  # fmt: skip
    assert code == 0, out
    assert json.loads(out)["time"]["hours"] == [0.0, 24.0, 48.0, 72.0]
    code, out, _ = run(
        capsys, "simulate", place / "cell", "wait 24h; wait 24h", "--every", "12h", "--cells", "30",
        "--out", place / "series.h5ad", "--figure", place / "drawn.svg", "--json",
    )  # fmt: skip
    assert code == 0, out
    assert (place / "drawn.svg").read_text().startswith("<?xml")
    said = json.loads(out)
    assert [step["end"] for step in said["steps"]] == [12.0, 24.0, 36.0, 48.0]
    assert said["growth"][2]["mass"] == pytest.approx(1.271)
    assert said["steps"][0]["inside"] is True
    assert anndata.read_h5ad(place / "series.h5ad").obs["step"].nunique() == 5
    code, out, _ = run(
        capsys, "plot", "river", place / "cell", "--series", place / "series.h5ad", "--out", place / "river.svg"
    )
    assert code == 0, out
    assert (place / "river.svg").read_text().startswith("<?xml")


def test_people_read_what_was_done_and_what_is_assumed(place, capsys):
    code, out, _ = run(capsys, "simulate", place / "both", "wait 24h; drug:blocker@1uM for 24h", "--cells", "20")
    assert code == 0
    assert "culture from 0 h" in out
    assert "sets in evenly" in out


def test_bad_schedules_and_options_are_refused(place, capsys):
    code, _, err = run(capsys, "simulate", place / "both", "wait 2d")
    assert (code, "Write wait 24h" in err) == (1, True)
    code, _, err = run(capsys, "simulate", place / "both", "wait 24h", "--figure", "river.pdf")
    assert (code, ".svg or .png" in err) == (1, True)
    code, _, err = run(capsys, "simulate", place / "both", "wait 24h; wait 96h")
    assert (code, "from 0 to 72 h" in " ".join(err.split())) == (1, True)
    code, _, err = run(capsys, "simulate", place / "both", "wait 24h", "--every", "soon")
    assert (code, "hours read 6h" in err) == (2, True)
    code, _, err = run(capsys, "fit", place / "days.h5ad", "--counts", "0=1", "--out", place / "x")
    assert (code, "manipulators of time" in err) == (1, True)
    code, _, err = run(capsys, "simulate", place / "both", "wait 24h", "--schema", place / "days.toml")
    assert (code, "--control" in err) == (1, True)


def test_own_cells_can_be_the_start(place, capsys):
    code, out, _ = run(
        capsys, "simulate", place / "both", "wait 24h", "--control", place / "days.h5ad", "--schema",
        place / "own.toml", "--at", "48h", "--cells", "10", "--json",
    )  # fmt: skip
    assert code == 0, out
    assert json.loads(out)["from"] == 48.0
