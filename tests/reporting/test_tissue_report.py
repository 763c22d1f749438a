import json

import pytest

from aivc.cli import main
from aivc.core.errors import DataError, UnknownNameError
from aivc.data.io.to_anndata import to_anndata
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.experiments.fitting.fit_tissue import fit_tissue
from aivc.reporting.tissue_report import is_of_tissue, tissue_report

SCHEMA = """units = "counts"
perturbation = { value = "control" }
species = "none"
coordinates = "obsm:spatial"
coordinate_unit = "um"
section = "section"
donor = "donor"
cell_type = "cell_type"
"""


@pytest.fixture(scope="module")
def tissue():
    return synthetic_tissue(patients=2, cells=60, seed=3)[0]


@pytest.fixture(scope="module")
def cell(tissue):
    return fit_tissue(tissue, dim=6, settings={"draws": 2, "axes": 4})


@pytest.fixture(scope="module")
def folder(cell, tissue, tmp_path_factory):
    place = tmp_path_factory.mktemp("tissue")
    cell.save(place / "cell")
    to_anndata(tissue).write_h5ad(place / "sections.h5ad")
    (place / "s.toml").write_text(SCHEMA)
    return place


def test_an_edit_is_felt_by_those_that_stay(cell, tissue):
    assert is_of_tissue(cell)
    made = tissue_report(cell, tissue, ask="remove:T1")
    gone = (tissue.entities["cell_type"] == "T1").to_numpy()
    assert (made.change[gone] == 0).all()
    assert (made.change[~gone] > 0).any()
    assert set(made.by_type["cell_type"]) == {"T1", "T2", "T3"}
    assert made.verdict.startswith("remove:T1: ")
    assert "remove:T1" in made.figures()[0].caption
    other = made.asked("remove:T2")
    assert other.states is made.states
    assert (other.change == tissue_report(cell, tissue, ask="remove:T2").change).all()


def test_what_cannot_be_drawn_is_refused(cell, tissue):
    with pytest.raises(DataError, match="--data"):
        tissue_report(cell, None)
    with pytest.raises(UnknownNameError, match="section"):
        tissue_report(cell, tissue).figures("volcano")
    assert "Nothing was asked" in tissue_report(cell, tissue).verdict


def test_a_saved_tissue_is_asked_drawn_and_reported_on_in_the_shell(folder, capsys):
    cell, data = str(folder / "cell"), str(folder / "sections.h5ad")
    schema = ["--schema", str(folder / "s.toml")]
    assert main(["predict", cell, "remove:T1", "--control", data, *schema, "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["affected"]["changed"] > 0
    assert body["affected"]["shuffled"] >= 0
    assert body["effects"][0]["low"] < body["effects"][0]["high"]
    assert main(["predict", cell, "remove:T1", "--control", data, *schema]) == 0
    assert "shuffled within their types" in capsys.readouterr().out
    assert main(["predict", cell, "remove:T1"]) == 1
    assert "--control" in capsys.readouterr().err
    out = folder / "page.html"
    words = ["report", cell, "--data", data, *schema, "--ask", "remove:T1", "--out", str(out)]
    assert main([*words, "--figures", str(folder / "figures"), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert {row["cell_type"] for row in body["by_type"]} == {"T1", "T2", "T3"}
    assert "remove:T1" in out.read_text()
    assert (folder / "figures" / "section.svg").is_file()
    assert main(["plot", "section", cell, "--data", data, *schema, "--out", str(folder / "map.svg")]) == 0
    assert main(["report", cell, "--out", str(folder / "other.html")]) == 1
    assert "--data" in capsys.readouterr().err


def test_the_help_says_what_may_be_asked_of_a_tissue(capsys):
    main(["predict", "--help"])
    assert "remove:T cell" in capsys.readouterr().out
