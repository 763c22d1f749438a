import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SpaceError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.decoders.binding_affinity import BindingAffinity
from aivc.testing import check_decoder


def side(name, n, d, seed):
    values = np.random.default_rng(seed).normal(size=(n, d))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return UR(values, Space(name, Scale.MOLECULAR, d, "test"), pd.DataFrame(index=[f"{name}{i}" for i in range(n)]))


def measured(rows, partners, values, observed=None):
    features = np.array(partners.entities.index, dtype=object)
    return Measurement(values, features, rows.entities, "score", "effect", Scale.MOLECULAR, observed=observed)


@pytest.fixture(scope="module")
def truth():
    drugs, targets = side("drug", 40, 3, 0), side("target", 30, 3, 1)
    form = np.random.default_rng(2).normal(size=(3, 3)) * 3
    return drugs, targets, 6 + drugs.values @ form @ targets.values.T + targets.values[:, 0]


@pytest.mark.slow
def test_it_keeps_the_promises_of_a_decoder():
    check_decoder(BindingAffinity)


def test_new_drugs_new_targets_and_both_are_predicted(truth):
    drugs, targets, y = truth
    old_d, old_t = np.arange(30), np.arange(22)
    seen_d, seen_t = drugs.take(old_d), targets.take(old_t)
    fitted = BindingAffinity.fit(seen_d, measured(seen_d, seen_t, y[:30, :22]), partners=seen_t)
    spread = y.std()
    mean, _ = fitted.predict(drugs.take(np.arange(30, 40)))
    assert np.abs(mean - y[30:, :22]).mean() < 0.15 * spread
    both = fitted.pairs(drugs.take(np.arange(30, 40)), targets.take(np.arange(22, 30)))
    assert np.abs(both - y[30:, 22:]).mean() < 0.25 * spread
    np.testing.assert_allclose(fitted.pairs(drugs, seen_t), fitted.predict(drugs)[0], atol=1e-8)
    assert fitted.skill > 0.9


def test_what_is_said_of_rows_left_out_is_what_a_refit_without_them_says(truth):
    drugs, targets, y = truth
    family = np.arange(40) // 4
    said = BindingAffinity.cross_fit(drugs, measured(drugs, targets, y), partners=targets, groups=family)
    out = family == 3
    kernels, decoder = [], said.decoder
    for ur, width in ((drugs, decoder.widths[0]), (targets, decoder.widths[1])):
        square = ((ur.values[:, None] - ur.values[None]) ** 2).sum(axis=2)
        kernels.append(100 + (np.exp(-square / (2 * width)) if width else ur.values @ ur.values.T))
    k, other = kernels
    weights = np.linalg.solve(k[np.ix_(~out, ~out)] + decoder.row_penalty * np.eye((~out).sum()), y[~out] - y.mean())
    hat = np.linalg.solve(other + decoder.partner_penalty * np.eye(30), other)
    np.testing.assert_allclose(said.predicted[out], y.mean() + k[np.ix_(out, ~out)] @ weights @ hat, atol=1e-6)


def test_missing_pairs_are_filled_with_what_the_fit_says(truth):
    drugs, targets, y = truth
    observed = np.random.default_rng(3).random(y.shape) > 0.3
    hidden = np.where(observed, y, 99.0)
    said = BindingAffinity.cross_fit(drugs, measured(drugs, targets, hidden, observed), partners=targets)
    assert np.isnan(said.measured[~observed]).all()
    mean, _ = said.decoder.predict(drugs)
    assert np.abs(mean - y)[~observed].mean() < 0.2 * y.std()


def test_rows_unlike_those_of_training_are_less_certain(truth):
    drugs, targets, y = truth
    near = drugs.take(drugs.values[:, 0] > 0)
    fitted = BindingAffinity.fit(near, measured(near, targets, y[drugs.values[:, 0] > 0]), partners=targets)
    far = UR(-10 * near.values[:5], near.space, near.entities.iloc[:5])
    assert fitted.predict(far)[1].mean() > fitted.predict(near)[1].mean()


def test_widths_stay_finite_where_nothing_can_be_predicted(truth):
    drugs, targets, y = truth
    rng = np.random.default_rng(0)
    noise = measured(drugs, targets, rng.normal(size=y.shape) * np.exp(rng.normal(size=(40, 1)) * 2))
    held_out = BindingAffinity.cross_fit(drugs, noise, partners=targets)
    spread = np.vstack([held_out.spread, held_out.decoder.predict(side("drug", 200, 3, 5))[1]])
    typical = np.median(spread, axis=0)
    assert (spread.max(axis=0) / typical).max() < 50


def test_partners_may_be_unrelated(truth):
    drugs, targets, y = truth
    fitted = BindingAffinity.fit(drugs, measured(drugs, targets, y))
    assert np.abs(fitted.predict(drugs)[0] - y).mean() < 0.2 * y.std()
    with pytest.raises(DataError, match="Fit again with `partners`"):
        fitted.pairs(drugs, targets)


def test_refusals_say_what_to_do(truth):
    drugs, targets, y = truth
    with pytest.raises(DataError, match="Represent every partner"):
        BindingAffinity.fit(drugs, measured(drugs, targets, y), partners=targets.take(np.arange(5)))
    with pytest.raises(DataError, match="Measure more molecules"):
        BindingAffinity.fit(drugs, measured(drugs, targets, y), groups=np.zeros(40))
    nothing = np.ones(y.shape, dtype=bool)
    nothing[4] = False
    with pytest.raises(DataError, match="Drop those without"):
        BindingAffinity.fit(drugs, measured(drugs, targets, y, nothing))
    fitted = BindingAffinity.fit(drugs, measured(drugs, targets, y), partners=targets)
    with pytest.raises(SpaceError, match="refit"):
        fitted.pairs(drugs, side("other", 4, 3, 0))
