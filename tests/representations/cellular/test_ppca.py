import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import UnitsError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.synthetic import synthetic_screen
from aivc.representations.cellular.ppca import PPCA

NOISE = 0.5


def table(x_nf, **further):
    n, f = x_nf.shape
    names = np.array([f"g{i}" for i in range(f)], dtype=object)
    return Measurement(x_nf, names, pd.DataFrame(index=[f"c{i}" for i in range(n)]), "arbitrary", **further)


def linear(n=400, f=40, d=3, seed=0):
    """Data drawn from the model: values, latent states, center and loadings."""
    rng = np.random.default_rng(seed)
    z_nd, w_fd, center = rng.normal(size=(n, d)), rng.normal(size=(f, d)), rng.normal(size=f)
    return center + z_nd @ w_fd.T + rng.normal(0, np.sqrt(NOISE), (n, f)), z_nd, center, w_fd


def cosines(a_fd, b_fd):
    """Cosines of the angles between two subspaces."""
    return np.linalg.svd(np.linalg.qr(a_fd)[0].T @ np.linalg.qr(b_fd)[0])[1]


def test_with_everything_observed_states_are_pca_scores_up_to_scale():
    x_nf = linear()[0]
    z_nd = PPCA.fit(table(x_nf), dim=3).encode(table(x_nf)).values
    left_nd = np.linalg.svd(x_nf - x_nf.mean(axis=0), full_matrices=False)[0][:, :3]
    correlation = [abs(np.corrcoef(z, u)[0, 1]) for z, u in zip(z_nd.T, left_nd.T, strict=True)]
    assert min(correlation) > 0.9999


def test_fit_finds_the_loadings_and_the_noise():
    x_nf, _, center, w_fd = linear(n=2000)
    encoder = PPCA.fit(table(x_nf), dim=3)
    assert cosines(encoder.loadings, w_fd).min() > 0.995
    assert encoder.noise == pytest.approx(NOISE, rel=0.05)
    assert np.abs(encoder.center - center).max() < 0.2


@pytest.mark.parametrize("seed", range(3))
def test_expectation_maximization_finds_them_with_30_percent_missing(seed):
    x_nf, _, _, w_fd = linear(seed=seed)
    seen_nf = np.random.default_rng(seed).random(x_nf.shape) > 0.3
    encoder = PPCA.fit(table(np.where(seen_nf, x_nf, 99.0), observed=seen_nf), dim=3)
    assert cosines(encoder.loadings, w_fd).min() > 0.98
    assert encoder.noise == pytest.approx(NOISE, rel=0.1)
    # What is missing is filled in from what is not, so the center is better than a mean over what was observed.
    ours, plain = encoder.center, np.nanmean(np.where(seen_nf, x_nf, np.nan), axis=0)
    error, naive = (np.sqrt(((c - x_nf.mean(axis=0)) ** 2).mean()) for c in (ours, plain))
    assert error < 0.7 * naive


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_states_lie_as_far_from_the_truth_as_the_variance_says(share):
    x_nf, z_nd, center, w_fd = linear(n=3000)
    encoder = PPCA(table(x_nf).features, center, w_fd, NOISE, "arbitrary")
    ur = encoder.encode(table(x_nf, observed=np.arange(40) < 40 * share))
    ratio = ((ur.values - z_nd) ** 2 / ur.variance).mean()
    assert ratio == pytest.approx(1.0, rel=0.08)


def test_features_never_shown_are_predicted_within_the_stated_variance():
    x_nf = linear(n=1500)[0]
    encoder = PPCA.fit(table(x_nf[:1000]), dim=3)
    ur = encoder.encode(table(x_nf[1000:], observed=np.arange(40) < 30))
    predicted_nf = encoder.center + ur.values @ encoder.loadings.T
    stated_nf = encoder.noise + ur.variance @ (encoder.loadings**2).T
    ratio = ((x_nf[1000:] - predicted_nf) ** 2 / stated_nf)[:, 30:].mean()
    assert 0.8 < ratio < 1.25


def test_variance_grows_as_features_go_missing():
    x_nf = linear()[0]
    encoder = PPCA.fit(table(x_nf), dim=3)
    variances = [encoder.encode(table(x_nf, observed=np.arange(40) < kept)).variance.mean() for kept in (40, 20, 10, 2)]
    assert variances == sorted(variances)
    assert variances[-1] > 10 * variances[0]
    assert variances[-1] < 1.0001  # never more than was known beforehand


def test_what_was_not_observed_is_as_good_as_absent():
    x_nf = linear()[0]
    encoder, half = PPCA.fit(table(x_nf), dim=3), np.arange(40) < 20
    absent = encoder.encode(table(x_nf).select(table(x_nf).features[:20]))
    filled = np.where(half, x_nf, np.nan)
    for observed in (half, np.tile(half, (len(x_nf), 1))):
        masked = encoder.encode(table(np.where(half, filled, 0.0) if observed.ndim == 2 else x_nf, observed=observed))
        np.testing.assert_allclose(masked.values, absent.values, atol=1e-9)
        np.testing.assert_allclose(masked.variance, absent.variance, atol=1e-9)


def test_a_smaller_panel_of_counts_does_not_shift_the_states():
    cells, _ = synthetic_screen(features=80, cells=20, seed=1)
    encoder = PPCA.fit(cells, dim=4)
    whole, half = encoder.encode(cells), encoder.encode(cells.select(cells.features[::2]))
    shift = half.values.mean(axis=0) - whole.values.mean(axis=0)
    assert np.abs(shift).max() < 0.25 * whole.values.std(axis=0).max()
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(half.values.T, whole.values.T, strict=True)]) > 0.8


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, lambda values: OnDisk(values)])
def test_totals_of_counts_are_over_what_was_observed(form):
    cells, _ = synthetic_screen(features=40, cells=10)
    encoder, half = PPCA.fit(cells, dim=4), np.arange(40) < 20
    masked = cells.replace(values=form(np.where(half, cells.dense(), 1e6)), observed=half)
    absent = encoder.encode(cells.select(cells.features[:20]))
    np.testing.assert_allclose(encoder.encode(masked).values, absent.values, atol=1e-6)


class OnDisk:
    """Rows that are returned in blocks, as a file does."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def rows(self, start, stop):
        return self.values[start:stop]


def test_features_that_are_not_its_own_change_nothing():
    cells, _ = synthetic_screen(features=60, cells=10)
    few = cells.select(cells.features[:40])
    encoder = PPCA.fit(few, dim=4)
    np.testing.assert_allclose(encoder.encode(cells).values, encoder.encode(few).values, atol=1e-5)


def test_other_genes_and_other_units_are_refused():
    x_nf = linear()[0]
    encoder = PPCA.fit(table(x_nf), dim=3)
    others = table(x_nf).replace(features=np.array([f"h{i}" for i in range(40)], dtype=object))
    with pytest.raises(UnknownNameError, match="gene symbols"):
        encoder.encode(others)
    with pytest.raises(UnitsError, match="Start from the original values"):
        encoder.encode(dataclasses.replace(table(x_nf), units="log_intensity"))
