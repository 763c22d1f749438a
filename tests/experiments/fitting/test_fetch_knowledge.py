"""Knowledge of targets: the catalog's where a method uses it, what is given as it is, and never quietly none."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnavailableError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.protocol.evaluate import evaluate
from aivc.experiments.fitting import fetch_knowledge as policy
from aivc.experiments.fitting.fetch_knowledge import Known, knowledge, require_known
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.testing import sample_parts

PARTS = sample_parts()
QUICK = Recipe(dim=4, members=0, inner_folds=0)


def screen(text):
    entities = pd.DataFrame({"perturbation": ["control", text], "context": "A"}, index=["a", "b"])
    return Measurement(np.eye(2), np.array(["X", "Y"], dtype=object), entities, "score", modality="effect")


@pytest.fixture
def fetched(monkeypatch):
    asked = []
    monkeypatch.setattr(policy, "priors_for", lambda measurement: asked.append(measurement) or PARTS)
    monkeypatch.setattr(policy, "missing", lambda targets, known: [])
    return asked


@pytest.fixture
def nowhere(monkeypatch):
    def refuse(measurement):
        raise UnavailableError("nowhere here")

    monkeypatch.setattr(policy, "priors_for", refuse)


def test_it_is_fetched_where_a_method_uses_it_and_only_there(fetched):
    assert knowledge(screen("ko:TP53"), ["effect.v2"]).parts is PARTS
    assert knowledge(screen("ko:TP53"), ["mean-effect", "nearest:shuffled"]).parts is PARTS
    assert len(fetched) == 2
    assert knowledge(screen("ko:TP53"), ["mean-effect", "transfer:shuffled"]) == Known(None)
    assert knowledge(screen("ko:TP53"), []) == Known(None)
    assert len(fetched) == 2


def test_what_is_given_is_taken_as_it_is(fetched):
    given, known = sample_parts(), Known(None, ("said before",))
    assert knowledge(screen("ko:TP53"), ["nearest"], given).parts is given
    assert knowledge(screen("ko:TP53"), ["effect.v2"], None) == Known(None)
    assert knowledge(screen("ko:TP53"), ["effect.v2"], known) is known
    assert fetched == []


@pytest.mark.parametrize(("text", "what"), [("ko:TP53", "genes"), ("drug:vorinostat@1uM", "drugs")])
def test_what_can_do_without_goes_without_and_says_so(nowhere, text, what):
    heard = []
    found = knowledge(screen(text), ["effect.v2"], progress=lambda what, done, total: heard.append(what))
    assert found.parts is None
    assert found.notes[0].startswith(f"Going on without knowledge of {what}")
    assert "nowhere here" in found.notes[0]
    assert heard[-1] == found.notes[0]
    assert knowledge(screen("ligand:IFNB1"), ["effect.v2"]) == Known(None)


def test_what_needs_it_is_refused_with_a_remedy(nowhere, monkeypatch):
    with pytest.raises(UnavailableError, match="nowhere here") as refused:
        knowledge(screen("ko:TP53"), ["effect.v2", "nearest"])
    assert refused.value.__notes__[0].startswith("nearest cannot do without. Choose a method")
    monkeypatch.setattr(policy, "missing", lambda targets, known: list(targets))
    with pytest.raises(DataError, match="nothing is known about TP53"):
        require_known(screen("ko:TP53"), ["nearest"], PARTS)
    require_known(screen("ko:TP53"), [], PARTS)


def test_other_words_and_methods_are_refused():
    with pytest.raises(UnknownNameError, match="nearest"):
        knowledge(screen("ko:TP53"), ["nearst"])


def test_fit_and_evaluate_write_down_what_they_went_without(nowhere):
    cells, truth = synthetic_screen(perturbations=6, features=40, cells=12, controls=40, seed=0)
    without = fit(cells, "effect.v2", recipe=QUICK)
    assert without.card["notes"][0].startswith("Going on without knowledge of genes")
    chosen = fit(cells, "effect.v2", parts=None, recipe=QUICK)
    assert "notes" not in chosen.card
    context = str(cells.contexts[0])
    one, other = (cell.predict(context, "ko:G0001").mean for cell in (without, chosen))
    np.testing.assert_array_equal(one, other)
    split = unseen_perturbation(cells, folds=2)
    found = evaluate(cells, split, ["effect.v2"], recipe=QUICK, cells=10, profile=["systema"])
    assert found.body["notes"][0].startswith("Going on without knowledge of genes")
    with pytest.raises(UnavailableError):
        evaluate(cells, split, ["nearest"], recipe=QUICK, cells=10)
    assert "notes" not in fit(cells, "nearest", parts=truth.priors, recipe=QUICK).card


def test_fit_takes_what_the_catalog_knows(monkeypatch):
    cells, truth = synthetic_screen(perturbations=6, features=40, cells=12, controls=40, seed=0)
    monkeypatch.setattr(policy, "priors_for", lambda measurement: truth.priors)
    context = str(cells.contexts[0])
    answers = [
        fit(cells, "effect.v2", recipe=QUICK, **given).predict(context, "ko:G0020").mean
        for given in ({}, {"parts": truth.priors}, {"parts": None})
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])
