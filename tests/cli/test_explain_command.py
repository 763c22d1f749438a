"""`aivc explain`."""

import json

import pytest

from aivc.cli import main


@pytest.fixture(scope="module")
def cell(small_screen, tmp_path_factory):
    out = tmp_path_factory.mktemp("explained") / "cell"
    words = ["fit", small_screen / "screen.h5ad", "--schema", small_screen / "schema.toml", "--out", out]
    words += ["--priors", small_screen / "priors", "--members", 2, "--dim", 3, "--manipulator", "effect.v2"]
    assert main(list(map(str, words))) == 0
    return out


def test_a_saved_cell_says_what_its_prediction_is_made_of(cell, tmp_path, capsys):
    (tmp_path / "sets.gmt").write_text("mine\t\tG0001\tG0002\tG0003\tG0004\n")
    words = ["explain", cell, "ko:G0001", "--top", 5, "--sets", tmp_path / "sets.gmt"]
    assert main([*map(str, words), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert sum(piece["share"] for piece in said["pieces"]) == pytest.approx(1.0)
    assert len(said["genes"]) == 5
    assert {row["set"] for row in said["pathways"]} == {"mine"}
    assert main(list(map(str, words))) == 0
    shown = capsys.readouterr().out
    assert "what the predicted effect is made of" in shown
    assert "of 40 features" in said["sureness"]
    assert said["sureness"] in shown


def test_wrong_questions_get_an_answer_that_helps(cell, capsys):
    assert main(["explain", str(cell), "control", "--json"]) == 1
    assert "Name a perturbation" in capsys.readouterr().out
    assert main(["explain", str(cell), "ko:G0001", "--sets", "halmark", "--json"]) == 1
    assert "hallmark" in capsys.readouterr().out
