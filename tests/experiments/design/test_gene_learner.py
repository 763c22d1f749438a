"""Learners of genes: feedback is used, a prior is believed as far as it was right, permuted feedback is worth less."""

from dataclasses import replace

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.experiments.design.acquisition import Greedy
from aivc.experiments.design.gene_learner import GeneLearner, LearnerSettings
from tiny_campaigns import tiny_library

SIZE = 15


def found(learner, score, *, rounds=4, permuted=False, seed=0):
    size, rng = np.abs(score), np.random.default_rng(seed)
    hit = size >= np.sort(size)[-30]
    measured = learner.first(SIZE, rng)[:SIZE]
    for _ in range(rounds - 1):
        order = rng.permutation(len(measured)) if permuted else np.arange(len(measured))
        shown = measured[order]
        open_n = np.ones(len(learner), dtype=bool)
        open_n[measured] = False
        believed = learner.posterior(measured, size[shown], hit[shown])
        measured = np.concatenate([measured, Greedy().order(believed, open_n, SIZE, rng)[:SIZE]])
    return hit[measured].mean() * len(measured) / 30


def test_feedback_finds_most_hits_and_permuted_feedback_does_not():
    features, score = tiny_library(prior=0.0)
    learner = GeneLearner(features, LearnerSettings(start="random", strength_penalty=5.0, hit_penalty=10.0))
    true = np.mean([found(learner, score, seed=seed) for seed in range(4)])
    false = np.mean([found(learner, score, seed=seed, permuted=True) for seed in range(4)])
    # A fifth of the library is measured: so much would be found by chance.
    assert true > 2 * 0.2
    assert false < 0.75 * true


def test_a_good_prior_is_weighed_and_a_flipped_one_is_not():
    features, score = tiny_library()
    flipped = replace(features, prior=-features.prior, strength=-features.strength)
    places = np.arange(0, 300, 5)
    size = np.abs(score[places])
    y = (size - size.mean()) / size.std()
    vote = np.random.default_rng(0).standard_normal(len(places))
    assert GeneLearner(features).weights(vote, places, y)[1] > 0.5
    assert GeneLearner(flipped).weights(vote, places, y)[1] == 0.0
    assert GeneLearner(features, LearnerSettings(use_prior=False)).weights(vote, places, y)[1] == 0.0


def test_a_flipped_prior_costs_the_first_batch_and_not_the_campaign():
    features, score = tiny_library()
    soft = LearnerSettings(strength_penalty=5.0, hit_penalty=10.0)
    flipped = replace(features, prior=-features.prior, strength=-features.strength)
    assert found(GeneLearner(flipped, soft), score, rounds=1) < 0.1
    assert found(GeneLearner(flipped, soft), score) > 2 * 0.2


@pytest.mark.parametrize("start", ["prior", "coverage", "random"])
def test_a_first_order_names_every_gene_once(start):
    features, _ = tiny_library(60)
    order = GeneLearner(features, LearnerSettings(start=start)).first(SIZE, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(60))


def test_a_belief_is_in_the_units_of_strength():
    features, score = tiny_library()
    places = np.arange(0, 300, 2)
    size = np.abs(score)
    one, ten = (
        GeneLearner(features).posterior(places, scale * size[places], size[places] > 2) for scale in (1.0, 10.0)
    )
    np.testing.assert_allclose(ten.mean, 10 * one.mean, rtol=1e-4)
    assert ten.own == pytest.approx(10 * one.own, rel=1e-4)
    assert np.corrcoef(one.mean, size)[0, 1] > 0.7
    assert one.sd.shape == (300,)


def test_an_unknown_start_is_refused():
    with pytest.raises(DataError, match="coverage"):
        LearnerSettings(start="best")
