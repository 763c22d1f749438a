import numpy as np
import pytest

import tiny_parts
from aivc.core.errors import ControlError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.data.streaming.normalize import normalize
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.predict import predict
from aivc.instruments.manipulators.baselines.mean_effect import MeanEffect
from aivc.representations.cellular.count_pca import CountPCA
from aivc.uncertainty.ensemble import Ensemble


@pytest.fixture(scope="module")
def states():
    screen, truth = synthetic_screen(perturbations=12, features=60, cells=15, controls=60)
    return CountPCA.fit(screen, dim=6).encode(screen), truth


def test_draws_are_centred_on_the_fit_to_everything(states):
    ur, truth = states
    part = Ensemble.fit(ur, parts=truth.priors, members=5)
    start, asked = ur.take(ur.perturbations == CONTROL), Perturbation.parse("ko:G0030")
    said = part.manipulate(start, asked)
    assert len(said.draws) == 5
    np.testing.assert_allclose(said.mean, part.center.manipulate(start, asked).mean, atol=1e-9)
    assert said.spread.max() > 0


def test_what_a_method_itself_does_not_know_is_kept(states, register):
    register(*tiny_parts.POINTS)
    ur, truth = states
    part = Ensemble.fit(ur, manipulator="tiny-uncertain", parts=truth.priors, members=6)
    start = ur.take(ur.perturbations == CONTROL)
    known, unknown = (part.manipulate(start, Perturbation.parse(text)) for text in ("ko:G0030", "ko:NOBODY"))
    np.testing.assert_allclose(unknown.mean, part.center.manipulate(start, Perturbation.parse("ko:NOBODY")).mean)
    assert unknown.spread.mean() > known.spread.mean()


def test_of_control_nothing_is_uncertain(states):
    ur, truth = states
    part = Ensemble.fit(ur, parts=truth.priors, members=6)
    start = ur.take(ur.perturbations == CONTROL)
    said = part.manipulate(start, Perturbation.control())
    np.testing.assert_array_equal(said.mean, start.mean)
    assert said.spread.max() == 0


def test_members_have_not_seen_every_perturbation(states):
    ur, truth = states
    part = Ensemble.fit(ur, manipulator="transfer", members=6)
    seen = [set(member.perturbations) for member in part.members]
    assert {len(each) for each in seen} == {8}
    assert set.union(*seen) == set(part.center.perturbations) == set(truth.perturbations)


def test_more_perturbations_leave_less_ignorance():
    spreads = []
    for count in (8, 40):
        screen, _ = synthetic_screen(perturbations=count, features=60, cells=15, controls=60, seed=1)
        ur = CountPCA.fit(screen, dim=6).encode(screen)
        said = Ensemble.fit(ur, manipulator="mean-effect").manipulate(
            ur.take(ur.perturbations == CONTROL), Perturbation.parse("ko:G0055")
        )
        spreads.append(said.spread.mean() / ur.values.std())
    assert spreads[1] < 0.7 * spreads[0]


def test_one_fit_says_nothing_of_its_ignorance(states):
    ur, truth = states
    part = Ensemble.fit(ur, parts=truth.priors, members=0)
    said = part.manipulate(ur.take(ur.perturbations == CONTROL), Perturbation.parse("ko:G0030"))
    assert len(said.draws) == 1
    assert said.made_by == ("ensemble", "ridge-on-priors")


def test_the_seed_chooses_the_subsets(states):
    ur, truth = states
    start, asked = ur.take(ur.perturbations == CONTROL), Perturbation.parse("ko:G0030")
    spreads = [
        Ensemble.fit(ur, parts=truth.priors, seed=seed).manipulate(start, asked).spread.tolist() for seed in (0, 0, 1)
    ]
    assert spreads[0] == spreads[1] != spreads[2]


def test_controls_alone_and_unknown_names_are_refused(states):
    ur, _ = states
    with pytest.raises(ControlError, match="Add perturbed cells"):
        Ensemble.fit(ur.take(ur.perturbations == CONTROL))
    with pytest.raises(UnknownNameError, match="ridge-on-priors"):
        Ensemble.fit(ur, manipulator="ridge-on-prior")


@pytest.mark.slow
def test_an_ensemble_alone_is_overconfident():
    """Why there is calibration: nominal 90 % intervals of the ensemble hold far less than 90 %."""
    covered = []
    for seed in range(3):
        screen, truth = synthetic_screen(perturbations=20, features=60, cells=40, controls=150, seed=seed)
        hidden = truth.perturbations[-5:]
        recipe = Recipe(dim=8, members=6, inner_folds=0, seed=seed)
        cell = fit(screen.take(~np.isin(screen.perturbations, hidden)), parts=truth.priors, recipe=recipe)
        profile = {
            text: normalize(screen.take(screen.perturbations == text), cell.card["units"]).dense().mean(axis=0)
            for text in (CONTROL, *hidden)
        }
        for text in hidden:
            low, high = predict(cell, cell.start("line1"), Perturbation.parse(text)).effect_interval(0.9)
            effect = profile[text] - profile[CONTROL]
            covered.append(((effect >= low) & (effect <= high)).mean())
    assert np.mean(covered) < 0.8


def test_what_states_its_own_spread_is_not_refitted(states):
    ur, truth = states
    part = Ensemble.fit(ur, manipulator="flow.v1", parts=truth.priors, members=6, settings={"steps": 0})
    assert part.members == ()
    start, asked = ur.take(ur.perturbations == CONTROL), Perturbation.parse("ko:G0030")
    ours, theirs = part.manipulate(start, asked), part.center.manipulate(start, asked)
    np.testing.assert_array_equal(ours.profiles, theirs.profiles)
    assert ours.spread.max() > 0


def test_one_that_abstains_answers_what_was_measured_and_lets_the_floor_answer_the_rest(states):
    ur, truth = states
    start = ur.take(ur.perturbations == CONTROL)
    part, floor = Ensemble.fit(ur, parts=truth.priors, members=3), MeanEffect.fit(ur)
    new, seen = Perturbation.parse("ko:G0030"), Perturbation.parse(truth.perturbations[0])
    for trusted in (True, False):
        shy = Ensemble.from_state(part.abstaining(ur, floor, (), (trusted,)).state())
        said = shy.manipulate(start, new)
        expected = (part if trusted else floor).manipulate(start, new)
        np.testing.assert_array_equal(said.mean, expected.mean)
        assert said.abstained is not trusted
        assert said.applicability == part.manipulate(start, new).applicability
        for asked in (seen, Perturbation.control()):
            np.testing.assert_array_equal(shy.manipulate(start, asked).mean, part.manipulate(start, asked).mean)
    # Trusted only beyond a departure that no answer reaches, then only below it.
    assert part.abstaining(ur, floor, (1e9,), (False, True)).manipulate(start, new).abstained
    assert not part.abstaining(ur, floor, (1e9,), (True, False)).manipulate(start, new).abstained


def test_members_say_whose_errors_go_together(states):
    ur, truth = states
    part = Ensemble.fit(ur, parts=truth.priors, members=8)
    start = ur.take(ur.perturbations == CONTROL)
    asked = [Perturbation.parse(f"ko:G00{i}") for i in range(20, 26)]
    stated = part.joint(start, asked)
    spread = [((part.manipulate(start, each).spread) ** 2).sum() for each in asked]
    np.testing.assert_allclose(np.diag(stated), spread, rtol=1e-6)
    assert np.linalg.eigvalsh(stated).min() > -1e-9
    assert Ensemble.fit(ur, parts=truth.priors, members=0).joint(start, asked) is None


def test_a_full_fit_that_knows_how_its_errors_go_together_says_it(states):
    ur, truth = states
    part = Ensemble.fit(ur, manipulator="effect.v2", parts=truth.priors)
    start = ur.take(ur.perturbations == CONTROL)
    asked = [Perturbation.parse(f"ko:G00{i}") for i in range(20, 24)]
    np.testing.assert_array_equal(part.joint(start, asked), part.center.joint(start, asked))
