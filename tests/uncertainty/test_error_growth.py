import numpy as np
import pytest

from aivc.core.calibration import Growth
from aivc.uncertainty.error_growth import fit_growth

FLOOR = 1e-6


def screen(p=200, f=60, *, grows=0.0, own=0.0, seed=0):
    """Errors whose variance is that of the feature, times the size of the effect to a power, plus its own effect."""
    rng = np.random.default_rng(seed)
    size_p, feature_f = np.exp(rng.normal(0, 0.7, p)), np.exp(rng.normal(0, 0.7, f))
    effect_pf = size_p[:, None] * rng.standard_normal((p, f))
    noise_pf = np.full((p, f), 0.1)
    whole_pf = noise_pf + feature_f * size_p[:, None] ** (2 * grows) + own * effect_pf**2
    return rng.standard_normal((p, f)) * np.sqrt(whole_pf), noise_pf, effect_pf, whole_pf


@pytest.mark.parametrize(("grows", "own"), [(0.0, 0.0), (0.6, 0.0), (0.0, 0.8), (-0.5, 0.3)])
def test_the_variance_of_errors_is_recovered(grows, own):
    error_pf, noise_pf, effect_pf, whole_pf = screen(grows=grows, own=own)
    grown = fit_growth(error_pf, noise_pf, effect_pf, np.ones_like(error_pf), FLOOR)
    assert np.corrcoef(np.log(grown.others).ravel(), np.log(whole_pf).ravel())[0, 1] > 0.8
    assert np.median(grown.others / whole_pf) == pytest.approx(1, abs=0.1)
    slope = grown.growth.table[0, 4] / grown.growth.table[0, 1]
    assert slope == pytest.approx(grows, abs=0.15)
    assert grown.growth.own == pytest.approx(own, abs=0.2)
    assert grown.growth.table[1, 4] == pytest.approx(0, abs=0.1)


def test_errors_that_rise_with_the_spread_are_predicted():
    rng = np.random.default_rng(0)
    spread_p = np.exp(rng.normal(0, 0.7, 200))
    error_pf = rng.standard_normal((200, 50)) * spread_p[:, None]
    answer = [np.full((200, 50), 1e-4), rng.standard_normal((200, 50)), np.repeat(spread_p[:, None], 50, axis=1)]
    grown = fit_growth(error_pf, *answer, FLOOR)
    narrow, wide = (grown.growth.factor(np.ones(50), np.full(50, size)) for size in (0.5, 2.0))
    assert wide / narrow == pytest.approx(16, rel=0.35)


def test_few_perturbations_teach_no_slope():
    error_pf, noise_pf, effect_pf, _ = screen(p=9, grows=1.0)
    growth = fit_growth(error_pf, noise_pf, effect_pf, np.ones_like(error_pf), FLOOR).growth
    assert (growth.table[:, 4] == 0).all()
    assert growth.own == 0
    assert growth.factor(effect_pf[0], np.ones(60)) == 1


def test_no_perturbation_is_judged_by_its_own_error():
    error_pf, noise_pf, effect_pf, _ = screen(p=8)
    answer = (noise_pf, effect_pf, np.ones_like(error_pf), FLOOR)
    before = fit_growth(error_pf, *answer).others
    error_pf[3] *= 100
    after = fit_growth(error_pf, *answer).others
    np.testing.assert_allclose(after[3], before[3])
    assert (after[0] > before[0]).all()


def test_what_was_not_measured_says_nothing():
    error_pf, noise_pf, effect_pf, _ = screen(p=60)
    answer = (noise_pf, effect_pf, np.ones_like(error_pf), FLOOR)
    whole = fit_growth(error_pf, *answer).model
    error_pf[::2, :5] = np.nan
    part = fit_growth(error_pf, *answer).model
    assert np.isfinite(part).all()
    np.testing.assert_allclose(part[5:], whole[5:], rtol=0.1)


def test_nothing_is_predicted_beyond_the_range_seen():
    growth = Growth(np.array([[0.0, 1.0, -1.0, 1.0, 0.5], [0.0, 1.0, -1.0, 1.0, 0.0]]), 0.0, 1e-9)
    size = [np.full(4, np.exp(each / 2)) for each in (1.0, 9.0, -9.0)]
    factors = [growth.factor(effect, np.ones(4)) for effect in size]
    np.testing.assert_allclose(factors, np.exp([0.5, 0.5, -0.5]))
    assert [growth.beyond(effect, np.ones(4)) for effect in size] == [False, True, False]
