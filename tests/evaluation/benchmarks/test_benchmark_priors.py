"""Which benchmarks are given knowledge of what they perturb."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import UnavailableError
from aivc.core.measurement import Measurement
from aivc.core.registry import MANIPULATORS
from aivc.data.splits.split import Split
from aivc.evaluation import benchmarks
from aivc.evaluation.benchmarks import benchmark
from aivc.evaluation.benchmarks.benchmark import Benchmark
from aivc.testing import sample_parts

PARTS = sample_parts()


def screen(text):
    entities = pd.DataFrame({"perturbation": ["control", text], "context": "A"}, index=["a", "b"])
    return Measurement(np.eye(2), np.array(["X", "Y"], dtype=object), entities, "score", modality="effect")


@pytest.fixture
def knowledge(monkeypatch):
    asked = []
    monkeypatch.setattr(benchmark, "priors_for", lambda measurement: asked.append(measurement) or PARTS)
    return asked


@pytest.mark.parametrize("text", ["drug:vorinostat@1uM", "ko:TP53"])
def test_drugs_and_genes_come_with_knowledge_where_a_method_needs_it(knowledge, text):
    assert benchmark._known(screen(text), ["mean-effect", "nearest:shuffled-priors"]) is PARTS
    assert benchmark._known(screen(text), ["mean-effect", "transfer"]) is None
    assert len(knowledge) == 1


def test_of_ligands_nothing_is_looked_up(knowledge):
    assert benchmark._known(screen("ligand:IFNB1"), ["nearest"]) is None
    assert knowledge == []


def test_what_can_do_without_goes_without_and_what_cannot_says_so(monkeypatch):
    def nowhere(measurement):
        raise UnavailableError("nowhere here")

    monkeypatch.setattr(benchmark, "priors_for", nowhere)
    monkeypatch.setattr(MANIPULATORS.load("transfer"), "uses_parts", True, raising=False)
    assert benchmark._known(screen("drug:vorinostat"), ["transfer"]) is None
    with pytest.raises(UnavailableError, match="nowhere here"):
        benchmark._known(screen("drug:vorinostat"), ["transfer", "nearest"])


@pytest.mark.parametrize("path", [benchmarks.TAHOE_UNSEEN_DRUG, benchmarks.OP3_UNSEEN_DRUG])
def test_no_drug_is_asked_in_two_folds_and_salts_go_together(path):
    split = Split.from_json(dict(Benchmark.load(path).split))
    fold_of = {text: i for i, fold in enumerate(split.folds) for text in fold.test["perturbation"]}
    assert len(fold_of) == sum(len(fold.test["perturbation"]) for fold in split.folds)
    assert all(fold.test == fold.held for fold in split.folds)
    for one, other in (("Berbamine", "Berbamine dihydrochloride"), ("Salicylic acid", "Sodium Salicylate")):
        assert fold_of.get(f"drug:{one}") == fold_of.get(f"drug:{other}")
