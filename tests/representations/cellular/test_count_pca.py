import numpy as np
import pytest
from scipy import sparse

from aivc.core.errors import DataError, UnknownNameError
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.synthetic import synthetic_screen
from aivc.representations.cellular import principal
from aivc.representations.cellular.count_pca import CountPCA


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(features=60, cells=15)[0]


def by_svd(measurement, axes):
    x_nf = normalize(measurement, profile_units(measurement)).dense()
    left, strength, _ = np.linalg.svd(x_nf - x_nf.mean(axis=0), full_matrices=False)
    return (left * strength)[:, :axes]


def agree(z_nd, wanted_nd, tolerance=1e-3):
    for z, wanted in zip(z_nd.T, wanted_nd.T, strict=True):
        np.testing.assert_allclose(z * np.sign(z @ wanted), wanted, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("form", [sparse.csr_matrix.toarray, sparse.csr_matrix])
def test_scores_are_those_of_a_singular_value_decomposition(screen, form):
    cells = screen.replace(values=form(screen.values))
    agree(CountPCA.fit(cells, dim=5).encode(cells).values, by_svd(cells, 5))


def test_the_way_for_many_features_agrees_with_the_way_for_few(screen, monkeypatch):
    few = CountPCA.fit(screen, dim=5)
    monkeypatch.setattr(principal, "_DENSE_FEATURES", 10)
    many = CountPCA.fit(screen, dim=5)
    np.testing.assert_allclose(many.loadings, few.loadings, atol=1e-3)
    assert CountPCA.fit(screen, dim=5, seed=3).encode(screen).values == pytest.approx(
        many.encode(screen).values, abs=1e-4
    )


def test_more_than_2000_features_agree_with_a_singular_value_decomposition():
    cells, _ = synthetic_screen(features=2100, perturbations=8, cells=12, controls=30, depth=3000.0)
    agree(CountPCA.fit(cells, dim=3).encode(cells).values, by_svd(cells, 3))


def test_axes_are_orthonormal_and_their_signs_fixed(screen):
    loadings = CountPCA.fit(screen, dim=6).loadings
    np.testing.assert_allclose(loadings.T @ loadings, np.eye(6), atol=1e-6)
    assert (loadings[np.abs(loadings).argmax(axis=0), np.arange(6)] > 0).all()


def test_features_that_are_not_its_own_change_nothing(screen):
    few = screen.select(screen.features[:40])
    encoder = CountPCA.fit(few, dim=4)
    np.testing.assert_allclose(encoder.encode(screen).values, encoder.encode(few).values, atol=1e-5)


def test_a_missing_feature_is_refused_and_ppca_named(screen):
    encoder = CountPCA.fit(screen, dim=4)
    with pytest.raises(UnknownNameError, match="ppca takes any panel"):
        encoder.encode(screen.select(screen.features[1:]))


@pytest.mark.parametrize("rows", [1, 2])
def test_a_feature_that_was_not_observed_is_refused_too(screen, rows):
    observed = np.ones(len(screen.features), dtype=bool)
    observed[7] = False
    observed = observed if rows == 1 else np.vstack([observed, np.ones((len(screen) - 1, len(observed)), dtype=bool)])
    encoder = CountPCA.fit(screen, dim=4)
    with pytest.raises(UnknownNameError, match=r"G0008.*ppca takes any panel"):
        encoder.encode(screen.replace(observed=observed))


def test_a_fit_leaves_out_what_was_observed_nowhere(screen):
    observed = np.arange(60) < 40
    garbage = np.where(observed, screen.dense(), 99.0)
    masked = CountPCA.fit(screen.replace(values=garbage, observed=observed), dim=4)
    absent = CountPCA.fit(screen.select(screen.features[:40]), dim=4)
    assert masked.units == absent.units
    assert list(masked.features) == list(absent.features)
    np.testing.assert_allclose(masked.loadings, absent.loadings, atol=1e-5)


def test_a_fit_on_mixed_panels_is_refused(screen):
    observed = np.ones((len(screen), 60), dtype=bool)
    observed[::2, :5] = False
    with pytest.raises(DataError, match=r"5 features were observed in some entities only.*ppca takes any panel"):
        CountPCA.fit(screen.replace(observed=observed), dim=4)
