"""Metrics of effects against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from aivc.evaluation.metrics.effect_sizes import certainty
from aivc.evaluation.metrics.profiles import metric
from tiny_panels import panel


def score(name, *given, **changes):
    return metric(name).compute(panel(*given, **changes)).tolist()


def test_root_mean_square_and_cosine_by_hand():
    assert score("rmse-delta", [[1.0, 2.0]], [[2.0, 9.0]]) == pytest.approx([5.0])
    found = score("cosine-delta", [[3.0, 4.0], [-1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [2.0, 0.0], [1.0, 1.0]])
    assert found == pytest.approx([0.6, -1.0, 0.0])


def test_a_cosine_sees_the_shift_that_a_correlation_does_not():
    assert score("cosine-delta", [[5.0, 5.0, 5.0]], [[1.0, 1.0, 1.0]]) == pytest.approx([1.0])
    assert score("pearson-delta", [[5.0, 5.0, 5.0]], [[1.0, 1.0, 1.0]]) == [0.0]


def test_each_side_is_compared_with_its_own_controls():
    given, control = np.array([[1.0, 1.0, 5.0]] * 2), np.array([[0.0, 3.0, 1.0]] * 2)
    effects = np.array([[0.1, -0.4, 0.2], [0.5, 0.1, 0.0]])
    sides = {"given": given, "control": control, "truth_noise": np.ones((2, 3))}
    perfect = {"rmse-delta": 0, "cosine-delta": 1, "centroid-accuracy": 1, "rank-perturbench": 0, "wmse": 0}
    for name, best in {**perfect, "r2-weighted": 1}.items():
        assert score(name, given + effects, control + effects, **sides) == pytest.approx([best] * 2, abs=1e-9)


def test_the_two_ranks_ask_different_questions():
    truth = [[0.0], [10.0], [20.0]]
    # 11 and 12 are both nearest to 10; only from the truth at 20 is one of them the nearest to be had.
    predicted = [[0.0], [11.0], [12.0]]
    assert score("centroid-accuracy", predicted, truth) == [1.0, 1.0, 0.5]
    assert score("rank-perturbench", predicted, truth) == [0.0, 0.0, 0.0]
    assert score("rank-perturbench", [[9.0], [10.0], [10.0]], truth) == [0.0, 0.25, 0.25]
    assert score("rank-perturbench", [[20.0], [10.0], [0.0]], truth) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("name", ["centroid-accuracy", "rank-perturbench"])
def test_a_prediction_without_information_scores_chance(name):
    effects = np.random.default_rng(0).normal(size=(9, 6))
    constant = np.tile(effects[0] * 3, (9, 1)).astype(np.float32) * (1 + 1e-8)
    assert np.mean(score(name, constant, effects)) == pytest.approx(0.5)
    assert score("rank-perturbench", constant, effects) == [0.5] * 9


@pytest.mark.parametrize("name", ["centroid-accuracy", "rank-perturbench"])
def test_means_of_the_other_folds_are_no_information(name):
    effects = np.random.default_rng(0).normal(size=(20, 6))
    fold = np.repeat(range(5), 4)
    means = np.array([effects[fold != each].mean(axis=0) for each in fold])
    table = pd.DataFrame({"fold": fold, "context": "A", "perturbation": [f"ko:G{i}" for i in range(20)]})
    assert np.mean(score(name, means, effects, questions=table)) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["centroid-accuracy", "rank-perturbench"])
def test_ranks_are_within_a_context_and_without_targeted_genes(name):
    effects, best = np.array([[-5.0, 1.0, 0.0], [5.0, 0.0, 1.0]]), float(name == "centroid-accuracy")
    swapped = effects * [1, 0, 0] + effects[::-1] * [0, 1, 1]
    assert score(name, swapped, effects) == [best] * 2
    assert score(name, swapped, effects, targeted=np.array([True, False, False])) == [1 - best] * 2
    apart = pd.DataFrame({"fold": 0, "context": ["A", "B"], "perturbation": "ko:X"})
    assert np.isnan(score(name, effects, effects, questions=apart)).all()


@pytest.mark.parametrize("name", ["centroid-accuracy", "rank-perturbench"])
def test_a_question_that_cannot_be_scored_does_not_void_the_others(name):
    effects = np.eye(3)
    usable = np.array([[True] * 3, [False] * 3, [True] * 3])
    best = float(name == "centroid-accuracy")
    found = score(name, effects, effects, usable=usable)
    assert found == pytest.approx([best, np.nan, best], nan_ok=True)


def test_weights_by_hand():
    # t = 1, 2, 3, so 0, 1/2, 1 after scaling and 0, 1/4, 1 squared.
    noise = np.array([[1.0, 4.0, 9.0]])
    truth = [[1.0, -4.0, 9.0]]
    assert certainty(np.array(truth), noise, np.ones((1, 3), dtype=bool))[0] == pytest.approx([0.0, 0.2, 0.8])
    assert score("wmse", [[100.0, -3.0, 7.0]], truth, truth_noise=noise) == pytest.approx([0.2 * 1 + 0.8 * 4])
    # The weighted mean is 6.4 and the weighted spread 0.2 * 10.4² + 0.8 * 2.6² = 27.04.
    assert score("r2-weighted", [[100.0, -3.0, 7.0]], truth, truth_noise=noise) == pytest.approx([1 - 3.4 / 27.04])
    assert score("r2-weighted", [[6.4] * 3], truth, truth_noise=noise) == pytest.approx([0.0])


def test_the_target_of_the_perturbation_carries_no_weight():
    given = {"usable": np.array([[False, True, True]]), "truth_noise": np.ones((1, 3))}
    assert score("wmse", [[np.nan, 1.0, 3.0]], [[-99.0, 1.0, 2.0]], **given) == pytest.approx([1.0])


def test_no_sampling_variance_means_no_weights():
    for name in ("wmse", "r2-weighted"):
        assert np.isnan(score(name, [[1.0, 2.0]], [[1.0, 3.0]])).all()
        assert np.isnan(score(name, [[1.0, 2.0]], [[1.0, 3.0]], truth_noise=np.full((1, 2), np.nan))).all()


def test_what_cannot_be_scored_is_undefined_and_never_zero():
    nothing = np.zeros((2, 3), dtype=bool)
    for name in ("rmse-delta", "cosine-delta", "centroid-accuracy", "rank-perturbench", "wmse", "r2-weighted"):
        assert np.isnan(score(name, np.eye(3)[:2], np.eye(3)[:2], usable=nothing)).all()
