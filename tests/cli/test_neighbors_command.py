import json

import pytest

from aivc.cli.commands import run
from aivc.data.io.schema import Constant, Schema
from aivc.data.io.to_anndata import to_anndata
from aivc.data.priors.ligand_receptor import Pair
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.interpretation import neighbor_effects as module

PAIRS = (Pair("CXCL12-CXCR4", ("CXCL12",), ("CXCR4",)), Pair("CXCL12-ACKR3", ("CXCL12",), ("ACKR3",)))


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ligand_receptor_pairs", lambda: PAIRS)
    to_anndata(synthetic_tissue(cells=60)[0]).write_h5ad(tmp_path / "section.h5ad")
    where = {"coordinates": "obsm:spatial", "coordinate_unit": "um", "section": "section", "cell_type": "cell_type"}
    schema = Schema(units="counts", perturbation=Constant("control"), species="none", **where)
    schema.to_toml(tmp_path / "schema.toml")
    return ["neighbors", str(tmp_path / "section.h5ad"), "--schema", str(tmp_path / "schema.toml"), "--shuffles", "20"]


def test_the_shell_says_what_python_says(words, capsys):
    assert run([*words, "--where", "niche=N1", "--reach", "1", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    tissue = synthetic_tissue(cells=60)[0]
    found = module.neighbor_effects(tissue, {"niche": "N1"}, pairs=PAIRS, shuffles=20, reach=1)
    assert body["pairs"][0]["z"] == pytest.approx(found.pairs["z"].iloc[0])
    assert body["missing"] == {"CXCL12-ACKR3": ["ACKR3"]}
    assert body["spill_over"]["within"] == 15
    assert run([*words, "--where", "niche=N1"]) == 0
    shown = capsys.readouterr().out
    assert "1 of 2 pairs" in shown
    assert "by type" in shown
    assert "'same'" in shown
    assert run([*words, "--where", "niche=N1", "--spill-over", "1"]) == 0
    assert "Look farther" in capsys.readouterr().out


def test_cells_that_are_not_there_are_refused(words, capsys):
    assert run([*words, "--where", "nich=N1"]) == 1
    assert "Did you mean 'niche'" in capsys.readouterr().err
    assert run([*words, "--where", "niche=N9"]) == 1
    assert "no such cells" in capsys.readouterr().err
