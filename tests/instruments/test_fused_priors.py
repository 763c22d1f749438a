import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators.experts import product
from aivc.instruments.manipulators.fused_priors import FusedPriors
from aivc.instruments.manipulators.mean_effect import MeanEffect
from aivc.testing import check_manipulator, sample_parts, sample_ur

GENES, DIM, WIDTH = 60, 6, 5


def _blocks(values, covered):
    """A molecular UR of named blocks."""
    names = [f"G{i:02d}" for i in range(len(next(iter(values.values()))))]
    table = pd.DataFrame(index=names)
    for block, known in covered.items():
        table[f"covered_{block}"], table[f"axes_{block}"] = known, values[block].shape[1]
    joined = np.concatenate([values[b] * covered[b][:, None] for b in values], axis=1)
    return UR(joined, Space("molecular", Scale.MOLECULAR, joined.shape[1], "test"), table)


def _world(*, seed=0, genes=GENES, noise=0.3):
    """Effects that two sources explain a part of each; a third is noise, and a fourth repeats the first."""
    rng = np.random.default_rng(seed)
    values = {name: rng.standard_normal((genes, WIDTH)) / np.sqrt(WIDTH) for name in ("one", "two", "noise")}
    values["copy"] = values["one"].copy()
    covered = {name: rng.random(genes) < 0.9 for name in values}
    covered["copy"] = covered["one"].copy()
    truth = sum(values[name] @ rng.standard_normal((WIDTH, DIM)) for name in ("one", "two"))
    shifts = 0.7 + truth + noise * rng.standard_normal((genes, DIM))
    return _blocks(values, covered), shifts


def _states(shifts):
    texts = [CONTROL, *(f"oe:G{i:02d}" for i in range(len(shifts)))]
    entities = pd.DataFrame({"perturbation": texts, "context": "A"}, index=[f"row-{i}" for i in range(len(texts))])
    values = np.vstack([np.zeros(DIM), shifts])
    return UR(values, Space("test", Scale.CELLULAR, DIM, "test"), entities)


def _fit(count=45, **given):
    parts, shifts = _world(**given)
    return FusedPriors.fit(_states(shifts[:count]), parts=parts), parts, shifts


def _ask(fused, gene):
    return fused.expected(Perturbation.parse(f"oe:G{gene:02d}"))


def test_it_keeps_the_promises_of_a_manipulator():
    check_manipulator(FusedPriors)


def test_two_sources_foretell_unseen_genes_better_than_each_and_noise_is_not_trusted():
    fused, _, shifts = _fit()
    errors = {}
    for name, kept in {"all": (), "one": ("two", "noise", "copy"), "two": ("one", "noise", "copy")}.items():
        asked = fused.without(*kept)
        errors[name] = np.mean([((_ask(asked, g)[0] - shifts[g]) ** 2).mean() for g in range(45, GENES)])
    prior = np.mean([((fused.default - shifts[g]) ** 2).mean() for g in range(45, GENES)])
    assert errors["all"] < min(errors["one"], errors["two"]) < prior
    assert fused.skill.loc["noise", "weight"] < 0.2
    assert fused.skill.loc["fused", "error"] < fused.skill.loc[["one", "two"], "error"].min()


def test_a_source_that_repeats_another_is_not_counted_twice():
    fused, _, shifts = _fit()
    weights = fused.skill["weight"]
    assert weights["one"] + weights["copy"] < 1.3
    once = FusedPriors.fit(_states(shifts[:45]), parts=_without_block(_world()[0], "copy"))
    for gene in range(45, 50):
        # Knowing the same twice makes an answer surer by little.
        assert (_ask(fused, gene)[1] >= 0.6 * _ask(once, gene)[1]).all()


def _without_block(parts, block):
    table = parts.entities.copy()
    table[f"covered_{block}"] = False
    return UR(parts.values, parts.space, table)


def test_dropping_a_source_never_narrows():
    fused, _, _ = _fit()
    for gene in range(45, GENES):
        left = _ask(fused, gene)[1]
        for order in (("one", "two", "noise", "copy"), ("copy", "noise", "two", "one")):
            before = left
            for count in range(1, 5):
                after = _ask(fused.without(*order[:count]), gene)[1]
                assert (after >= before - 1e-12).all()
                before = after
        assert (before > left).any() or not left.any()


def test_what_nobody_knows_gets_the_mean_effect_with_the_variance_of_effects():
    fused, _, shifts = _fit()
    silent, variance = _ask(fused.without("one", "two", "noise", "copy"), 50)
    np.testing.assert_allclose(silent, shifts[:45].mean(axis=0))
    np.testing.assert_allclose(variance, fused.variance)
    stranger, widest = fused.expected(Perturbation.parse("ko:NEVER"))
    np.testing.assert_allclose(stranger, silent)
    np.testing.assert_allclose(widest, variance)


def test_unknown_targets_are_answered_as_mean_effect_answers_in_every_context():
    ur, parts = sample_ur(), sample_parts()
    fused, floor = FusedPriors.fit(ur, parts=parts), MeanEffect.fit(ur)
    control = ur.take(ur.perturbations == CONTROL)
    asked = Perturbation.parse("ko:NEVER-SEEN")
    answer = fused.manipulate(control, asked)
    assert answer.applicability is Applicability.OUT
    np.testing.assert_allclose(answer.mean, floor.manipulate(control, asked).mean)


def test_useless_sources_leave_the_mean_effect():
    parts, _ = _world()
    shifts = np.random.default_rng(5).standard_normal((GENES, DIM))
    fused = FusedPriors.fit(_states(shifts), parts=parts)
    said = np.array([_ask(fused, gene)[0] - fused.default for gene in range(GENES)])
    assert (said**2).mean() < 0.05 * fused.variance.mean()


def test_draws_are_centred_and_as_wide_as_the_variance():
    fused, _, _ = _fit()
    control = _states(np.zeros((1, DIM))).take(np.array([0]))
    asked = Perturbation.parse("oe:G50")
    mean, variance = fused.expected(asked)
    answer = fused.manipulate(control, asked)
    np.testing.assert_allclose(answer.mean, mean, atol=1e-9)
    assert 0.3 < (answer.spread / np.sqrt(variance)).mean() < 2
    assert np.array_equal(answer.mean, fused.manipulate(control, asked).mean)


def test_what_was_seen_is_looked_up():
    fused, _, shifts = _fit()
    control = _states(np.zeros((1, DIM))).take(np.array([0]))
    answer = fused.manipulate(control, Perturbation.parse("oe:G03"))
    assert answer.applicability is Applicability.IN
    np.testing.assert_allclose(answer.mean, shifts[3])


def test_opposite_interventions_get_opposite_deviations():
    fused, _, _ = _fit()
    up, down = (fused.expected(Perturbation.parse(f"{kind}:G50"))[0] - fused.default for kind in ("oe", "ko"))
    np.testing.assert_allclose(up, -down)


def test_half_a_known_pair_is_not_known():
    fused, _, _ = _fit()
    _, wide = fused.expected(Perturbation.parse("oe:G50 + oe:NEVER"))
    np.testing.assert_allclose(wide, 2 * fused.variance)


def test_the_product_of_experts_is_that_of_gaussians():
    # Prior N(0, 1); likelihoods that turn it into N(1, 1/2) and N(2, 1/4) have precisions 1 and 3.
    said_pd, left_p = product(np.array([[[1.0]], [[2.0]]]), np.array([[0.5], [0.75]]), np.ones(2))
    assert left_p[0] == pytest.approx(1 / 5)
    assert said_pd[0, 0] == pytest.approx((1.0 * 2 + 2.0 * 4) / 5)


def test_refusals_say_what_to_do():
    parts, shifts = _world()
    states = _states(shifts[:10])
    with pytest.raises(DataError, match="pass parts=gene_priors"):
        FusedPriors.fit(states)
    named = UR(parts.values, parts.space, parts.entities.set_axis([f"X{i}" for i in range(GENES)], axis=0))
    with pytest.raises(DataError, match="Are their targets gene symbols"):
        FusedPriors.fit(states, parts=named)
    with pytest.raises(UnknownNameError, match="Did you mean 'noise'"):
        FusedPriors.fit(states, parts=parts).without("nois")


def test_few_perturbations_are_enough_to_fit():
    parts, shifts = _world()
    fused = FusedPriors.fit(_states(shifts[:2]), parts=parts)
    assert not fused.trust.any()
    np.testing.assert_allclose(_ask(fused, 50)[0], shifts[:2].mean(axis=0))


def test_without_keeps_the_original():
    fused, _, _ = _fit()
    assert not fused.without("one").covered[:, 0].any()
    assert fused.covered[:, 0].any()
