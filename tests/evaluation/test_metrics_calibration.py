"""Metrics of stated uncertainty against numbers worked out by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from aivc.evaluation.metrics_calibration import interval_score, risk_coverage
from aivc.evaluation.profiles import metric
from tiny_panels import panel


def score(name, *given, **changes):
    return metric(name).compute(panel(*given, **changes)).tolist()


def test_interval_score_by_hand():
    low, high = np.array([[0.0, 0.0, 0.0, 0.0]]), np.array([[1.0, 2.0, 3.0, 4.0]])
    usable = np.array([[True, True, True, False]])
    # 1 inside, 2 missed by 0.5 and 3 missed by 1: (1 + 2 + 10 + 3 + 20) / 3, over the mean size (1 + 2.5 + 1) / 3.
    found = score("interval-score", [[0.0] * 4], [[1.0, 2.5, -1.0, 99.0]], low=low, high=high, usable=usable)
    assert found == pytest.approx([36 / 4.5])


def test_interval_score_is_twenty_times_the_pinball_loss_of_both_ends():
    rng = np.random.default_rng(0)
    low, truth = rng.normal(size=50), rng.normal(size=50)
    high = low + rng.exponential(size=50)

    def pinball(quantile, end):
        return np.maximum(quantile * (truth - end), (quantile - 1) * (truth - end))

    assert interval_score(low, high, truth) == pytest.approx(20 * (pinball(0.05, low) + pinball(0.95, high)))


def test_interval_score_is_best_at_the_true_quantiles():
    truth, right = np.random.default_rng(0).normal(size=20_000), stats.norm.ppf(0.95)
    wide = {z: interval_score(np.full(20_000, -z), np.full(20_000, z), truth).mean() for z in (0.5, 1.2, right, 2.2, 4)}
    assert min(wide, key=wide.get) == right


def test_stating_no_change_without_width_scores_twenty():
    zero = np.zeros((1, 3))
    assert score("interval-score", zero, [[1.0, -2.0, 3.0]], low=zero, high=zero) == pytest.approx([20.0])


def test_widths_that_know_the_errors():
    zero, truth = np.zeros((3, 4)), np.array([[1.0, -2.0, 3.0, 4.0]] * 3)
    high = np.array([[0.1, 0.2, 0.3, 0.9], [4.0, 3.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    assert score("width-error-spearman", zero, truth, low=zero, high=high) == pytest.approx([1.0, -1.0, 0.0])


def test_area_under_risk_coverage_by_hand():
    risk, width = np.array([4.0, 1.0, 2.0]), np.array([9.0, 1.0, 5.0])
    # From the narrowest: 1, then (1 + 2) / 2, then (1 + 2 + 4) / 3.
    assert risk_coverage(risk, width).mean() == pytest.approx((1 + 1.5 + 7 / 3) / 3)
    assert risk_coverage(risk, np.ones(3)) == pytest.approx(risk)


def test_tied_widths_are_the_mean_over_their_orders():
    risk, width = np.array([4.0, 1.0, 2.0, 7.0]), np.array([1.0, 1.0, 1.0, 0.5])
    areas = []
    for order in itertools.permutations(range(3)):
        ordered = risk[[3, *order]]
        areas.append(np.mean(np.cumsum(ordered) / np.arange(1, 5)))
    assert risk_coverage(risk, width).mean() == pytest.approx(np.mean(areas))


def test_area_of_a_panel_leaves_out_what_states_nothing():
    low = np.array([[0.0, 0.0], [0.0, 0.0], [np.nan, np.nan]])
    high = low + np.array([[1.0, 1.0], [2.0, 4.0], [1.0, 1.0]])
    truth = [[1.0, 3.0], [4.0, 8.0], [50.0, 50.0]]
    # Mean errors 2 and 6, mean widths 1 and 3: the area is (2 + 4) / 2.
    found = score("aurc", np.zeros((3, 2)), truth, low=low, high=high)
    assert np.nanmean(found) == pytest.approx(3.0)
    assert np.isnan(found[2])


def test_what_cannot_be_scored_is_undefined_and_never_zero():
    zero, nothing = np.zeros((1, 3)), np.zeros((1, 3), dtype=bool)
    for name in ("interval-score", "width-error-spearman", "aurc"):
        assert np.isnan(score(name, zero, [[1.0, 2.0, 3.0]])).all()
        assert np.isnan(score(name, zero, [[1.0, 2.0, 3.0]], low=zero, high=zero + 1, usable=nothing)).all()
    assert np.isnan(score("interval-score", zero, zero, low=zero, high=zero + 1)).all()
