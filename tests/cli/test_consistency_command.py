import json

import pytest

from aivc.cli.commands import run
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.schema import Constant, Schema
from aivc.data.io.to_anndata import to_anndata
from aivc.evaluation.consistency.suite import consistency
from tiny_consistency import embedded, tissue


@pytest.fixture
def words(tmp_path):
    to_anndata(tissue()).write_h5ad(tmp_path / "section.h5ad")
    where = {"coordinates": "obsm:spatial", "coordinate_unit": "um", "section": "section", "cell_type": "cell_type"}
    schema = Schema(units="counts", perturbation=Constant("control"), species="none", donor="donor", **where)
    schema.to_toml(tmp_path / "schema.toml")
    embedded().cell.save(tmp_path / "cell")
    return [
        "consistency",
        str(tmp_path / "cell"),
        str(tmp_path / "section.h5ad"),
        "--schema",
        str(tmp_path / "schema.toml"),
    ]


def test_the_shell_says_what_python_says_and_keeps_it_on_the_card(words, tmp_path, capsys):
    asked = consistency(embedded().cell, tissue())
    assert run([*words, "--save", "--json"]) == (1 if asked.failed else 0)
    body = json.loads(capsys.readouterr().out)
    assert body["failed"] == asked.failed
    assert [row["verdict"] for row in body["rows"]] == [row.verdict for row in asked.rows]
    assert body["rows"][1]["null"] == pytest.approx(asked.rows[1].null)
    kept = VirtualCell.load(tmp_path / "cell").card["consistency"]
    assert [row["code"] for row in kept["rows"]] == [row.code for row in asked.rows]
    run(words)
    shown = capsys.readouterr().out
    assert "not applicable" in shown
    assert "the virtual cell has no manipulator" in shown


def test_a_cell_without_an_encoder_of_tissue_is_refused(words, tmp_path, capsys):
    VirtualCell({"cellular": embedded().cell.encoders["cellular"]}, {}).save(tmp_path / "alone")
    assert run([words[0], str(tmp_path / "alone"), *words[2:]]) == 1
    assert "multicellular" in capsys.readouterr().err
