"""Questions about pairs: salts and doses of one compound go together, and combinations are found in linear time."""

import time

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import SplitError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.data.names.compound_names import compound
from aivc.data.splits.folds import hidden_combination, unseen_combination, unseen_pair
from aivc.evaluation.leakage.leaks import check_split


def effects(keys):
    """An effect-level table of these contexts and perturbations."""
    entities = pd.DataFrame(keys, columns=["context", "perturbation"])
    entities.index = pd.Index(entities["context"] + "|" + entities["perturbation"])
    values = np.random.default_rng(0).normal(size=(len(entities), 12))
    features = np.array([f"F{i}" for i in range(12)], dtype=object)
    return Measurement(values, features, entities, "score", modality="effect")


SALTS = ("drug:Berbamine", "drug:Berbamine (dihydrochloride)", "drug:Dasatinib", "drug:Dasatinib hydrate", "drug:X")
LINES = tuple("abcdefg")


def test_salts_of_one_compound_are_kept_out_together():
    table = effects([(line, text) for line in LINES for text in SALTS])
    split = unseen_pair(table, folds=3)
    assert check_split(table, split).leaks == ()
    for i, fold in enumerate(split.folds):
        assert fold.test == fold.held
        roles = split.roles(table, i)
        seen = {(c, compound(p)) for c, p in zip(*table_of(table, roles == "train"), strict=True)}
        asked = {(c, compound(p)) for c, p in zip(*table_of(table, roles == "score"), strict=True)}
        assert not seen & asked
        assert {name for _, name in asked} <= {name for _, name in seen}
    assert sum(len(fold.test["pair"]) for fold in split.folds) == len(table)


def table_of(table, rows):
    return table.contexts[rows], table.perturbations[rows]


def test_doses_of_one_drug_are_kept_out_together():
    table = effects([(line, f"drug:x@{dose}uM") for line in LINES for dose in (1, 10)])
    split = unseen_pair(table, folds=2)
    assert check_split(table, split).leaks == ()


def test_a_salt_seen_nowhere_else_is_kept_out_but_not_asked():
    # The salt lies in one line only: without its line it was never seen, so predicting it is another question.
    table = effects([*((line, "drug:Y") for line in LINES), ("a", "drug:Y hydrochloride")])
    split = unseen_pair(table, folds=2)
    fold = next(fold for fold in split.folds if "a | drug:Y" in fold.test["pair"])
    assert "a | drug:Y hydrochloride" in fold.held["pair"]
    assert not any("a | drug:Y hydrochloride" in fold.test["pair"] for fold in split.folds)
    assert check_split(table, split).leaks == ()


@pytest.mark.parametrize("seen", [0, 1, 2])
def test_what_holds_a_tested_pair_is_kept_out(seen):
    singles = [f"ko:G{i}" for i in range(8)]
    doubles = [f"ko:G{i} + ko:G{i + 1}" for i in range(7)]
    triples = ["ko:G0 + ko:G1 + ko:G2", "ko:G3 + ko:G4 + ko:G5"]
    table = effects([("a", text) for text in (*singles, *doubles, *triples)])
    for fold in unseen_combination(table, seen=seen, folds=3).folds:
        tested = [set(Perturbation.parse(text).targets) for text in fold.test["perturbation"]]
        trained = [
            set(Perturbation.parse(text).targets)
            for text in {*singles, *doubles, *triples} - set(fold.held["perturbation"])
        ]
        assert not any(pair <= targets for pair in tested for targets in trained)


@pytest.mark.slow
def test_many_combinations_take_no_quadratic_time():
    genes = range(160)
    texts = [f"ko:G{i:03}" for i in genes] + [f"ko:G{i:03} + ko:G{j:03}" for i in genes for j in genes if i < j]
    table = effects([("a", text) for text in texts])
    began = time.process_time()
    split = unseen_combination(table, seen=2, folds=20)
    assert sum(len(fold.test["perturbation"]) for fold in split.folds) == 160 * 159 // 2
    # Some 12,700 pairs compared with one another, fold by fold, would take minutes.
    assert time.process_time() - began < 10


def test_hidden_pairs_are_kept_out_and_few_are_asked():
    genes = range(30)
    doubles = [f"ko:G{i:02} + ko:G{j:02}" for i in genes for j in genes if i < j]
    triple = "ko:G00 + ko:G01 + ko:G02"
    # Half of the genes were never measured alone: hidden entries are asked all the same.
    table = effects([("a", text) for text in [*(f"ko:G{i:02}" for i in range(15)), *doubles, triple]])
    split = hidden_combination(table, share=0.2, most=40)
    (fold,) = split.folds
    tested, held = set(fold.test["perturbation"]), set(fold.held["perturbation"])
    assert len(tested) == 40
    assert len(held - {triple}) == round(0.2 * len(doubles))
    assert tested < held
    assert (triple in held) == any(set(text.split(" + ")) <= set(triple.split(" + ")) for text in held - {triple})
    trained = set(table.perturbations) - held
    assert {name for text in tested for name in text.split(" + ")} <= {name for t in trained for name in t.split(" + ")}
    assert check_split(table, split).leaks == ()
    assert hidden_combination(table, share=0.2, most=40).digest == split.digest
    assert hidden_combination(table, share=0.2, most=40, seed=1).digest != split.digest


@pytest.mark.parametrize("share", [0.0, 1.0, 0.001])
def test_a_share_that_hides_nothing_is_refused(share):
    table = effects([("a", text) for text in ("ko:A", "ko:B", "ko:A + ko:B")])
    with pytest.raises(SplitError, match="share"):
        hidden_combination(table, share=share)


def test_a_pair_of_which_nothing_is_left_is_not_asked():
    table = effects([("a", text) for text in ("ko:A + ko:B", "ko:C", "ko:D")])
    with pytest.raises(SplitError, match="smaller share"):
        hidden_combination(table, share=0.9)
