"""Cells that former versions saved: they load, or say what to do."""

from pathlib import Path

import numpy as np
import pytest

from aivc.cli import main
from aivc.core.errors import RetiredError
from aivc.core.registry import MANIPULATORS
from aivc.core.virtual_cell import VirtualCell

ARCHIVES = Path(__file__).parent / "archives"


def test_a_cell_of_a_method_that_is_no_more_says_which_who_wrote_it_and_what_to_do(capsys):
    with pytest.raises(RetiredError) as refused:
        VirtualCell.load(ARCHIVES / "effect.v1")
    said = str(refused.value)
    assert "manipulator 'effect.v1' is no more" in said
    assert "archives/effect.v1, written by aivc 0.1.0, was made with it" in said
    assert "Fit again with 'effect.v2'" in said
    assert main(["predict", str(ARCHIVES / "effect.v1"), "ko:G0", "--json"]) == 1
    assert "Fit again with 'effect.v2'" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["effect.v1", "kernel-priors", "fused-priors"])
def test_a_method_that_is_no_more_is_refused_by_name(name):
    assert name not in MANIPULATORS.names()
    with pytest.raises(RetiredError, match=r"Fit again with 'effect\.v2'"):
        MANIPULATORS.load(name)


# Mean, lower end of the 60% interval, effect and retrieval profile of the first four features, as written when the cell
# was saved. It was fitted on synthetic_screen(perturbations=14, features=16, cells=10, controls=30) and its priors, by
# full-space, effect.v2 and linear-expression, two members and two inner folds.
_SAID = {
    "ko:G0001": [
        [1.0559997389, 1.5837081989, 1.2902405582, 0.5080605685],
        [0.7067892706, 1.3776273641, 1.0598346637, 0.3638743526],
        [0.0733252375, -0.1743561188, 0.0933468185, 0.0677986413],
        [1.2189070915, 1.4461374581, 1.3437014759, 0.6665609382],
    ],
    "ko:NEW": [
        [1.0971788897, 1.6665585644, 1.28992286, 0.4678078856],
        [0.6926650717, 1.1849463288, 1.0616647751, 0.2936941399],
        [0.1145043884, -0.0915057533, 0.0930291203, 0.0275459584],
        [1.0971788897, 1.6665585644, 1.28992286, 0.4678078856],
    ],
}


def _answers(cell, text):
    said = cell.predict("line1", text)
    return [each[:4] for each in (said.mean, said.interval(0.6)[0], said.mean - said.base, said.retrieval_mean)]


@pytest.mark.parametrize("text", _SAID)
def test_a_cell_saved_before_loads_and_predicts_what_it_did(text):
    cell = VirtualCell.load(ARCHIVES / "effect.v2")
    np.testing.assert_allclose(_answers(cell, text), _SAID[text], rtol=0, atol=1e-8)
    assert cell.predict("line1", text).made_by == ("ensemble", "effect.v2", "linear-expression", "conformal")


def test_a_cell_saved_before_is_saved_again_as_it_was(tmp_path):
    cell = VirtualCell.load(ARCHIVES / "effect.v2")
    cell.save(tmp_path)
    assert set(cell.parts) == {"encoder-cellular", "effect.v2", "linear-expression"}
    np.testing.assert_array_equal(_answers(VirtualCell.load(tmp_path), "ko:G0001"), _answers(cell, "ko:G0001"))
