"""Weighted sums of effects, and the interval that intervals of effects make of them, worked out by hand."""

import pickle

import numpy as np
import pytest

from aivc.core.perturbation import Perturbation
from aivc.experiments.response import Response
from aivc.experiments.scores.answer import Answer
from aivc.experiments.scores.linear_effects import LinearEffects
from aivc.experiments.scores.score_text import parse_score
from aivc.experiments.scores.screen_score import GoalScore

FEATURES = np.array(["A", "B", "C"], dtype=object)
ASKED = [Perturbation.parse(text) for text in ("ko:A", "ko:X", "drug:d@1uM")]
EFFECT = np.array([[-4.0, 1.0, 2.0], [1.0, -1.0, 0.5], [0.0, 2.0, -2.0]])


def answer(**others):
    interval = EFFECT - np.array([1, 2, 3]), EFFECT + np.array([1, 2, 3])
    return Answer(ASKED, FEATURES, EFFECT, "log1p_cp10k", interval=interval, **others)


def test_a_sum_is_at_its_ends_where_all_effects_are():
    found = parse_score("gene:B - 0.5 * gene:C + 1").linear(answer())
    assert found.value() == pytest.approx(EFFECT[:, 1] - 0.5 * EFFECT[:, 2] + 1)
    low, high = found.ends()
    assert low == pytest.approx(found.value() - 3.5)
    assert high == pytest.approx(found.value() + 3.5)
    assert found.scored_on().tolist() == [2, 2, 2]


def test_effects_that_cancel_leave_no_doubt():
    found = parse_score("gene:B - gene:B").linear(answer())
    assert [end.tolist() for end in found.ends()] == [[0, 0, 0], [0, 0, 0]]
    assert found.scored_on().tolist() == [0, 0, 0]


def test_the_own_target_is_left_out_and_counted():
    found = LinearEffects.of(Response.parse("A, B"), answer())
    assert found.value() == pytest.approx([1.0, 0.0, 1.0])
    assert found.self_target.tolist() == [True, False, False]
    assert found.scored_on().tolist() == [1, 2, 2]
    # Of all that is read, it is the trivial score, and rests on nothing else.
    trivial = LinearEffects.of(Response.parse("A"), answer())
    assert (trivial.value()[0], trivial.scored_on()[0]) == (-4.0, 0)
    assert LinearEffects.of(Response.parse("A"), answer(), own=True).self_target.tolist() == [False, False, False]


@pytest.mark.parametrize("text", ["abs(gene:B)", "max(gene:A, gene:B)", "gene:A * gene:B", "1 / gene:A", "gene:A / 0"])
def test_what_is_no_sum_of_effects_says_so(text):
    assert parse_score(text).linear(answer()) is None


@pytest.mark.parametrize("text", ["-gene:B", "gene:B / 4", "2 * (gene:A + signature:B,-C)", "3"])
def test_linear_scores_are_what_they_are_evaluated_to(text):
    score = parse_score(text)
    assert score.linear(answer()).value() == pytest.approx(score.of(answer()))


def test_a_difference_between_contexts_adds_both_intervals():
    answers = {"here": answer(), "there": answer()}
    score = parse_score('selectivity("here", "there", gene:B)')
    low, high = score.linear(answer(contexts=answers)).ends()
    assert (low.tolist(), high.tolist()) == ([-4.0] * 3, [4.0] * 3)
    assert not score.here
    assert parse_score('at("here", gene:B) + gene:A').here


def test_scores_reach_other_processes():
    goal = GoalScore({"A": 1.0}, "goal.csv")
    assert pickle.loads(pickle.dumps(goal)) == goal
    score = parse_score("gene:A - 0.5 * signature:B,-C")
    assert str(pickle.loads(pickle.dumps(score))) == str(score)
    assert score.content == ["-", "gene:A", ["*", "0.5", "signature:B,-C"]]
    assert goal.content != GoalScore({"A": 2.0}, "goal.csv").content
