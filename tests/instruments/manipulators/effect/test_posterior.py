from functools import cache

import numpy as np
import pytest

from aivc.core.effects import effects
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.instruments.manipulators.effect.components import Component, Controls, Covariance, Queries
from aivc.instruments.manipulators.effect.likeness import Likeness
from aivc.instruments.manipulators.effect.posterior import Posterior
from aivc.instruments.manipulators.effect.rows import EffectRows
from aivc.instruments.manipulators.effect.strata import Stratum, strata
from tiny_effects import states

PARTS = (Component("all", "all"), Component("same", "all"), Component("all", "same"))
VARIANCES, OWN = (0.5, 0.3, 0.7), 0.4
ASKED = Queries(np.array(["ko:G1", "ko:G2", "ko:NEVER"]), np.array(["C", "Z", "A"]), {})


@cache
def rows(noise=None):
    rng = np.random.default_rng(0)
    shifts = {(c, f"ko:G{i}"): rng.normal(size=8) for c in "ABC" for i in range(25) if (c, i) != ("C", 1)}
    return EffectRows.of(effects(states(shifts, variance=noise)))


def posterior(seen, cut):
    asked = Queries(seen.texts, seen.contexts, {})
    nothing, blank = Knowledge.of(None), Controls((), np.zeros((0, 8)))
    covariance = Covariance(PARTS, Likeness.of(seen), nothing, blank)
    return Posterior(seen, covariance, cut, np.tile([*VARIANCES, OWN], (len(cut), 1)), asked)


def dense(seen, noise=(0.0, 0.0)):
    """The same Gaussian process in a few lines of numpy, one feature at a time."""
    count = len(seen)
    texts, contexts = (np.concatenate(each) for each in ((seen.texts, ASKED.texts), (seen.contexts, ASKED.contexts)))
    same_p, same_c = texts[:, None] == texts, contexts[:, None] == contexts
    prior = VARIANCES[0] + VARIANCES[1] * same_c + VARIANCES[2] * same_p + OWN * (same_p & same_c)
    answer = prior[:count, :count] + noise[0] * np.eye(count) + noise[1] * same_c[:count, :count]
    across = prior[count:, :count]
    variance = np.diag(prior[count:, count:] - across @ np.linalg.solve(answer, across.T))
    return across @ np.linalg.solve(answer, seen.shifts), variance


def test_it_is_the_gaussian_process_it_says_it_is():
    mean, variance = dense(rows())
    found = posterior(rows(), [Stratum(None, np.zeros((0, 8)))])
    np.testing.assert_allclose(found.shift(ASKED), mean, atol=1e-6)
    np.testing.assert_allclose(found.variance(ASKED), variance, rtol=1e-6)


def test_known_noise_stands_beside_what_rows_have_to_themselves_and_shared_noise_between_rows_of_a_context():
    seen = rows((0.2, 0.3))
    mean, variance = dense(seen, (0.2 * 8, 0.3 * 8))
    found = posterior(seen, [Stratum(None, np.zeros((0, 8)))])
    np.testing.assert_allclose(found.shift(ASKED), mean, atol=1e-6)
    np.testing.assert_allclose(found.variance(ASKED), variance, rtol=1e-6)


def test_strata_of_the_same_variances_are_no_strata():
    one = posterior(rows(), [Stratum(None, np.zeros((0, 8)))])
    wide = np.random.default_rng(0).normal(size=(len(rows()), 40)) * np.geomspace(9, 0.1, 40)
    many = EffectRows(wide, rows().texts, rows().contexts, np.zeros(wide.shape), np.zeros(wide.shape))
    cut = strata(wide)
    assert len(cut) > 1
    whole = posterior(many, [Stratum(None, np.zeros((0, 40)))])
    np.testing.assert_allclose(posterior(many, cut).shift(ASKED), whole.shift(ASKED), atol=1e-8)
    assert len(one.weights(ASKED)) == 1


def test_a_gap_is_predicted_by_all_other_rows():
    seen = rows()
    cut = [Stratum(None, np.zeros((0, 8)))]
    found = posterior(seen, cut).completed(np.ones(seen.shifts.shape, dtype=bool), rounds=1)
    for row in (0, 30, 73):
        others = seen.take(np.delete(np.arange(len(seen)), row))
        asked = Queries(seen.texts[[row]], seen.contexts[[row]], {})
        np.testing.assert_allclose(found[row], posterior(others, cut).shift(asked)[0], atol=1e-6)
    gaps = np.zeros(seen.shifts.shape, dtype=bool)
    gaps[3, 5] = True
    only = posterior(seen, cut).completed(gaps)
    np.testing.assert_array_equal(only[~gaps], seen.shifts[~gaps])
    assert only[3, 5] != seen.shifts[3, 5]


@pytest.mark.parametrize("noise", [None, (0.2, 0.3)])
def test_answers_are_the_rows_weighed(noise):
    seen = rows(noise)
    found = posterior(seen, strata(seen.shifts[:, :4])[:1])
    np.testing.assert_allclose(found.weights(ASKED)[0] @ seen.shifts, found.shift(ASKED), atol=1e-10)
    one_by_one = np.vstack([found.shift(ASKED.take(np.array([i]))) for i in range(3)])
    np.testing.assert_allclose(found.many(ASKED, block=2), one_by_one, atol=1e-12)


def test_a_measured_row_is_its_own_answer_where_it_has_no_noise():
    seen = rows()
    asked = Queries(seen.texts[:5], seen.contexts[:5], {})
    found = posterior(seen, [Stratum(None, np.zeros((0, 8)))])
    np.testing.assert_allclose(found.shift(asked), seen.shifts[:5], atol=1e-6)
    assert (found.variance(asked) < 1e-5 * found.variance(ASKED).min()).all()


def test_of_an_unseen_one_the_mean_effect_is_predicted():
    found = posterior(rows(), [Stratum(None, np.zeros((0, 8)))])
    stranger = ASKED.take(np.array([2]))
    known = Queries(np.array(["ko:G3"]), np.array(["A"]), {})
    np.testing.assert_allclose(found.shift(known, mean=True), found.shift(stranger), atol=1e-12)
    assert found.variance(stranger) > found.variance(Queries(np.array(["ko:G1"]), np.array(["C"]), {}))
