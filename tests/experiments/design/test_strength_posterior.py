"""Beliefs: ridge as it is written down, leave-one-out as it is done, errors that fit."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.experiments.design.strength_posterior import KernelRidge, StrengthPosterior


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x_nf = rng.standard_normal((60, 8))
    return x_nf, np.arange(0, 60, 2), x_nf @ rng.standard_normal(8) + 0.1 * rng.standard_normal(60)


def plain(x, y, penalty, asked):
    center, level = x.mean(axis=0), y.mean()
    z = x - center
    weight = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ (y - level))
    return level + (asked - center) @ weight


def test_predictions_are_those_of_ridge_regression(data):
    x_nf, measured, y_n = data
    said_n, _ = KernelRidge.on(x_nf, measured).fit(y_n[measured], 3.0)
    np.testing.assert_allclose(said_n, plain(x_nf[measured], y_n[measured], 3.0, x_nf), atol=1e-9)


def test_leave_one_out_is_close_to_leaving_one_out(data):
    x_nf, measured, y_n = data
    _, left_m = KernelRidge.on(x_nf, measured).fit(y_n[measured], 3.0)
    # The center of the others stays as it was with all: the difference is of the order of 1 / m.
    for place in range(5):
        rest = np.delete(measured, place)
        again = plain(x_nf[rest], y_n[rest], 3.0, x_nf[measured[place]])
        assert left_m[place] == pytest.approx(again, abs=0.15)


def test_loading_is_that_of_the_posterior_of_the_weights(data):
    x_nf, measured, _ = data
    ridge = KernelRidge.on(x_nf, measured)
    loading = ridge.loading(3.0, 0.5)
    z = x_nf[measured] - ridge.center
    covariance = 0.25 * np.linalg.inv(z.T @ z + 3.0 * np.eye(8))
    apart = x_nf - ridge.center
    np.testing.assert_allclose(loading @ loading.T, apart @ covariance @ apart.T, atol=1e-9)


def test_draws_and_probabilities_follow_mean_and_deviation():
    made = StrengthPosterior(np.array([0.0, 1.0]), 0.0, lambda: np.array([[0.5, 0.0], [0.0, 2.0]]))
    drawn = made.draws(4000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.std(axis=0), [0.5, 2.0], rtol=0.06)
    np.testing.assert_allclose(made.above(1.0), (drawn > 1.0).mean(axis=0), atol=0.03)


def test_one_measurement_and_lost_means_are_refused():
    with pytest.raises(DataError, match="Measure a batch first"):
        KernelRidge.on(np.eye(3), np.array([0]))
    with pytest.raises(DataError, match="not finite"):
        StrengthPosterior(np.array([np.nan]), 1.0, lambda: np.zeros((1, 1)))
