import numpy as np
import pytest

from aivc.instruments.decoders.block_ridge import evidence, fit_blocks, left_out_error


def made(n=400, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 60))
    slopes = np.zeros((60, 3))
    slopes[:10] = rng.normal(size=(10, 3))
    y = x @ slopes + 5.0 + rng.normal(0, 2.0, (n, 3))
    y[:, 2] = rng.normal(0, 2.0, n)
    return x, np.repeat([0, 1], [10, 50]), y, slopes


def test_a_block_that_says_nothing_is_held_down():
    x, block, y, slopes = made()
    found = fit_blocks(x, block, y[:, :2])
    np.testing.assert_allclose(found.slopes[:10], slopes[:10, :2], atol=0.4)
    assert np.abs(found.slopes[10:]).max() < 0.1
    np.testing.assert_allclose(found.noise, 4.0, rtol=0.15)
    np.testing.assert_allclose(found.intercepts, y[:, :2].mean(axis=0))


def test_a_target_that_nothing_explains_keeps_its_mean():
    x, block, y, _ = made()
    found = fit_blocks(x, block, y)
    assert np.abs(found.slopes[:, 2]).max() < 0.15 < np.abs(found.slopes[:10, 0]).max()


@pytest.mark.parametrize("t", [1, 3])
def test_groups_choose_the_overall_penalty(t):
    x, block, y, slopes = made()
    found = fit_blocks(x, block, y[:, :t], np.arange(len(x)) % 4)
    np.testing.assert_allclose(found.slopes[:10, 0], slopes[:10, 0], atol=0.4)


def test_left_out_error_is_that_of_ridge_without_the_group():
    x, _, y, _ = made(80)
    group = np.arange(80) % 2
    wanted = 0.0
    for out in (group == 0, group == 1):
        slopes = np.linalg.solve(x[~out].T @ x[~out] + 3 * np.eye(60), x[~out].T @ y[~out])
        wanted += ((y[out] - x[out] @ slopes) ** 2).sum()
    assert left_out_error(x, y, group, np.array([3.0]))[0] == pytest.approx(wanted)


def test_the_evidence_is_with_the_columns_that_matter():
    x, _, y, _ = made()
    assert evidence(x[:, :10], y) > evidence(x[:, 10:20], y) + 50
