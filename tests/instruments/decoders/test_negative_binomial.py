import time

import numpy as np
import pytest

from aivc.instruments.decoders.negative_binomial import log1p_mean, sample

CASES = [
    (0.01, 1.0),
    (0.5, 1e-3),
    (3.0, 0.2),
    (3.0, 10.0),
    (15.0, 1e-3),
    (50.0, 0.5),
    (1e3, 1e-3),
    (1e3, 0.3),
    (5e3, 1e-3),
]


@pytest.mark.parametrize(("mean", "dispersion"), CASES)
def test_draws_have_the_mean_and_variance_of_theory(mean, dispersion):
    n, columns = 4000, 12
    drawn_nf = sample(np.full((n, columns), mean), np.full(columns, dispersion), np.random.default_rng(0))
    assert drawn_nf.dtype.kind == "i"
    assert drawn_nf.min() >= 0
    assert drawn_nf.mean() == pytest.approx(mean, rel=0.01)
    assert drawn_nf.var(axis=0).mean() == pytest.approx(mean + dispersion * mean**2, rel=0.05)


def test_draws_have_the_distribution_of_numpy():
    mean, dispersion = 2.0, 0.7
    ours = sample(np.full((20_000, 1), mean), np.array([dispersion]), np.random.default_rng(0)).ravel()
    theirs = np.random.default_rng(1).negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean), 20_000)
    for count in range(8):
        assert (ours == count).mean() == pytest.approx((theirs == count).mean(), abs=0.012)


def test_means_over_cells_hardly_wobble():
    mean_nf, dispersion = np.full((200, 500), 3.0), np.full(500, 0.5)
    ours = sample(mean_nf, dispersion, np.random.default_rng(0)).mean(axis=0).std()
    theory = np.sqrt((3.0 + 0.5 * 9) / 200)
    assert ours < theory / 5


def test_cells_are_independent_of_one_another():
    drawn_nf = sample(np.full((300, 200), 4.0), np.full(200, 0.5), np.random.default_rng(0))
    between = np.corrcoef(drawn_nf.T)[np.triu_indices(200, 1)]
    assert abs(between.mean()) < 0.005
    assert between.std() == pytest.approx(1 / np.sqrt(300), rel=0.1)


def test_zero_stays_zero_and_empty_is_possible():
    assert not sample(np.zeros((5, 3)), np.ones(3), np.random.default_rng(0)).any()
    assert sample(np.zeros((0, 3)), np.ones(3), np.random.default_rng(0)).shape == (0, 3)


@pytest.mark.slow
def test_a_population_of_8000_genes_takes_less_than_two_seconds():
    mean_f, dispersion_f = np.geomspace(1e-2, 1e3, 8000), np.geomspace(10, 1e-3, 8000)
    start = time.process_time()
    sample(np.tile(mean_f, (200, 1)), dispersion_f, np.random.default_rng(0))
    assert time.process_time() - start < 2


@pytest.mark.parametrize(("mean", "dispersion"), [(0.05, 0.5), (2.0, 0.1), (30.0, 2.0), (800.0, 0.2), (2000.0, 1e-3)])
@pytest.mark.parametrize("scale", [0.3, 5.0])
def test_expected_logarithm_is_that_of_many_draws(mean, dispersion, scale):
    drawn = np.random.default_rng(0).negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean), 200_000)
    logs = np.log1p(scale * drawn)
    expected = log1p_mean(np.array(mean), np.array(dispersion), np.array(scale))
    assert float(expected) == pytest.approx(logs.mean(), abs=5 * logs.std() / np.sqrt(len(logs)) + 2e-3 * logs.mean())
