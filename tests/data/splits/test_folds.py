"""A few perturbations of a context are given, and the rest of it is asked."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import SplitError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.data.names.compound_names import family_of
from aivc.data.splits.folds import few_shot_context, unseen_context
from aivc.evaluation.leakage.leaks import check_split

LINES = tuple("abcdef")
DRUGS = (*(f"drug:D{i}@{dose}uM" for i in range(6) for dose in (1, 10)), "drug:Berbamine", "drug:Berbamine (HCl)")


def effects(keys):
    entities = pd.DataFrame(keys, columns=["context", "perturbation"])
    entities.index = pd.Index(entities["context"] + "|" + entities["perturbation"])
    values = np.random.default_rng(0).normal(size=(len(entities), 12))
    return Measurement(values, np.array([f"F{i}" for i in range(12)], dtype=object), entities, "score", "effect")


@pytest.fixture
def table():
    return effects([(line, text) for line in LINES for text in DRUGS])


def families(table, rows):
    return {(c, family_of(Perturbation.parse(p))) for c, p in zip(*keys(table, rows), strict=True)}


def keys(table, rows):
    return table.contexts[rows], table.perturbations[rows]


@pytest.mark.parametrize("folds", [None, 3])
def test_so_many_families_are_given_in_each_context_and_the_rest_is_asked(table, folds):
    split = few_shot_context(table, given=3, folds=folds)
    assert split.kind == "few-shot-context"
    assert len(split.folds) == (folds or len(LINES))
    assert check_split(table, split).leaks == ()
    held = []
    for i in range(len(split.folds)):
        role_n = split.roles(table, i)
        asked, given = families(table, role_n == "score"), families(table, role_n == "train")
        lines = {line for line, _ in asked}
        held += sorted(lines)
        # Seven compounds, in doses and salts that go together.
        assert len(asked) == 4 * len(lines)
        assert sum(line in lines for line, _ in given) == 3 * len(lines)
        assert not asked & given
        assert (role_n != "unused").all()
    assert sorted(held) == list(LINES)


def test_what_is_given_is_drawn_for_each_context_by_the_seed(table):
    first, second = (few_shot_context(table, given=3, seed=seed) for seed in (0, 1))
    assert first.digest == few_shot_context(table, given=3).digest != second.digest
    asked = {tuple(text.split(" | ")[1] for text in fold.test["pair"]) for fold in first.folds}
    assert len(asked) > 1


def test_of_many_a_few_are_asked_and_all_others_kept_out(table):
    whole, few = few_shot_context(table, given=2, folds=2), few_shot_context(table, given=2, folds=2, most=1)
    for all_of_it, part in zip(whole.folds, few.folds, strict=True):
        assert part.held == all_of_it.held
        asked = {tuple(text.split(" | ")) for text in part.test["pair"]}
        assert {line for line, _ in asked} == {text[0] for text in part.held["pair"]}
        assert len({(line, family_of(Perturbation.parse(text))) for line, text in asked}) == 3
    assert check_split(table, few).leaks == ()


def test_none_given_is_an_unseen_context(table):
    assert few_shot_context(table, given=0, folds=2).digest == unseen_context(table, folds=2).digest


def test_only_named_contexts_are_asked(table):
    split = few_shot_context(table, given=3, contexts=["a", "c"])
    assert [{text[0] for text in fold.test["pair"]} for fold in split.folds] == [{"a"}, {"c"}]
    alone = few_shot_context(table, given=3, contexts=["a"])
    assert len(alone.folds) == 1


def test_a_context_with_few_perturbations_is_given_whole():
    table = effects([*((line, text) for line in "abc" for text in DRUGS), ("d", "drug:D0"), ("d", "drug:D1")])
    split = few_shot_context(table, given=3, folds=2)
    assert not any(text.startswith("d |") for fold in split.folds for text in fold.held["pair"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"given": 7}, "nothing is left to ask"),
        ({"given": -1}, "0 or more"),
        ({"contexts": ["a", "zebra"]}, "zebra"),
        ({"folds": 7}, "cannot make 7 folds"),
    ],
)
def test_refusals(table, settings, words):
    with pytest.raises(SplitError, match=words):
        few_shot_context(table, **settings)
