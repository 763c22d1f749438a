"""A library is ranked as its candidates asked one by one would be."""

import numpy as np
import pytest

from aivc.cli import main
from aivc.core.errors import DataError
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.library import Library
from aivc.experiments.predict import predict
from aivc.experiments.scores import ranked_library
from aivc.experiments.scores.ranked_library import rank_library
from aivc.experiments.scores.score_text import parse_score

NAMES = [f"G{i:04}" for i in range(1, 7)]
SCORE = "gene:G0030 - 0.5 * gene:G0031"


@pytest.fixture(scope="module")
def cell():
    cells, _ = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    return fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))


def test_the_best_are_those_of_every_answer(cell, monkeypatch):
    monkeypatch.setattr(ranked_library, "SHARD", 4)
    library = Library.singles(NAMES) + Library.pairs(NAMES[:4])
    asked = list(map(str, library))
    effect = {t: p.effect for t, p in zip(asked, predict(cell, "line1", asked), strict=True)}
    wanted = {text: e[29] - 0.5 * e[30] for text, e in effect.items()}
    found = rank_library(cell, library, parse_score(SCORE), top=5)
    assert list(found.table["perturbation"]) == sorted(wanted, key=lambda text: (-wanted[text], text))[:5]
    assert found.table["score"].to_numpy() == pytest.approx(sorted(wanted.values())[::-1][:5], abs=1e-6)
    assert found.asked == len(library)
    low = rank_library(cell, library, parse_score(f'at("line1", {SCORE})'), direction="lower", top=2)
    assert low.table["score"].to_numpy() == pytest.approx(sorted(wanted.values())[:2], abs=1e-6)


def test_what_limits_leave_out_is_counted_and_said(cell):
    library = Library.pairs(NAMES).cost(dict(zip(NAMES, np.arange(1.0, 7.0), strict=True)), 5.0)
    found = rank_library(cell, library, parse_score("gene:G0030"))
    assert (found.asked, found.left_out) == (4, {"cost": 6})
    assert "6 left out by cost" in found.note
    with pytest.raises(DataError, match="No candidate is left"):
        rank_library(cell, library.only(["G0001"]), parse_score("gene:G0030"))


def test_the_command_writes_the_best(cell, tmp_path, capsys):
    cell.save(tmp_path / "cell")
    Library.pairs(NAMES).save(tmp_path / "library.json")
    ask = [
        "screen",
        str(tmp_path / "cell"),
        "--score",
        SCORE,
        "--raise",
        "--top",
        "3",
        "--out",
        str(tmp_path / "b.csv"),
    ]
    assert main([*ask, "--library", str(tmp_path / "library.json")]) == 0
    assert (tmp_path / "b.csv").read_text().count("\n") == 4
    assert "3 best of 15 candidates" in capsys.readouterr().out
    assert main(ask) != 0
