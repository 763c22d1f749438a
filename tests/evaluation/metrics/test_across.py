"""Correlation over questions: for tables of one reading."""

import numpy as np
import pandas as pd
import pytest

from aivc.evaluation.metrics.across import PEARSON_ACROSS, PEARSON_ACROSS_RELATIVE
from aivc.evaluation.metrics.profiles import profile
from tiny_panels import panel

DRUGS, LINES = ("a", "b", "c"), ("L1", "L2", "L3", "L4")


def grid(predicted, truth, folds=0):
    """Questions of every drug in every line, one reading each; rows are drugs."""
    keys = [(line, f"drug:{drug}") for drug in DRUGS for line in LINES]
    table = pd.DataFrame(keys, columns=["context", "perturbation"]).assign(fold=folds)
    return panel(np.reshape(predicted, (-1, 1)), np.reshape(truth, (-1, 1)), questions=table)


TRUTH = np.array([[1.0, 2, 3, 4], [11, 12, 13, 14], [-4, -3, -2, -1]])


def test_a_perfect_answer_scores_one_everywhere():
    asked = grid(TRUTH, TRUTH)
    for metric in (PEARSON_ACROSS, PEARSON_ACROSS_RELATIVE):
        np.testing.assert_allclose(metric.compute(asked), 1.0)


def test_the_mean_of_each_drug_is_good_overall_and_nothing_within_drugs():
    asked = grid(TRUTH.mean(axis=1, keepdims=True).repeat(4, axis=1), TRUTH)
    assert PEARSON_ACROSS.compute(asked).min() > 0.9
    np.testing.assert_array_equal(PEARSON_ACROSS_RELATIVE.compute(asked), 0.0)


def test_it_is_the_correlation_of_all_questions_together():
    said = np.random.default_rng(0).normal(size=TRUTH.shape)
    found = PEARSON_ACROSS.compute(grid(said, TRUTH))
    np.testing.assert_allclose(found, np.corrcoef(said.ravel(), TRUTH.ravel())[0, 1])
    relative = PEARSON_ACROSS_RELATIVE.compute(grid(said, TRUTH))
    ours, real = (x - x.mean(axis=1, keepdims=True) for x in (said, TRUTH))
    np.testing.assert_allclose(relative, np.corrcoef(ours.ravel(), real.ravel())[0, 1])


def test_folds_are_scored_apart():
    said = TRUTH.copy()
    said[1:] *= -1
    found = PEARSON_ACROSS.compute(grid(said, TRUTH, folds=np.repeat([0, 1, 2], 4)))
    np.testing.assert_allclose(found, np.repeat([1.0, -1, -1], 4))


def test_features_are_correlated_one_by_one():
    truth = np.array([[1.0, 30], [2, 20], [3, 10]])
    said = truth * [1, -1]
    np.testing.assert_allclose(PEARSON_ACROSS.compute(panel(said, truth)), 0.0, atol=1e-12)


def test_a_drug_asked_once_does_not_count_within_drugs():
    asked = panel([[1.0], [2], [3]], [[1.0], [2], [3]])
    assert np.isnan(PEARSON_ACROSS_RELATIVE.compute(asked)).all()
    np.testing.assert_allclose(PEARSON_ACROSS.compute(asked), 1.0)


def test_what_was_not_measured_does_not_count():
    used = np.ones((12, 1), dtype=bool)
    used[5] = False
    said = TRUTH.copy()
    said[1, 1] = 1e6
    asked = grid(said, TRUTH)
    found = PEARSON_ACROSS.compute(panel(asked.predicted, asked.truth, questions=asked.questions, usable=used))
    assert np.isnan(found[5])
    np.testing.assert_allclose(np.delete(found, 5), 1.0)


def test_two_questions_have_no_correlation():
    assert np.isnan(PEARSON_ACROSS.compute(panel([[1.0], [2]], [[1.0], [2]]))).all()


@pytest.mark.parametrize("metric", [PEARSON_ACROSS, PEARSON_ACROSS_RELATIVE])
def test_the_panel_is_left_as_it_was(metric):
    asked = grid(TRUTH, TRUTH)
    metric.compute(asked)
    np.testing.assert_array_equal(asked.truth.ravel(), TRUTH.ravel())
    assert metric in profile("across")
