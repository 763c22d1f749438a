"""`aivc niches` finds, names and counts niches, and says where else surroundings occur."""

import json

import anndata
import pytest

from aivc.cli import main
from aivc.data.io.to_anndata import to_anndata
from aivc.data.synthetic_tissue import synthetic_tissue

SCHEMA = """units = "counts"
perturbation = { value = "control" }
species = "none"
coordinates = "obsm:spatial"
coordinate_unit = "um"
section = "section"
donor = "donor"
cell_type = "cell_type"
"""


@pytest.fixture
def files(tmp_path):
    to_anndata(synthetic_tissue(cells=80, seed=3)[0]).write_h5ad(tmp_path / "tissue.h5ad")
    (tmp_path / "tissue.toml").write_text(SCHEMA)
    return ["niches", str(tmp_path / "tissue.h5ad"), "--schema", str(tmp_path / "tissue.toml"), "--number", "3"]


def test_niches_are_found_named_counted_and_written(files, tmp_path, capsys):
    words = [*files, "--dim", "9", "--reach", "2", "--like", "niche=N1", "--out", str(tmp_path / "niches.h5ad")]
    assert main([*words, "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert len(body["niches"]) == 3
    assert set(body["shares"]) == {"section", "donor"}
    assert {row["section"] for row in body["like"]} == {"P1-S1", "P2-S1"}
    written = anndata.read_h5ad(tmp_path / "niches.h5ad")
    assert set(written.obs["aivc_niche"]) == {row["name"] for row in body["niches"]}
    assert main(words) == 1
    assert "niches.h5ad" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--like", "niche"], "COLUMN=VALUE"),
        (["--cell", "nowhere/"], "aivc embed"),
        (["--out", "niches.csv"], ".h5ad"),
        (["--dim", "6", "--like", "niche=N9"], "N1"),
        (["--dim", "6", "--like", "mood=good"], "cell_type"),
    ],
)
def test_what_cannot_be_meant_is_refused(files, capsys, words, remedy):
    assert main([*files, *words]) == 1
    assert remedy in capsys.readouterr().err
