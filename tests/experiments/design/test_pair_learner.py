"""Learners of pairs: order of the genes does not matter, and what makes pairs strong is found."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.experiments.design import pair_learner
from aivc.experiments.design.pair_learner import PairCandidates, PairLearner, completed, stack_earned


@pytest.fixture(scope="module")
def world():
    """Forty genes; scores are larger where genes are strong, and where both lie along one axis of knowledge."""
    rng = np.random.default_rng(0)
    axes = rng.standard_normal((40, 4))
    strong = rng.gamma(1.0, 1.0, 40)
    pairs = np.array([(i, j) for i in range(40) for j in range(i)])
    score = (strong[pairs].sum(axis=1) + 2 * axes[pairs[:, 0], 0] * axes[pairs[:, 1], 0]) * rng.choice(
        [-1, 1], len(pairs)
    )
    score += 0.3 * rng.standard_normal(len(pairs))
    candidates = PairCandidates(tuple(f"G{i}" for i in range(40)), pairs, axes, (axes @ axes.T)[None])
    return candidates, score


def test_the_order_of_two_genes_does_not_matter(world):
    candidates, _ = world
    np.testing.assert_allclose(
        candidates.values(candidates.pairs), candidates.values(candidates.pairs[:, ::-1]), atol=1e-6
    )
    assert candidates.values(candidates.pairs).shape[1] == sum(candidates.blocks())


def test_the_stack_predicts_better_than_magnitude_alone(world):
    candidates, score = world
    measured = np.random.default_rng(1).permutation(len(score))[:250]
    left = np.setdiff1d(np.arange(len(score)), measured)
    learner = PairLearner(candidates, np.zeros((0, 2), dtype=int), np.zeros(0))
    said = learner.posterior(measured, score[measured]).mean
    simple, _ = learner.magnitude(candidates.pairs[measured], np.abs(score[measured]), np.arange(1))
    stacked, alone = (np.corrcoef(each[left], np.abs(score[left]))[0, 1] for each in (said, simple))
    assert stacked > alone + 0.05
    again = learner.posterior(measured, score[measured]).mean
    np.testing.assert_array_equal(said, again)


def test_a_low_rank_matrix_is_completed():
    rng = np.random.default_rng(0)
    v = 4 * rng.standard_normal(60)
    pairs = np.array([(i, j) for i in range(60) for j in range(i)])
    value = v[pairs[:, 0]] * v[pairs[:, 1]]
    seen = rng.random(len(pairs)) < 0.6
    said = completed(60, pairs[seen], value[seen], pairs[~seen])
    assert np.corrcoef(said, value[~seen])[0, 1] > 0.8


def test_pairs_come_back_from_their_state(world):
    candidates, _ = world
    again = PairCandidates.from_state(candidates.state())
    assert again.names == candidates.names
    np.testing.assert_array_equal(again.likeness, candidates.likeness)


def test_impossible_pairs_and_too_few_are_refused(world):
    candidates, score = world
    with pytest.raises(DataError, match="two different genes"):
        PairCandidates.of(("A", "B"), np.array([[1, 1]]))
    with pytest.raises(DataError, match="at random"):
        PairLearner(candidates, np.zeros((0, 2), dtype=int), np.zeros(0)).posterior(np.arange(3), score[:3])


def test_magnitude_alone_is_believed_until_the_pairs_show_more(world):
    candidates, _ = world
    # Nothing is there to learn.
    score = np.random.default_rng(2).standard_normal(len(candidates))
    measured = np.arange(0, len(score), 10)
    learner = PairLearner(candidates, np.zeros((0, 2), dtype=int), np.zeros(0))
    said = learner.posterior(measured, score[measured]).mean
    simple, _ = learner.magnitude(candidates.pairs[measured], np.abs(score[measured]), np.arange(1))
    np.testing.assert_array_equal(said, simple)


def test_a_stack_is_earned_by_more_than_one_standard_error():
    rng = np.random.default_rng(0)
    size = rng.standard_normal(200)
    noise = size + rng.standard_normal(200)
    assert stack_earned(np.column_stack([noise, size + 0.3 * rng.standard_normal(200)]), size)
    assert not stack_earned(np.column_stack([size + 0.1 * rng.standard_normal(200), rng.standard_normal(200)]), size)


def test_genes_that_nobody_knows_are_refused(monkeypatch):
    empty = UR(
        np.zeros((0, 3)), Space("genes", Scale.MOLECULAR, 3, "0"), pd.DataFrame(index=pd.Index([], dtype=object))
    )
    monkeypatch.setattr(pair_learner, "gene_priors", lambda genes: empty)
    with pytest.raises(DataError, match="Nothing is known of any of 2 genes, first XX1"):
        PairCandidates.of(("XX1", "XX2"), np.array([[0, 1]]))
