"""Halving the same cells in several ways: every way is a partition, and what is put together again is unchanged."""

import itertools

import numpy as np
import pytest

from aivc.data.splits.folds import unseen_donor, unseen_perturbation
from aivc.data.splits.split import REPLICATE, SCORE
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.protocol.questions import EvaluationSet
from aivc.evaluation.protocol.resplit import RESPLITS, merge, pieces
from aivc.experiments.fitting.summary import summarize


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=6, features=30, cells=40, controls=60, contexts=2)[0]


@pytest.fixture(scope="module")
def evaluation(screen):
    return EvaluationSet.prepare(screen, unseen_perturbation(screen, folds=2), cells=100)


def test_no_two_ways_are_alike_or_turned_round():
    sets = [frozenset((part, n) for part, numbers in way.items() for n in numbers) for way in RESPLITS]
    whole = frozenset(itertools.product([SCORE, REPLICATE], range(3)))
    assert all(len(each) == 3 for each in sets)
    assert len({frozenset([each, whole - each]) for each in sets}) == len(RESPLITS) == 5
    assert RESPLITS[0] == {SCORE: {0, 1, 2}, REPLICATE: set()}


def test_pieces_are_even_and_only_of_halves(screen):
    parts = np.where(screen.perturbations == "control", "control-train", SCORE)
    found = pieces(screen, parts)
    assert set(found[screen.perturbations == "control"]) == {0}
    own = found[(screen.perturbations == screen.perturbations[-1]) & (screen.contexts == screen.contexts[-1])]
    assert np.ptp(np.bincount(own, minlength=3)) <= 1


def test_small_halves_are_not_cut(screen):
    few = screen.take(np.arange(len(screen)) % 5 == 0)
    assert set(pieces(few, np.full(len(few), SCORE))[few.perturbations != "control"]) == {0}


def test_pieces_put_together_are_what_was_never_cut(screen):
    parts = np.where(screen.perturbations == "control", "control-train", SCORE)
    whole = summarize(screen, parts=parts)
    again = merge(summarize(screen, parts=parts, blocks=pieces(screen, parts)))
    assert again.profiles.entities.index.tolist() == whole.profiles.entities.index.tolist()
    np.testing.assert_allclose(again.profiles.dense(), whole.profiles.dense(), rtol=1e-9)
    np.testing.assert_allclose(again.variance, whole.variance, rtol=1e-6, atol=1e-12)
    assert again.sample.entities.index.tolist() == whole.sample.entities.index.tolist()


def test_every_way_uses_each_cell_once(evaluation):
    question = next(evaluation.questions(0))
    count = question.truth.cells + question.replicate.cells
    whole = question.truth.profile * question.truth.cells + question.replicate.profile * question.replicate.cells
    profiles = []
    for number in range(evaluation.resplits):
        halved = evaluation.resplit(question, number)
        assert halved.truth.cells + halved.replicate.cells == count
        both = halved.truth.profile * halved.truth.cells + halved.replicate.profile * halved.replicate.cells
        np.testing.assert_allclose(both, whole, rtol=1e-6)
        assert halved.cells.values.shape[0] == halved.truth.cells
        assert halved.control is question.control
        profiles.append(halved.truth.profile)
    assert evaluation.resplits == 5
    assert len(np.unique(np.round(profiles, 9), axis=0)) == 5


def test_depth_gives_the_counts_back(evaluation, screen):
    question = next(evaluation.questions(0))
    target = float(evaluation.summary.units.removeprefix("log1p_cp"))
    block = question.cells.values
    counts = np.expm1(np.asarray(block if isinstance(block, np.ndarray) else block.toarray(), dtype=float))
    counts *= question.cells.depth[:, None] / target
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)
    np.testing.assert_allclose(counts.sum(axis=1), question.cells.depth, rtol=1e-5)


def test_questions_share_their_controls(evaluation):
    first, second, *_ = (q for q in evaluation.questions(0) if q.context == "line1")
    assert first.controls is second.controls
    assert first.controls.values.shape[0] > 10


def test_donors_are_halved_each_by_itself():
    cells = synthetic_screen(perturbations=4, features=30, cells=90, controls=90, donors=3)[0]
    evaluation = EvaluationSet.prepare(cells, unseen_donor(cells), cells=100)
    question = next(evaluation.questions(0))
    halved = evaluation.resplit(question, 3)
    assert halved.truth.cells + halved.replicate.cells == question.truth.cells + question.replicate.cells
