import numpy as np
import pytest

from aivc.instruments.decoders.ridge import (
    decompose,
    folds_of_groups,
    leave_folds_out,
    leave_one_out,
    penalty_grid,
    solve,
    split_folds,
)


def problem(n, d, f=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 3
    return x, x @ rng.normal(size=(d, f)) + rng.normal(size=(n, f)) + 5


def refit(x, y, penalty):
    z, mean = x - x.mean(axis=0), y.mean(axis=0)
    slopes = np.linalg.solve(z.T @ z + penalty * np.eye(x.shape[1]), z.T @ (y - mean))
    return slopes, mean - x.mean(axis=0) @ slopes


@pytest.mark.parametrize(("n", "d"), [(30, 6), (12, 40)])
def test_solution_is_that_of_the_normal_equations(n, d):
    x, y = problem(n, d)
    slopes, intercept = solve(decompose(x), y, np.array([0.7, 20.0]))
    for column, penalty in enumerate((0.7, 20.0)):
        wanted = refit(x, y[:, [column]], penalty)
        np.testing.assert_allclose(slopes[:, [column]], wanted[0], atol=1e-8)
        np.testing.assert_allclose(intercept[[column]], wanted[1], atol=1e-7)


@pytest.mark.parametrize(("n", "d"), [(25, 5), (10, 30)])
def test_leaving_one_out_needs_no_refit(n, d):
    x, y = problem(n, d)
    said = leave_one_out(decompose(x), y, np.array([2.5]))
    for i in range(n):
        rest = np.arange(n) != i
        slopes, intercept = refit(x[rest], y[rest], 2.5)
        np.testing.assert_allclose(said.predicted[i], x[i] @ slopes + intercept, atol=1e-7)
    np.testing.assert_allclose(said.error, ((y - said.predicted) ** 2).mean(axis=0))


def test_leaving_folds_out_refits_without_them():
    x, y = problem(24, 4)
    fold = np.arange(24) % 3
    said = leave_folds_out(split_folds(x, fold), y, np.array([2.5]))
    slopes, intercept = refit(x[fold != 1], y[fold != 1], 2.5)
    np.testing.assert_allclose(said.predicted[fold == 1], x[fold == 1] @ slopes + intercept, atol=1e-8)


def test_penalty_grows_with_the_noise():
    x, y = problem(60, 10, f=1)
    noise = np.random.default_rng(1).normal(size=y.shape) * 30
    spectrum = decompose(x)
    grid = penalty_grid(spectrum)
    quiet, loud = (leave_one_out(spectrum, each, grid).penalty[0] for each in (y, y + noise))
    assert quiet < loud


def test_rows_that_are_all_alike_predict_the_mean():
    y = np.arange(6.0)[:, None]
    slopes, intercept = solve(decompose(np.zeros((6, 3))), y, np.array([1.0]))
    assert not slopes.any()
    assert intercept == pytest.approx(2.5)


def test_no_group_is_in_two_folds():
    groups = np.random.default_rng(0).integers(0, 11, 100)
    fold = folds_of_groups(groups, 4)
    assert all(len(set(fold[groups == group])) == 1 for group in set(groups))
    assert set(fold) == {0, 1, 2, 3}
    assert np.bincount(fold).min() > 15
