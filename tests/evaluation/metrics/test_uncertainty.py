"""Metrics of stated uncertainty against numbers worked out by hand."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from aivc.evaluation.metrics.panel import Stated
from aivc.evaluation.metrics.profiles import metric
from aivc.evaluation.metrics.uncertainty import interval_score, risk_coverage, weighted_interval_score
from tiny_panels import panel

LEVELS = (0.5, 0.8, 0.9, 0.95)


def gaussian(levels, n, spread=1.0):
    """Median and interval ends ``(l, 2, n)`` of one Gaussian, ``n`` times."""
    ends = spread * stats.norm.ppf([[0.5 - level / 2, 0.5 + level / 2] for level in levels])
    return np.zeros(n), np.repeat(ends[:, :, None], n, axis=2)


def crps_by_integral(truth, spread):
    """Numerically, from its definition: the squared distance of two distribution functions, integrated."""
    grid = np.linspace(-60, 60, 60_001)
    distance = (stats.norm.cdf(grid, scale=spread) - (grid >= truth)) ** 2
    return float(integrate.trapezoid(distance, grid))


def stated(widths, covered=None, crps=None):
    """Intervals whose 90 % ones are so wide, question by question; the others are nothing special."""
    p = len(widths)
    width = np.tile(np.asarray(widths, dtype=float)[:, None], (1, len(LEVELS)))
    return Stated(
        LEVELS,
        np.tile([0.4, 0.7, 0.85, 0.9], (p, 1)) if covered is None else covered,
        width,
        np.ones(p) if crps is None else np.asarray(crps, dtype=float),
    )


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


@pytest.mark.parametrize("spread", [0.25, 1.0, 4.0])
def test_the_weighted_interval_score_is_nearly_the_crps_of_a_gaussian(spread):
    truth = stats.norm.ppf((np.arange(200) + 0.5) / 200)
    exact = np.mean([crps_by_integral(each, spread) for each in truth])
    found = weighted_interval_score(*gaussian(LEVELS, 200, spread), LEVELS, truth).mean()
    assert 0.965 < found / exact <= 1.0


def test_many_evenly_spaced_levels_are_the_crps():
    levels, truth = tuple(i / 200 for i in range(1, 200)), np.array([-2.0, 0.0, 0.3, 5.0])
    found = weighted_interval_score(*gaussian(levels, 4), levels, truth)
    assert found == pytest.approx([crps_by_integral(each, 1.0) for each in truth], rel=2e-3)


def test_the_weighted_interval_score_by_hand_and_in_any_order():
    # Quantiles 0.25, 0.5, 0.75 stand for 0.375, 0.25 and 0.375 of (0, 1); the truth is 1, 2 and 3 above them.
    median, bounds, truth = np.array([2.0]), np.array([[[1.0], [3.0]]]), np.array([4.0])
    by_hand = 2 * (0.375 * 0.25 * 3 + 0.25 * 0.5 * 2 + 0.375 * 0.75 * 1)
    assert weighted_interval_score(median, bounds, [0.5], truth) == pytest.approx([by_hand])
    middle, ends = gaussian(LEVELS, 3)
    truth = np.array([-1.0, 0.2, 3.0])
    other = weighted_interval_score(middle, ends[::-1], LEVELS[::-1], truth)
    assert other == pytest.approx(weighted_interval_score(middle, ends, LEVELS, truth))


def test_the_weighted_interval_score_is_proper_and_unbounded_where_an_end_is():
    truth = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    by_spread = {
        s: weighted_interval_score(*gaussian(LEVELS, 2000, s), LEVELS, truth).mean() for s in (0.5, 0.8, 1, 1.3, 2)
    }
    assert min(by_spread, key=by_spread.get) == 1
    middle, ends = gaussian(LEVELS, 1)
    ends[3, 1] = np.inf
    assert weighted_interval_score(middle, ends, LEVELS, np.zeros(1)).tolist() == [np.inf]


def test_coverage_at_every_level_is_read_off_what_was_stated():
    covered = np.array([[0.5, 0.8, 0.9, 1.0], [0.25, np.nan, 0.5, 0.75]])
    given = {"stated": stated([1.0, 2.0], covered)}
    zero = np.zeros((2, 3))
    assert score("coverage50", zero, zero, **given) == [0.5, 0.25]
    assert score("coverage80", zero, zero, **given) == pytest.approx([0.8, np.nan], nan_ok=True)
    assert score("coverage95", zero, zero, **given) == [1.0, 0.75]
    assert [metric(f"coverage{level}").best for level in (50, 80, 95)] == [0.5, 0.8, 0.95]
    assert {metric(f"coverage{level}").direction for level in (50, 80, 95)} == {"none"}
    fewer = Stated((0.9,), covered[:, 2:3], covered[:, 2:3], np.ones(2))
    assert np.isnan(score("coverage50", zero, zero, stated=fewer)).all()


def test_crps_is_that_of_the_panel_and_is_normalized_by_what_was_measured():
    zero, truth = np.zeros((3, 2)), [[1.0, -3.0], [4.0, 50.0], [0.0, 0.0]]
    usable = np.array([[True, True], [True, False], [True, True]])
    given = {"stated": stated([1.0] * 3, crps=[1.0, 2.0, 3.0]), "usable": usable}
    assert score("crps", zero, truth, **given) == [1.0, 2.0, 3.0]
    assert score("crps-normalized", zero, truth, **given) == pytest.approx([0.5, 0.5, np.nan], nan_ok=True)


def test_shares_of_questions_have_the_spearman_of_width_and_error_as_their_mean():
    rng = np.random.default_rng(3)
    truth, widths = rng.normal(size=(9, 5)), np.array([1.0, 2, 2, 3, 4, 5, 6, 7, np.nan])
    found = np.array(score("sigma-error-spearman", np.zeros((9, 5)), truth, stated=stated(widths)))
    expected = stats.spearmanr(widths[:8], np.abs(truth[:8]).mean(axis=1)).statistic
    assert np.nanmean(found) == pytest.approx(expected)
    assert np.isnan(found).tolist() == [False] * 8 + [True]
    assert score("sigma-error-spearman", np.zeros((4, 5)), truth[:4], stated=stated([2.0] * 4)) == [0.0] * 4
    assert np.isnan(score("sigma-error-spearman", np.zeros((2, 5)), truth[:2], stated=stated([1.0, 2.0]))).all()


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
    for name in ("coverage50", "coverage95", "crps", "crps-normalized", "sigma-error-spearman"):
        assert np.isnan(score(name, np.zeros((4, 3)), np.ones((4, 3)))).all()
