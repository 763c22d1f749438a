"""Libraries of pairs: measured ones are no candidates, and odd ones are refused, all at once."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.experiments.campaign import pair_library
from aivc.experiments.campaign.pair_library import PairLibrary
from aivc.experiments.design.pair_learner import PairCandidates
from tiny_campaigns import tiny_pair_candidates, tiny_pairs


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(PairCandidates, "of", staticmethod(tiny_pair_candidates))


@pytest.mark.usefixtures("known")
def test_measured_pairs_are_given_and_no_candidates_in_either_order():
    made = PairLibrary.of([("B", "A"), ("A", "C"), ("C", "D")], {("C", "A"): 2.0, ("E", "A"): -1.0})
    assert made.names == ("B+A", "C+D")
    assert made.candidates.genes == ("A", "B", "C", "D", "E")
    assert made.given.tolist() == [[2, 0], [4, 0]]
    assert made.scores.tolist() == [2.0, -1.0]


def test_a_library_comes_back_from_its_state():
    made, _ = tiny_pairs()
    again = PairLibrary.from_state(made.state())
    assert (again.names, len(again)) == (made.names, len(made))
    np.testing.assert_array_equal(again.given, made.given)
    np.testing.assert_array_equal(again.scores, made.scores)


def test_odd_pairs_are_listed_together():
    with pytest.raises(DataError) as refused:
        PairLibrary.of([("A", "A"), ("A", "B"), ("B", "A"), ("C", " "), ("A+B", "C")], {("A", "D"): float("nan")})
    assert str(refused.value).startswith("5 problems found")


@pytest.mark.usefixtures("known")
def test_nothing_left_and_too_much_are_refused(monkeypatch):
    with pytest.raises(DataError, match="No pair is left"):
        PairLibrary.of([("A", "B")], {("B", "A"): 1.0})
    monkeypatch.setattr(pair_library, "_ROOM", 8)
    with pytest.raises(DataError, match="Give fewer pairs"):
        PairLibrary.of([("A", "B")])
