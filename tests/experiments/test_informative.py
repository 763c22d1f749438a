"""What is chosen to be measured teaches more than chance: in a known normal world, and through effect.v2."""

from dataclasses import replace

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.core.joint_error import JointlyUnsure
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.informative import joint_errors, most_informative
from aivc.instruments.manipulators.effect.effect_v2 import EffectV2
from tiny_effects import error, molecules, states

QUICK = Recipe(dim=6, members=2, inner_folds=0)
FAMILIES = (12, 9, 7, 5, 4, 3, 3, 2, 2, 1)


def world(seed, dim=12):
    """Effects of targets in families of different sizes, and noisy knowledge of who belongs together."""
    rng = np.random.default_rng(seed)
    family = np.repeat(np.arange(len(FAMILIES)), FAMILIES)
    effects = rng.standard_normal((len(FAMILIES), dim))[family] + 0.4 * rng.standard_normal((len(family), dim))
    known = np.eye(len(FAMILIES))[family] + 0.15 * rng.standard_normal((len(family), len(FAMILIES)))
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    shifts = {("c", f"ko:G{i}"): effect for i, effect in enumerate(effects)}
    return shifts, molecules({f"G{i}": row for i, row in enumerate(known)}), rng


def fitted(shifts, keys, parts):
    return EffectV2.fit(states({key: shifts[key] for key in keys}, variance=(1e-4, 1e-4)), parts=parts)


def unseen(seed, first=10):
    shifts, parts, rng = world(seed)
    keys = list(shifts)
    begun = [keys[i] for i in rng.choice(len(keys), first, replace=False)]
    return shifts, parts, begun, [key for key in keys if key not in begun]


def start(shifts):
    control = states({next(iter(shifts)): np.zeros(12)})
    return control.take(control.perturbations == CONTROL)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
def test_informative_wells_reduce_the_error_more_than_random_ones(seed):
    shifts, parts, begun, rest = unseen(seed)
    model, asked = fitted(shifts, begun, parts), {key: shifts[key] for key in rest}
    stated = model.joint(start(shifts), [Perturbation.parse(text) for _, text in rest])
    chosen = [rest[each.place] for each in most_informative(stated, 6)]
    by_chance = [np.random.default_rng(i).choice(len(rest), 6, replace=False) for i in range(4)]
    informed = error(fitted(shifts, begun + chosen, parts), asked)
    random = [error(fitted(shifts, begun + [rest[i] for i in some], parts), asked) for some in by_chance]
    assert informed < 0.9 * np.mean(random)
    assert informed < min(random) < error(model, asked)


def test_the_stated_variance_of_each_is_that_of_the_model():
    shifts, parts, begun, rest = unseen(0)
    model = fitted(shifts, begun, parts)
    asked = [Perturbation.parse(text) for _, text in rest]
    stated = model.joint(start(shifts), asked)
    alone = [model.predict(each, "c").variance.sum() for each in asked]
    # The model's own variance is rescaled by what practice showed, by one factor for all.
    ratio = np.diag(stated) / np.array(alone)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
    assert np.linalg.eigvalsh(stated).min() > -1e-6 * np.diag(stated).max()


@pytest.mark.parametrize("seed", range(3))
def test_in_a_normal_world_the_promised_share_is_what_goes_away(seed):
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((30, 4)) * rng.gamma(1.0, 1.0, (30, 1))
    covariance = factor @ factor.T + 0.1 * np.eye(30)
    chosen = most_informative(covariance, 5, noise=0.05)
    measured = [each.place for each in chosen]
    across = covariance[:, measured]
    gain = np.linalg.inv(covariance[np.ix_(measured, measured)] + 0.05 * np.eye(5))
    left = np.trace(covariance - across @ gain @ across.T)
    assert sum(each.share for each in chosen) == pytest.approx(1 - left / np.trace(covariance))
    shares = [each.share for each in chosen]
    assert shares == sorted(shares, reverse=True)


def test_what_is_measured_anyway_is_not_asked_again():
    twins = np.kron(np.diag([3.0, 2.0, 1.0]), np.ones((2, 2))) + 0.01 * np.eye(6)
    assert [each.place // 2 for each in most_informative(twins, 3)] == [0, 1, 2]
    assert [each.place // 2 for each in most_informative(twins, 2, given=[0])] == [1, 2]
    assert len(most_informative(twins, 99, given=[0, 1])) == 4


@pytest.fixture(scope="module")
def screened():
    return synthetic_screen(perturbations=8, features=40, cells=20, controls=40, prior_noise=0.05, seed=2)


def test_scores_have_the_size_of_their_intervals_and_the_likeness_of_the_model(screened):
    cells, truth = screened
    cell = fit(cells, "effect.v2", parts=truth.priors, recipe=QUICK)
    texts, half = [f"ko:G00{i}" for i in range(10, 16)], np.array([1.645, 3.29, np.inf, 1.0, np.nan, 2.0])
    found = joint_errors(cell, texts, "line1", half)
    np.testing.assert_allclose(np.sqrt(np.diag(found))[[0, 1, 2, 4]], [1.0, 2.0, 2.0, 2.0])
    manipulator = next(part for part in cell.instruments.values() if isinstance(part, JointlyUnsure))
    stated = manipulator.joint(cell.start(), [Perturbation.parse(text) for text in texts])
    np.testing.assert_allclose(found[0, 1] / 2, stated[0, 1] / np.sqrt(stated[0, 0] * stated[1, 1]))


def test_a_single_fit_that_says_nothing_of_its_errors_is_refused(screened):
    cell = fit(screened[0], "transfer", recipe=replace(QUICK, members=0))
    with pytest.raises(DataError, match=r"Fit it with effect\.v2"):
        joint_errors(cell, ["ko:G0020"], "line1", np.ones(1))
