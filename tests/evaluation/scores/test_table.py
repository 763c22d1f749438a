"""An evaluation as a whole: what it holds, and that it is JSON."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aivc.core.registry import METRICS
from aivc.evaluation.metrics.panel import Stated
from aivc.evaluation.scores.groups import calibration, labels
from aivc.evaluation.scores.table import Evaluation
from tiny_panels import panel

METRIC = METRICS.load("pearson-delta")


def test_questions_whose_halves_disagree_are_distinguished_and_all_is_json():
    truth = np.array([[1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 3.0, 5.0]])
    panels = {
        "mean-effect": panel(truth * 0, truth),
        "replicate": panel([truth[0], truth[0][::-1]], truth),
    }
    replicate = panels.pop("replicate")
    result = Evaluation.of(
        panels, [replicate], [METRIC], applicability={}, failures={"lost": "Error: x"}, about={"seed": 0}
    )
    assert {name: len(by) for name, by in result.body["strata"].items()} == {"reliable": 2, "unreliable": 2}
    assert result.body["strata"]["reliable"]["replicate"]["pearson-delta"]["value"] == pytest.approx(1.0)
    assert result.body["failures"] == [{"method": "lost", "error": "Error: x"}]
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["methods"] == ["mean-effect"]
    assert result.value("mean-effect", "pearson-delta") == 0.0


def test_scores_of_several_ways_to_halve_the_cells_are_averaged():
    truth = np.array([[1.0, 2.0, 3.0, 5.0]] * 2)
    nothing = np.zeros(truth.shape, dtype=bool)
    halves = [panel(truth, truth), panel(-truth, truth), panel(truth, truth, usable=nothing)]
    result = Evaluation.of(
        {"mean-effect": panel(truth * 0, truth)}, halves, [METRIC], applicability={}, failures={}, about={"seed": 0}
    )
    assert result.value("replicate", "pearson-delta") == pytest.approx(0.0)
    assert result.body["resplits"] == 3
    assert [row["pearson"] for row in result.body["halves"]] == pytest.approx([0.0, 0.0])


def test_strength_is_what_is_left_of_an_effect_without_its_noise():
    effect = np.array([[1.0, -1.0], [1.1, 1.1], [3.0, 3.0], [2.0, 2.0], [5.0, 5.0], [4.0, 4.0]])
    noise = np.zeros(effect.shape)
    noise[4] = 24.5
    found = labels(panel(effect, effect, truth_noise=noise), np.full(6, np.nan))
    assert found["strength"].tolist() == ["weak", "middle", "strong", "middle", "weak", "strong"]
    assert set(found["reliability"]) == {""}


def test_few_questions_are_not_cut_into_thirds():
    assert set(labels(panel(np.eye(4), np.eye(4)), np.ones(4))["strength"]) == {""}


def test_coverage_is_given_by_context_strength_and_verdict():
    effect = np.arange(1.0, 13.0).reshape(6, 2)
    covered = np.array([[1.0], [1.0], [1.0], [0.5], [0.0], [np.nan]])
    stated = Stated((0.9,), covered, covered * 0 + 2, np.ones(6))
    table = pd.DataFrame({"fold": 0, "context": list("AAABBB"), "perturbation": [f"ko:G{i}" for i in range(6)]})
    own = replace(panel(effect, effect, questions=table), stated=stated)
    found = Evaluation.of(
        {"mean-effect": own},
        [panel(effect, effect, questions=table)],
        [METRIC],
        applicability={"mean-effect": ["in"] * 4 + ["out"] * 2},
        failures={},
        about={"seed": 0},
    ).body["calibration"]["mean-effect"]
    assert found["covered"] == pytest.approx([0.7])
    assert found["by"]["context"] == {"A": {"n": 3, "covered": [1.0]}, "B": {"n": 2, "covered": [0.25]}}
    assert found["by"]["applicability"]["out"] == {"n": 1, "covered": [0.0]}
    assert set(found["by"]["strength"]) == {"weak", "middle", "strong"}
    assert found["by"]["predicted-strength"] == found["by"]["strength"], "what is predicted here is what is measured"


def test_coverage_by_predicted_strength_goes_by_what_was_predicted():
    effect = np.arange(1.0, 13.0).reshape(6, 2)
    covered = np.array([[1.0], [1.0], [0.5], [0.5], [0.0], [0.0]])
    own = replace(panel(effect[::-1], effect), stated=Stated((0.9,), covered, covered * 0 + 2, np.ones(6)))
    named = pd.DataFrame({"strength": ["weak"] * 6, "applicability": ["in"] * 6})
    by = calibration(own, named)["by"]["predicted-strength"]
    answer = [by[name]["covered"][0] for name in ("weak", "middle", "strong")]
    assert answer == [0.0, 0.5, 1.0]
