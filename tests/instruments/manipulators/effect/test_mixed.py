import numpy as np
import pytest

from aivc.core.effects import effects
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.instruments.manipulators.effect.components import Component, Controls
from aivc.instruments.manipulators.effect.hiding import CONTEXT, FEW, PAIR, PERTURBATION, RELATIVE
from aivc.instruments.manipulators.effect.mixed import MixedModel, moments
from aivc.instruments.manipulators.effect.rows import EffectRows
from tiny_effects import DIM, states


def source(shifts, dim=DIM):
    return MixedModel(EffectRows.of(effects(states(shifts))), Knowledge.of(None), Controls((), np.zeros((0, dim))))


def additive(perturbations=30, contexts="ABCD", dim=DIM, seed=0):
    """Mean effect, context means and main effects of stated variances: 1, 0.5 and 2, and 0.3 of each row's own."""
    rng = np.random.default_rng(seed)
    mean, where = rng.normal(size=dim), 0.5**0.5 * rng.normal(size=(len(contexts), dim))
    away = 2**0.5 * rng.normal(size=(perturbations, dim))
    return {
        (c, f"ko:G{p:02d}"): mean + where[k] + away[p] + 0.3**0.5 * rng.normal(size=dim)
        for k, c in enumerate(contexts)
        for p in range(perturbations)
    }


@pytest.fixture(scope="module")
def learned():
    made = source(additive())
    return made, made.learn()


def test_moments_find_the_variances_that_effects_were_drawn_with():
    made = source(additive(perturbations=60, contexts="ABCDEFGHIJKL", dim=400), 400)
    rows = made.rows
    parts = (Component("all", "all"), Component("same", "all"), Component("all", "same"))
    found = moments(parts, rows.shifts @ rows.shifts.T / 400, rows.texts, rows.contexts)
    np.testing.assert_allclose(found[:3], [1.0, 0.5, 2.0], rtol=0.25)


def test_each_kind_of_question_is_practised_that_rows_can_show(learned):
    _, answer = learned
    assert FEW not in answer
    assert {kind: answer[kind].hidden > 0 for kind in answer} == {
        PAIR: True,
        CONTEXT: True,
        RELATIVE: False,
        PERTURBATION: True,
    }
    for kind in (PAIR, CONTEXT, PERTURBATION):
        assert (answer[kind].variances > 0).all()
    # A hidden pair knows both, a new context lacks its own mean, a new perturbation its main effect.
    assert answer[PAIR].error.mean() < answer[CONTEXT].error.mean() < answer[PERTURBATION].error.mean()
    assert answer[PAIR].error.mean() == pytest.approx(0.3 * (1 + 1 / 3), rel=0.3)
    assert answer[PERTURBATION].error.mean() == pytest.approx(2.3, rel=0.3)


def test_what_was_learned_is_taken_over_by_a_refit_of_the_same_components_and_learned_anew_for_others(learned):
    shifts, (made, answer) = additive(), learned
    some = source({key: shift for key, shift in shifts.items() if key[1] != "ko:G03"})
    for kind, each in some.relearn(answer).items():
        np.testing.assert_array_equal(each.variances, answer[kind].variances)
    alone = source({key: shift for key, shift in shifts.items() if key[0] == "A"})
    anew = alone.relearn(answer)
    assert anew[PAIR].variances.shape[1] == len(alone.parts) + 1 < len(made.parts) + 1


@pytest.mark.parametrize(
    "shifts",
    [
        additive(contexts="A"),
        additive(perturbations=1),
        additive(perturbations=1, contexts="A"),
        additive(perturbations=2, contexts="AB"),
        {key: 0 * shift for key, shift in additive().items()},
    ],
    ids=["one context", "one perturbation", "one row", "four rows", "zeros"],
)
def test_few_rows_or_none_that_differ_are_learned_from_all_the_same(shifts):
    for kind, each in source(shifts).learn().items():
        assert np.isfinite(each.variances).all(), kind
        assert (each.variances > 0).all()
        assert (each.error >= 0).all()
