"""Where the truth is known, is it found? Effects of unseen perturbations, contexts and combinations."""

import numpy as np
import pytest

from aivc.core.errors import ControlError, DataError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.core.registry import MANIPULATORS
from aivc.core.ur import UR
from aivc.data.synthetic import synthetic_screen
from aivc.instruments.manipulators.priors.places import index_of, locate, unit_rows
from aivc.representations.cellular.count_pca import CountPCA

SEEDS = range(3)


def encoded(**settings):
    screen, truth = synthetic_screen(features=120, controls=200, **settings)
    return CountPCA.fit(screen, dim=12).encode(screen), truth


def shift(ur, text, context="line1"):
    """What was measured."""
    here = ur.contexts == context
    perturbed, control = (ur.values[here & (ur.perturbations == label)] for label in (text, CONTROL))
    return perturbed.mean(axis=0) - control.mean(axis=0)


def predicted(part, ur, text, context="line1"):
    start = ur.take((ur.perturbations == CONTROL) & (ur.contexts == context))
    answer = part.manipulate(start, Perturbation.parse(text))
    return answer.mean - start.mean, answer.applicability


def scores(names, ur, train, asked, priors):
    """Mean correlation of predicted and measured shifts, by method."""
    parts = {name: MANIPULATORS.load(name).fit(ur.take(train), parts=priors) for name in names}
    return {
        name: np.mean([np.corrcoef(predicted(part, ur, *key)[0], shift(ur, *key))[0, 1] for key in asked])
        for name, part in parts.items()
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_priors_tell_what_unseen_perturbations_do(seed):
    ur, truth = encoded(perturbations=28, cells=40, seed=seed)
    hidden = list(truth.perturbations[-7:])
    found = scores(
        ["mean-effect", "ridge-on-priors", "nearest"],
        ur,
        ~np.isin(ur.perturbations, hidden),
        [(text,) for text in hidden],
        truth.priors,
    )
    assert found["ridge-on-priors"] > max(0.7, found["mean-effect"] + 0.3)
    assert found["nearest"] > max(0.8, found["mean-effect"] + 0.3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_perturbation_does_in_a_new_context_what_it_did_in_others(seed):
    ur, truth = encoded(perturbations=12, cells=40, contexts=3, seed=seed)
    train = (ur.contexts != "line3") | (ur.perturbations == CONTROL)
    asked = [(text, "line3") for text in truth.perturbations]
    found = scores(["mean-effect", "transfer"], ur, train, asked, truth.priors)
    assert found["transfer"] > max(0.8, found["mean-effect"] + 0.3)


@pytest.mark.parametrize("seed", SEEDS)
def test_combinations_add_up(seed):
    ur, truth = encoded(perturbations=12, cells=40, combos=8, seed=seed)
    hidden = [text for text in truth.perturbations if "+" in text]
    asked = [(text,) for text in hidden]
    found = scores(["mean-effect", "additive"], ur, ~np.isin(ur.perturbations, hidden), asked, truth.priors)
    assert found["additive"] > max(0.95, found["mean-effect"] + 0.2)


@pytest.fixture(scope="module")
def small():
    return encoded(perturbations=8, cells=20, contexts=2, combos=3)


def test_additive_tells_agents_apart_that_were_only_given_together(small):
    ur, truth = small
    pair = next(text for text in truth.perturbations if "+" in text)
    known = MANIPULATORS.load("additive").fit(ur)
    assert predicted(known, ur, pair)[1] is Applicability.IN
    half = f"{pair.split(' + ')[0]} + ko:G0100"
    assert predicted(known, ur, half)[1] is Applicability.EDGE
    assert predicted(known, ur, "ko:G0100")[1] is Applicability.OUT


@pytest.mark.parametrize("name", ["transfer", "nearest", "ridge-on-priors"])
def test_what_was_measured_is_looked_up_and_not_regressed(small, name):
    ur, truth = small
    one = ur.take(ur.contexts == "line1")
    part = MANIPULATORS.load(name).fit(one, parts=truth.priors)
    text = truth.perturbations[0]
    shift_d, stated = predicted(part, one, text)
    assert stated is Applicability.IN
    assert np.corrcoef(shift_d, shift(one, text))[0, 1] > 0.98


@pytest.mark.parametrize("name", ["nearest", "ridge-on-priors", "transfer"])
def test_what_nothing_is_known_of_lies_outside_and_gets_the_mean_effect_of_the_context(small, name):
    ur, truth = small
    part, mean = (MANIPULATORS.load(each).fit(ur, parts=truth.priors) for each in (name, "mean-effect"))
    for context in ("line1", "line2"):
        shift_d, stated = predicted(part, ur, "ko:NOBODY", context)
        assert stated is Applicability.OUT
        np.testing.assert_allclose(shift_d, predicted(mean, ur, "ko:NOBODY", context)[0], atol=1e-9)
    assert np.abs(part.means[0] - part.means[1]).max() > 0.01


def test_an_agent_never_seen_does_what_an_average_agent_does_there(small):
    ur, _ = small
    part = MANIPULATORS.load("additive").fit(ur)
    for context, offset in zip(part.contexts, part.offsets, strict=True):
        shift_d, stated = predicted(part, ur, "ko:NOBODY", context)
        assert stated is Applicability.OUT
        np.testing.assert_allclose(shift_d, offset, atol=1e-9)


def test_relatives_lie_at_the_edge(small):
    ur, truth = small
    hidden = truth.perturbations[0]
    part = MANIPULATORS.load("nearest").fit(ur.take(ur.perturbations != hidden), parts=truth.priors)
    assert predicted(part, ur, hidden)[1] is Applicability.EDGE


def test_mean_effect_is_that_of_the_context(small):
    ur, _ = small
    part = MANIPULATORS.load("mean-effect").fit(ur)
    assert not np.allclose(predicted(part, ur, "ko:G0001", "line1")[0], predicted(part, ur, "ko:G0001", "line2")[0])
    start = ur.take(ur.perturbations == CONTROL)
    other_contexts = UR(start.values, start.space, start.entities.assign(context="line9"))
    moved = part.manipulate(other_contexts, Perturbation.parse("ko:G0001"))
    np.testing.assert_allclose(moved.mean - start.mean, part.default, atol=1e-9)


def test_useless_priors_are_not_used():
    ur, truth = encoded(perturbations=20, cells=20)
    noise = np.random.default_rng(0).normal(size=truth.priors.values.shape)
    useless = UR(noise, truth.priors.space, truth.priors.entities)
    part = MANIPULATORS.load("ridge-on-priors").fit(ur, parts=useless)
    with_priors = MANIPULATORS.load("ridge-on-priors").fit(ur, parts=truth.priors)
    assert part.penalty > 10 * with_priors.penalty


@pytest.mark.parametrize("name", ["nearest", "ridge-on-priors"])
def test_without_priors_there_is_nothing_to_regress_on(small, name):
    with pytest.raises(DataError, match="choose mean-effect"):
        MANIPULATORS.load(name).fit(small[0])


def test_priors_of_others_are_refused(small):
    ur, truth = small
    others = truth.priors.entities.set_axis([f"X{i}" for i in range(len(truth.priors))], axis=0)
    with pytest.raises(DataError, match="Are their targets gene symbols"):
        MANIPULATORS.load("ridge-on-priors").fit(ur, parts=UR(truth.priors.values, truth.priors.space, others))


@pytest.mark.parametrize("name", ["mean-effect", "transfer", "additive", "nearest", "ridge-on-priors"])
def test_a_context_without_control_is_refused(small, name):
    ur, truth = small
    lost = ur.take((ur.contexts == "line1") | (ur.perturbations != CONTROL))
    with pytest.raises(ControlError, match="line2"):
        MANIPULATORS.load(name).fit(lost, parts=truth.priors)


def test_opposite_interventions_lie_opposite():
    index, values = index_of(("A", "B")), np.array([[1.0, 0.0], [0.0, 2.0]])
    down, up = (locate(Perturbation.parse(f"{kind}:A"), index, values) for kind in ("crispri", "crispra"))
    np.testing.assert_allclose(down, -up)
    both = locate(Perturbation.parse("ko:A + ko:B"), index, values)
    np.testing.assert_allclose(both, [-1.0, -2.0])
    assert locate(Perturbation.parse("ko:C"), index, values) is None
    np.testing.assert_allclose(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0.0, 0.0]])
