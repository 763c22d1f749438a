"""The challenge of 2025: the numbers of its own evaluator, and of its rules where evaluators have moved on."""

import json

import numpy as np
import pytest

from aivc.core.errors import ScoreError
from aivc.evaluation.metrics.profiles import metric, profile
from aivc.evaluation.metrics.vcc2025 import THREE, challenge_scores_2025
from parity_screen import FIXTURES, inputs, parity_panel
from tiny_panels import panel


@pytest.fixture(scope="module")
def screen():
    return inputs()


@pytest.fixture(scope="module")
def theirs():
    return json.loads((FIXTURES / "parity_cell_eval.json").read_text())["rows"]


def test_error_and_discrimination_are_the_ones_of_cell_eval(screen, theirs):
    found = parity_panel(screen, "predicted")
    assert metric("vcc25-mae").compute(found) == pytest.approx(theirs["mae"], abs=1e-6)
    assert metric("vcc25-pds").compute(found) == pytest.approx(theirs["discrimination_score_l1"], abs=1e-6)


def test_effects_are_correlated_as_in_cell_eval(screen, theirs):
    # It scores the target like any other gene.
    found = parity_panel(screen, "predicted", own=True)
    assert metric("pearson-delta").compute(found) == pytest.approx(theirs["pearson_delta"], abs=1e-6)
    assert metric("rmse-delta").compute(found) ** 2 == pytest.approx(theirs["mse_delta"], abs=1e-6)


def test_overlap_is_the_one_of_a_single_family_of_tests(screen, theirs):
    found = metric("vcc25-des").compute(parity_panel(screen, "predicted"))
    said = json.loads((FIXTURES / "parity_cell_eval2.json").read_text())["des_2025"]
    assert found == pytest.approx(said, abs=1e-6)
    # Since then each perturbation is a family of its own.
    assert np.abs(found - theirs["overlap_at_N"]).max() > 0.1


def test_ties_count_half():
    effects = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    constant = panel(np.zeros((3, 2)), effects)
    assert metric("vcc25-pds").compute(constant) == pytest.approx([1 - 0.5 / 3, 1 - 0.5 / 3, 1 - 2 / 3])
    assert metric("vcc25-pds").compute(panel(effects, effects)) == pytest.approx(1.0)


def test_the_target_is_part_of_the_error_but_not_of_the_discrimination():
    truth = [[-9.0, 1.0], [0.0, -9.0]]
    usable = np.array([[False, True], [True, False]])
    both = panel([[0.0, 1.0], [0.0, 0.0]], truth, usable=usable, features=np.array(["G0", "G1"]))
    assert metric("vcc25-mae").compute(both) == pytest.approx([4.5, 4.5])
    assert metric("vcc25-pds").compute(both) == pytest.approx([1.0, 1.0])


def test_what_has_no_cells_has_no_overlap():
    nothing = panel(np.eye(3), np.eye(3))
    assert np.isnan(metric("vcc25-des").compute(nothing)).all()
    nowhere = panel(np.eye(3), np.eye(3), usable=np.zeros((3, 3), dtype=bool))
    for each in profile("vcc2025"):
        assert np.isnan(each.compute(nowhere)).all()


def test_scores_start_at_the_baseline_and_never_below():
    low = {"vcc25-mae": 0.1, "vcc25-pds": 0.5, "vcc25-des": 0.2}
    assert challenge_scores_2025(low, low)["mean"] == 0
    best = {"vcc25-mae": 0.0, "vcc25-pds": 1.0, "vcc25-des": 1.0}
    assert challenge_scores_2025(best, low) == {**dict.fromkeys(THREE, 1.0), "mean": 1.0}
    worse = {"vcc25-mae": 9.0, "vcc25-pds": 0.0, "vcc25-des": float("nan")}
    assert challenge_scores_2025(worse, low)["mean"] == 0
    with pytest.raises(ScoreError, match="perfect by vcc25-mae"):
        challenge_scores_2025(low, {**low, "vcc25-mae": 0.0})
    with pytest.raises(ScoreError, match="vcc25-des is missing"):
        challenge_scores_2025({"vcc25-mae": 0.1, "vcc25-pds": 0.5}, low)
