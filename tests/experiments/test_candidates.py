"""Candidates are reached by number, in the context that each is asked in."""

import pytest

from aivc.core.errors import DataError
from aivc.experiments.candidates import (
    Candidates,
    CrossedCandidates,
    ListedCandidates,
    PlacedCandidates,
    contexts_of,
    questions_of,
)
from aivc.experiments.library import Library

LISTED = ListedCandidates(("ko:A", "ko:B", "ko:C"))


def said(candidates, start, stop):
    return [(str(each.perturbation), each.context) for each in questions_of(candidates, start, stop)]


def test_any_stretch_of_crossed_candidates_is_that_of_all():
    crossed = CrossedCandidates(LISTED, ("K562", "RPE1"))
    every = said(crossed, 0, 6)
    assert every == [(text, context) for context in ("K562", "RPE1") for text in LISTED.texts]
    assert all(said(crossed, i, j) == every[i:j] for i in range(7) for j in range(i, 7))
    assert [str(each) for each in crossed.take(2, 4)] == ["ko:C", "ko:A"]
    library = Library.singles(["A", "B", "C"])
    assert (
        said(library.across(["K562", "RPE1"]), 0, 6)
        == every
        == said(CrossedCandidates(library, crossed.contexts), 0, 6)
    )


def test_only_some_candidates_name_contexts():
    assert isinstance(LISTED, Candidates)
    assert not isinstance(LISTED, PlacedCandidates)
    assert said(LISTED, 1, 2) == [("ko:B", "")]
    library = Library.singles(["A"])
    assert isinstance(library, PlacedCandidates)
    assert (contexts_of(LISTED), contexts_of(library), contexts_of(library.across(["X"]))) == (("",), ("",), ("X",))


def test_contexts_are_named_once():
    with pytest.raises(DataError, match="each once"):
        CrossedCandidates(LISTED, ("K562", "K562"))
    with pytest.raises(DataError, match="contexts of their own"):
        CrossedCandidates(Library.singles(["A"]).across(["K562"]), ("RPE1",))
    with pytest.raises(DataError, match="names contexts already"):
        Library.singles(["A"]).across(["K562"]).across(["RPE1"])
