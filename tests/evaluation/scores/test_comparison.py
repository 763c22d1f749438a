"""Means, gains, negative transfer, usage and dynamic range, on tables small enough to check by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.registry import MANIPULATORS, METRICS
from aivc.evaluation.scores.comparison import SIMPLE, dynamic_range, summarize, usage


def table(**scores):
    rows = [(method, f"ko:G{i}", value) for method, values in scores.items() for i, value in enumerate(values)]
    named = pd.DataFrame(rows, columns=["method", "perturbation", "pearson-delta"])
    return named.replace(
        {"method": {"mean_effect": "mean-effect", "no_change": "no-change", "ours_shuffled": "ours:shuffled"}}
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


def test_the_undefined_is_counted_and_stated():
    found = summarize(table(ours=[0.5, np.nan, 0.7], none=[np.nan, np.nan, np.nan]), [METRIC], 0)
    assert found["ours"]["pearson-delta"]["value"] == pytest.approx(0.6)
    assert found["ours"]["pearson-delta"]["undefined"] == "undefined for 1 of 3 questions"
    assert found["none"]["pearson-delta"]["value"] is None
    assert found["none"]["pearson-delta"]["undefined"] == "undefined for every question"


def test_wins_and_harms_are_counted_against_the_best_simple_baseline_of_that_metric():
    scores = table(no_change=[0.5, 0.5, 0.5, 0.5], mean_effect=[0.1, 0.1, 0.1, 0.1], ours=[0.6, 0.4, 0.5, 0.7])
    found = summarize(scores, [METRIC], 0)["ours"]["pearson-delta"]["against_best"]
    assert found["baseline"] == "no-change"
    assert found["gain"] == pytest.approx(0.05)
    assert (found["wins"], found["harms"]) == (0.5, 0.25)
    assert "against_best" not in summarize(scores, [METRIC], 0)["no-change"]["pearson-delta"]


def test_usage_is_what_is_lost_by_shuffling():
    (found,) = usage(table(ours=[0.5, 0.7, 0.6], ours_shuffled=[0.1, 0.3, 0.2]), [METRIC], 0)
    assert (found["method"], found["input"]) == ("ours", "perturbation")
    assert [found[key] for key in ("loss", "low", "high")] == pytest.approx([0.4] * 3)


def test_an_error_lost_by_shuffling_counts_as_positive_too():
    metric = METRICS.load("mse-unbiased")
    errors = table(ours=[1.0, 1.0], ours_shuffled=[3.0, 2.0]).rename(columns={"pearson-delta": "mse-unbiased"})
    assert usage(errors, [metric], 0)[0]["loss"] == pytest.approx(1.5)


def test_dynamic_range_is_how_far_towards_perfection_the_repeated_experiment_goes():
    found = dynamic_range(table(mean_effect=[0.0, 0.5, 0.2], replicate=[0.5, 0.75, 0.6]), [METRIC], 0)["pearson-delta"]
    assert found["value"] == pytest.approx(0.5)
    assert found["usable"]
    assert found["reason"] is None


def test_a_metric_that_cannot_tell_is_marked_with_the_reason():
    scores = table(mean_effect=[0.3, 0.3, 0.3, 0.3], replicate=[0.5, 0.1, 0.4, 0.2])
    found = dynamic_range(scores, [METRIC], 0)["pearson-delta"]
    assert not found["usable"]
    assert "not clearly better than the mean effect" in found["reason"]


def test_a_replicate_at_or_below_chance_can_tell_nothing_however_bad_the_mean_effect_is():
    scores = table(mean_effect=[-0.5, -0.6, -0.4, -0.5], replicate=[-0.1, 0.0, -0.1, 0.1])
    found = dynamic_range(scores, [METRIC], 0)["pearson-delta"]
    assert found["value"] > 0
    assert not found["usable"]
    assert "no better than chance (0)" in found["reason"]


@pytest.mark.parametrize(
    ("replicate", "usable", "reason"),
    [
        ([0.8, 0.9], True, None),
        ([0.2, 0.3], False, "not better than the mean effect here: it goes -0.15 of"),
        ([-0.3, -0.2], False, "no better than chance"),
    ],
)
def test_without_an_interval_a_metric_is_held_to_what_the_replicate_says(replicate, usable, reason):
    one = table(mean_effect=[0.3, 0.4], replicate=replicate)
    one["perturbation"] = "ligand:IFNB1"
    found = dynamic_range(one, [METRIC], 0)["pearson-delta"]
    assert found["low"] is None
    assert found["usable"] is usable
    assert found["reason"] is None if usable else reason in found["reason"]


def test_the_strongest_of_the_simple_baselines_is_the_one_to_beat_on_each_metric():
    named = {name.replace("-", "_"): [0.1 * i, 0.1 * i] for i, name in enumerate(SIMPLE)}
    scores = table(**named, ours=[0.5, 0.9]).replace({"method": {key: key.replace("_", "-") for key in named}})
    found = summarize(scores, [METRIC], 0)
    assert found["ours"]["pearson-delta"]["against_best"]["baseline"] == SIMPLE[-1]
    assert set(SIMPLE) <= set(MANIPULATORS.names())


def test_a_value_that_all_questions_share_has_no_interval_and_no_wins():
    pooled = dataclasses.replace(METRIC, pooled=True)
    scores = table(mean_effect=[0.2] * 4, ours=[0.5] * 4, ours_shuffled=[0.1] * 4, replicate=[0.8] * 4)
    found = summarize(scores, [pooled], 0)["ours"]["pearson-delta"]
    assert (found["value"], found["low"], found["high"]) == (0.5, None, None)
    assert found["gain"]["value"] == pytest.approx(0.3)
    assert {found["against_best"][key] for key in ("low", "high", "wins", "harms")} == {None}
    assert usage(scores, [pooled], 0) == []
    answer = dynamic_range(scores, [pooled], 0)["pearson-delta"]
    assert answer["usable"]
    assert answer["low"] is None


def test_without_a_replicate_no_metric_is_held_to_be_useless():
    found = dynamic_range(table(mean_effect=[0.3, 0.3], replicate=[np.nan, np.nan]), [METRIC], 0)["pearson-delta"]
    assert found["usable"]
    assert found["value"] is None


def test_one_perturbation_has_a_mean_and_no_interval():
    one = table(mean_effect=[0.2, 0.4], ours=[0.5, 0.9], ours_shuffled=[0.1, 0.1], replicate=[0.8, 0.9])
    one["perturbation"] = "ligand:IFNB1"
    found = summarize(one, [METRIC], 0)["ours"]["pearson-delta"]
    assert found["value"] == pytest.approx(0.7)
    assert (found["low"], found["high"], found["gain"]["low"]) == (None, None, None)
    assert usage(one, [METRIC], 0) == []
    assert dynamic_range(one, [METRIC], 0)["pearson-delta"]["usable"]
