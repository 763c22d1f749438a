"""Metrics of populations against their definitions."""

import numpy as np
import pytest
from scipy import sparse

from aivc.evaluation.metrics.distribution import BANDWIDTHS, mmd, variance_ratio
from aivc.evaluation.metrics.profiles import metric
from tiny_panels import panel


def score(name, **changes):
    return metric(name).compute(panel([[0.0, 0.0]], [[0.0, 0.0]], **changes)).tolist()


def naive_mmd(x_nf, y_nf):
    pairs = [((a - b) ** 2).sum() for i, a in enumerate(y_nf) for j, b in enumerate(y_nf) if i != j]
    total = 0.0
    for wide in np.array(BANDWIDTHS) * np.median(pairs):

        def kernel(a, b, wide=wide):
            return float(np.exp(-((a - b) ** 2).sum() / wide))

        def within(z, kernel=kernel):
            return np.mean([kernel(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j])

        total += within(x_nf) + within(y_nf) - 2 * np.mean([kernel(a, b) for a in x_nf for b in y_nf])
    return total / len(BANDWIDTHS)


def test_mmd_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    x_nf, y_nf = rng.normal(size=(5, 3)), rng.normal(0.5, 2, size=(7, 3))
    assert mmd(x_nf, y_nf) == pytest.approx(naive_mmd(x_nf, y_nf))
    assert score("mmd-rbf", population=(x_nf[:, :2],), cells=(sparse.csr_matrix(y_nf[:, :2]),)) == pytest.approx(
        [naive_mmd(x_nf[:, :2], y_nf[:, :2])]
    )


def test_mmd_of_the_same_distribution_is_zero_in_expectation_and_sees_spread():
    rng = np.random.default_rng(0)
    found = [mmd(rng.normal(size=(30, 3)), rng.normal(size=(30, 3))) for _ in range(60)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(60)
    assert mmd(rng.normal(size=(30, 3)) * 0.1, rng.normal(size=(30, 3))) > 10 * np.std(found)


def test_identical_cells_have_no_variance_and_wide_ones_too_much():
    rng = np.random.default_rng(0)
    real = rng.normal(1, 1, size=(50, 8))
    assert variance_ratio(np.tile(real.mean(axis=0), (50, 1)), real) == pytest.approx(0.0)
    assert variance_ratio(real.mean(axis=0) + 3 * (real - real.mean(axis=0)), real) == pytest.approx(9.0)
    assert variance_ratio(real, real) == 1.0


def test_genes_that_are_hardly_seen_do_not_count():
    real = np.zeros((20, 2))
    real[:10, 0] = 1.0
    real[0, 1] = 1.0
    assert variance_ratio(np.column_stack([real[:, 0] * 2, real[:, 1] * 9]), real) == pytest.approx(4.0)


def test_what_cannot_be_scored_is_undefined_and_never_zero():
    one, two = np.zeros((1, 2)), np.array([[0.0, 1.0], [2.0, 3.0]])
    for name in ("mmd-rbf", "variance-ratio"):
        assert np.isnan(score(name)).all()
        assert np.isnan(score(name, population=(one,), cells=(two,))).all()
        assert np.isnan(score(name, population=(two,), cells=(np.ones((3, 2)),))).all()
        assert np.isnan(score(name, population=(two,), cells=(two,), usable=np.zeros((1, 2), dtype=bool))).all()
