import json

import numpy as np
import pandas as pd
import pytest

from aivc.core.registry import METRICS
from aivc.evaluation.scores import Evaluation, summarize
from tiny_panels import panel


def table(**scores):
    rows = [(method, f"ko:G{i}", value) for method, values in scores.items() for i, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["method", "perturbation", "pearson-delta"]).replace(
        {"method": {"mean_effect": "mean-effect"}}
    )


METRIC = METRICS.load("pearson-delta")


def test_anchors_are_zero_at_the_baseline_and_one_at_the_ceiling():
    found = summarize(table(mean_effect=[0.1, 0.3], ours=[0.4, 0.4], replicate=[0.6, 0.6]), [METRIC], 0)
    anchored = {method: scores["pearson-delta"]["anchored"] for method, scores in found.items()}
    assert anchored == pytest.approx({"mean-effect": 0.0, "ours": 0.5, "replicate": 1.0})


def test_anchors_that_do_not_differ_anchor_nothing():
    found = summarize(table(mean_effect=[0.5, 0.5], replicate=[0.5, 0.5]), [METRIC], 0)
    assert found["mean-effect"]["pearson-delta"]["anchored"] is None
    assert summarize(table(ours=[0.5]), [METRIC], 0)["ours"]["pearson-delta"]["anchored"] is None


def test_intervals_are_over_questions_and_hold_the_mean():
    values = np.random.default_rng(0).normal(0.3, 0.2, 50)
    found = summarize(table(ours=values), [METRIC], 0)["ours"]["pearson-delta"]
    assert found["low"] < found["value"] < found["high"]
    assert found["value"] == pytest.approx(values.mean())
    standard = values.std() / np.sqrt(50)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * standard, rel=0.1)
    assert found["n"] == 50


def test_a_perturbation_in_many_contexts_is_drawn_whole():
    values = np.repeat(np.random.default_rng(0).normal(0.3, 0.2, 10), 20)
    once = table(ours=values)
    clustered = once.assign(perturbation=np.repeat([f"ko:G{i}" for i in range(10)], 20))
    wide, narrow = (summarize(t, [METRIC], 0)["ours"]["pearson-delta"] for t in (clustered, once))
    assert wide["high"] - wide["low"] > 3 * (narrow["high"] - narrow["low"])


def test_a_ceiling_below_the_floor_anchors_nothing():
    found = summarize(table(mean_effect=[0.5, 0.6], ours=[0.7, 0.8], replicate=[0.1, 0.2]), [METRIC], 0)
    assert found["ours"]["pearson-delta"]["anchored"] is None


def test_gains_are_paired_by_question():
    found = summarize(table(mean_effect=[0.0, 1.0, 2.0], ours=[0.1, 1.1, 2.1], replicate=[3.0, 3.0, 3.0]), [METRIC], 0)
    gain = found["ours"]["pearson-delta"]["gain"]
    assert gain["low"] == pytest.approx(0.1)
    assert gain["high"] == pytest.approx(0.1)
    assert gain["wins"] == 1.0


def test_the_undefined_is_counted_and_told():
    found = summarize(table(ours=[0.5, np.nan, 0.7], none=[np.nan, np.nan, np.nan]), [METRIC], 0)
    assert found["ours"]["pearson-delta"]["value"] == pytest.approx(0.6)
    assert found["ours"]["pearson-delta"]["undefined"] == "undefined for 1 of 3 questions"
    assert found["none"]["pearson-delta"]["value"] is None
    assert found["none"]["pearson-delta"]["undefined"] == "undefined for every question"


def test_questions_whose_halves_disagree_are_told_apart_and_all_is_json():
    truth = np.array([[1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 3.0, 5.0]])
    panels = {
        "mean-effect": panel(truth * 0, truth),
        "replicate": panel([truth[0], truth[0][::-1]], truth),
    }
    result = Evaluation.of(
        panels, [METRIC], calibration={}, applicability={}, failures={"lost": "Error: x"}, about={"seed": 0}
    )
    assert {name: len(by) for name, by in result.body["strata"].items()} == {"reliable": 2, "unreliable": 2}
    assert result.body["strata"]["reliable"]["replicate"]["pearson-delta"]["value"] == pytest.approx(1.0)
    assert result.body["failures"] == [{"method": "lost", "error": "Error: x"}]
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["methods"] == ["mean-effect"]
    assert result.value("mean-effect", "pearson-delta") == 0.0
