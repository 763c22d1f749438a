"""Scores equal what is worked out by hand."""

import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.experiments.response import Response
from aivc.experiments.scores.answer import Answer
from aivc.experiments.scores.screen_score import (
    Combined,
    ContextScore,
    GoalScore,
    Number,
    PathwayScore,
    ReadoutScore,
    ResponseScore,
    selectivity,
)

FEATURES = np.array(["A", "B", "C"], dtype=object)
ASKED = [Perturbation.parse(text) for text in ("ko:A", "ko:X", "drug:d@1uM")]
EFFECT = np.array([[-4.0, 1.0, 2.0], [1.0, -1.0, 0.5], [0.0, 2.0, -2.0]])


def answer(effect=EFFECT, **others):
    return Answer(ASKED, FEATURES, effect, "log1p_cp10k", **others)


def gene(name):
    return ResponseScore(Response.of([name]))


def test_a_gene_is_its_effect():
    # Its own target is all that ko:A is read by, and stays the trivial score.
    assert gene("A").of(answer()).tolist() == [-4.0, 1.0, 0.0]


def test_a_signature_is_up_minus_down_without_the_own_target():
    score = ResponseScore.signature(("A", "B"), ("C",))
    assert score.of(answer()) == pytest.approx([(1 - 2) / 2, (1 - 1 - 0.5) / 3, (0 + 2 + 2) / 3])
    with pytest.raises(DataError, match="twice"):
        ResponseScore.signature(("A",), ("A",))


def test_a_signature_is_the_response_of_a_screen():
    response = Response.parse("B, -2*C")
    assert ResponseScore(response).of(answer()) == pytest.approx([response.score(e, FEATURES) for e in EFFECT])


def test_a_pathway_is_the_mean_of_members_that_are_read():
    score = PathwayScore("sets", "one", frozenset({"B", "C", "ELSEWHERE"}))
    assert score.of(answer()).tolist() == [1.5, -0.25, 0.0]
    with pytest.raises(UnknownNameError, match="None of the 1 genes"):
        PathwayScore("sets", "one", frozenset({"ELSEWHERE"})).of(answer())


def test_a_goal_is_the_fraction_of_the_way():
    score = GoalScore({"B": 1.0, "C": 2.0}, "goal.csv")
    assert score.of(answer()).tolist() == pytest.approx([1.0, 1 - (4 + 2.25) / 5, 1 - (1 + 16) / 5])
    assert score.unit(answer()) == ""
    with pytest.raises(DataError, match="not all zero"):
        GoalScore({"B": 0.0}, "goal.csv")
    with pytest.raises(UnknownNameError, match="feature"):
        GoalScore({"Z": 1.0}, "goal.csv").of(answer())


def test_selectivity_is_a_difference_between_contexts():
    both = answer(contexts={"here": answer(), "there": answer(EFFECT / 2)})
    score = selectivity(gene("B"), "here", "there")
    assert score.contexts == {"here", "there"}
    assert score.of(both).tolist() == [0.5, -0.5, 1.0]
    with pytest.raises(UnknownNameError, match="elsewhere"):
        ContextScore("elsewhere", gene("B")).of(both)


def test_a_readout_is_that_of_its_decoder():
    labels = Answer(ASKED, np.array(["dead"], dtype=object), np.array([[0.1], [0.2], [0.3]]), "probability")
    score = ReadoutScore("labels", "dead")
    assert score.decoders == {"labels"}
    assert score.of(answer(readouts={"labels": labels})).tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert score.unit(answer(readouts={"labels": labels})) == "probability"
    with pytest.raises(UnknownNameError, match="labels"):
        score.of(answer())


def test_scores_are_joined_number_by_number():
    b, c = gene("B"), gene("C")
    assert Combined("-", (b, Combined("*", (Number(0.5), c)))).of(answer()).tolist() == [0.0, -1.25, 3.0]
    assert Combined("/", (b, c)).of(answer()).tolist() == [0.5, -2.0, -1.0]
    assert Combined("abs", (b,)).of(answer()).tolist() == [1.0, 1.0, 2.0]
    assert Combined("min", (b, c, Number(0.0))).of(answer()).tolist() == [0.0, -1.0, -2.0]
    assert Combined("max", (b, c)).of(answer()).tolist() == [2.0, 0.5, 2.0]
    assert np.isinf(Combined("/", (b, Number(0.0))).of(answer())).all()


def test_units_are_stated_where_all_share_one():
    b = gene("B")
    assert Combined("*", (Number(2.0), b)).unit(answer()) == "log1p_cp10k"
    assert Combined("-", (b, gene("C"))).unit(answer()) == "log1p_cp10k"
    assert Combined("*", (b, b)).unit(answer()) == ""
    assert Combined("-", (b, GoalScore({"B": 1.0}, "g"))).unit(answer()) == ""


def test_scores_of_another_number_are_refused():
    with pytest.raises(DataError, match="got 1"):
        Combined("+", (gene("B"),))
    with pytest.raises(UnknownNameError, match="pow"):
        Combined("pow", (gene("B"), gene("C")))
