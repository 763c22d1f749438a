import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import UnitsError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.state import State
from aivc.data.synthetic import synthetic_screen
from aivc.representations.cellular.factor_analysis import FactorAnalysis
from aivc.representations.cellular.ppca import PPCA
from aivc.testing import check_encoder

NOISE = np.repeat([0.05, 0.5, 4.0], 20)


def table(x_nf, **further):
    n, f = x_nf.shape
    names = np.array([f"g{i}" for i in range(f)], dtype=object)
    return Measurement(x_nf, names, pd.DataFrame(index=[f"c{i}" for i in range(n)]), "arbitrary", **further)


def linear(n=1500, d=3, seed=0):
    """Data drawn from the model: values, latent states, center and loadings."""
    rng = np.random.default_rng(seed)
    f = len(NOISE)
    z_nd, w_fd, center = rng.normal(size=(n, d)), rng.normal(size=(f, d)), rng.normal(size=f)
    return center + z_nd @ w_fd.T + rng.normal(size=(n, f)) * np.sqrt(NOISE), z_nd, center, w_fd


def explained(said_nd, true_nd):
    """How much of the true states a linear map of the said ones explains."""
    design = np.column_stack([said_nd, np.ones(len(said_nd))])
    left = true_nd - design @ np.linalg.lstsq(design, true_nd, rcond=None)[0]
    return 1 - left.var() / true_nd.var()


def test_it_keeps_the_contract_of_an_encoder():
    check_encoder(FactorAnalysis)


def test_fit_finds_the_noise_of_each_feature():
    encoder = FactorAnalysis.fit(table(linear(n=3000)[0]), dim=3)
    np.testing.assert_allclose(encoder.noise[20:], NOISE[20:], rtol=0.2)
    # Nearly noiseless features lie at the floor, which keeps one of them from outshouting all others.
    assert (encoder.noise[:20] < 0.2).all()


def test_noisy_features_count_for_less_than_in_principal_components():
    x_nf, z_nd, _, _ = linear()
    half = np.random.default_rng(1).random(len(NOISE)) < 0.2
    ours, plain = (part.fit(table(x_nf), dim=3).encode(table(x_nf, observed=half)) for part in (FactorAnalysis, PPCA))
    assert explained(ours.values, z_nd) > explained(plain.values, z_nd) + 0.01


@pytest.mark.parametrize("share", [1.0, 0.4, 0.1])
def test_states_lie_as_far_from_the_truth_as_the_variance_says(share):
    x_nf, z_nd, center, w_fd = linear(n=3000)
    encoder = FactorAnalysis(table(x_nf).features, center, w_fd, np.ones(3), NOISE, "arbitrary")
    observed = np.random.default_rng(0).permutation(len(NOISE)) < share * len(NOISE)
    ur = encoder.encode(table(x_nf, observed=observed))
    assert ((ur.values - z_nd) ** 2 / ur.variance).mean() == pytest.approx(1.0, rel=0.1)


def test_thirty_percent_missing_are_fitted_around():
    x_nf, z_nd, _, _ = linear()
    seen_nf = np.random.default_rng(0).random(x_nf.shape) > 0.3
    encoder = FactorAnalysis.fit(table(np.where(seen_nf, x_nf, 99.0), observed=seen_nf), dim=3)
    np.testing.assert_allclose(encoder.noise[40:], NOISE[40:], rtol=0.3)
    assert explained(encoder.encode(table(x_nf)).values, z_nd) > 0.97


def test_a_mask_for_all_and_the_same_for_each_give_one_answer():
    x_nf = linear(n=40)[0]
    encoder = FactorAnalysis.fit(table(x_nf), dim=3)
    seen = np.arange(len(NOISE)) % 3 > 0
    together = encoder.encode(table(x_nf, observed=seen))
    each = encoder.encode(table(np.where(seen, x_nf, -7.0), observed=np.tile(seen, (40, 1))))
    np.testing.assert_allclose(together.values, each.values, atol=1e-9)
    np.testing.assert_allclose(together.variance, each.variance, atol=1e-9)


def test_cells_sequenced_less_are_less_sure_and_those_less_sure_are_further_off():
    cells, _ = synthetic_screen(perturbations=4, features=150, seed=3)
    encoder = FactorAnalysis.fit(cells, dim=4)
    rng = np.random.default_rng(0)
    counts_nf, keep_n = cells.dense().astype(int), rng.uniform(0.05, 1.0, len(cells))
    thin = cells.replace(values=rng.binomial(counts_nf, keep_n[:, None]).astype(float))
    whole, part = encoder.encode(cells), encoder.encode(thin)
    spread_n, error_n = part.variance.mean(axis=1), ((part.values - whole.values) ** 2).mean(axis=1)
    ranks = np.argsort(np.argsort([keep_n, spread_n, error_n], axis=1), axis=1)
    table_ = np.corrcoef(ranks)
    assert table_[0, 1] < -0.3
    assert table_[1, 2] > 0.2


def test_distances_are_those_of_predicted_readings_in_units_of_their_noise():
    x_nf = linear(n=200)[0]
    encoder = FactorAnalysis.fit(table(x_nf), dim=3)
    z_nd = encoder.encode(table(x_nf)).values
    predicted_nf = z_nd @ encoder.loadings.T / np.sqrt(encoder.noise)
    np.testing.assert_allclose(
        ((z_nd[:50] - z_nd[50:100]) ** 2).sum(axis=1), ((predicted_nf[:50] - predicted_nf[50:100]) ** 2).sum(axis=1)
    )
    assert (np.diff(encoder.size) <= 0).all()
    np.testing.assert_allclose(z_nd.std(axis=0), encoder.size, rtol=0.2)


def test_it_is_saved_and_read_back(tmp_path):
    x_nf = linear(n=60)[0]
    encoder = FactorAnalysis.fit(table(x_nf), dim=3)
    encoder.state().save(tmp_path / "fa")
    again = FactorAnalysis.from_state(State.load(tmp_path / "fa"))
    np.testing.assert_array_equal(again.encode(table(x_nf)).values, encoder.encode(table(x_nf)).values)


def test_unknown_features_are_refused():
    encoder = FactorAnalysis.fit(table(linear(n=60)[0]), dim=3)
    with pytest.raises(UnknownNameError, match="gene symbols"):
        encoder.encode(table(np.ones((3, 2))).replace(features=np.array(["a", "b"], dtype=object)))
    with pytest.raises(UnitsError):
        encoder.encode(table(np.ones((3, len(NOISE)))).replace(units="counts"))
