import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import UnavailableError
from aivc.core.measurement import CONTROL
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.priors.gene_priors import gene_priors
from aivc.data.splits.fingerprints import Fingerprints
from aivc.data.splits.split import Fold, Split
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting import shared_fit as shared_fit
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.lineage import of_priors
from aivc.experiments.fitting.shared_fit import Recipe


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=6, features=60, cells=12, controls=24, contexts=2, donors=2)[0]


def test_each_part_says_which_entities_it_saw(screen, monkeypatch):
    monkeypatch.setattr(shared_fit, "_CELLS", 50)
    sampled = Recipe(encoder="count-pca", dim=3, members=0, inner_folds=0)
    answer = fit(screen, "mean-effect", recipe=sampled).provenance
    assert {name: each.entities for name, each in answer.items()} == {
        "encoder-cellular": 50,
        "linear-expression": 50,
        "mean-effect": len(screen),
    }
    whole = answer["mean-effect"]
    assert whole.marks.tolist() == sorted(set(Fingerprints.of(screen).named(screen)))
    assert set(answer["encoder-cellular"].marks) < set(whole.marks)
    assert whole.perturbations == tuple(sorted(set(screen.perturbations) - {CONTROL}))
    assert (whole.source, whole.donors, whole.units) == ("synthetic", ("donor1", "donor2"), "counts")
    # Calibration shows the decoder every profile.
    answer = fit(screen, "mean-effect", recipe=replace(sampled, inner_folds=2)).provenance
    assert [answer[name].entities for name in ("encoder-cellular", "linear-expression")] == [50, len(screen)]
    # Axes of effects hold the mean profiles of all entities, and the decoder takes them.
    answer = fit(screen, "mean-effect", recipe=replace(sampled, encoder="full-space")).provenance
    assert [answer[name].entities for name in ("encoder-cellular", "linear-expression")] == [len(screen)] * 2


def test_a_fit_for_a_fold_sees_its_training_entities_only(screen):
    held = {"perturbation": ("ko:G0001",), "donor": ("donor1",)}
    split = Split("given", 0, (Fold(held, {"perturbation": held["perturbation"]}),))
    cell = fit(screen, "mean-effect", recipe=Recipe(dim=3, members=0, inner_folds=0), split=split)
    seen = np.isin(split.roles(screen, 0).astype(str), ("train", "control-train"))
    answer = cell.provenance["mean-effect"]
    assert (answer.entities, answer.split, answer.fold) == (seen.sum(), split.digest, 0)
    assert "ko:G0001" not in answer.perturbations
    assert (cell.card["split"], cell.card["fold"]) == (split.digest, 0)


def test_rows_that_hold_little_are_known_by_their_names(screen):
    few = screen.select(screen.features[:3])
    marks = Fingerprints.of(few).named(few)
    assert len(set(marks)) == len(few)
    renamed = few.replace(entities=few.entities.set_axis([f"x{i}" for i in range(len(few))], axis=0))
    assert not set(marks) & set(Fingerprints.of(renamed).named(renamed))


def test_priors_of_the_catalog_name_their_tables():
    if not os.environ.get("AIVC_DATA"):
        pytest.skip("AIVC_DATA is not set, so there is no knowledge of genes")
    try:
        answer = of_priors(gene_priors(["JAK2"]))
    except UnavailableError:
        pytest.skip("the sources of the priors are not in the folder that AIVC_DATA names")
    assert answer.expression is False
    assert set(answer.tables) >= {"gene-knowledge", "go-bp", "ppi-intact", "reactome", "string-experimental"}


def test_other_priors_are_unknown_unless_they_are_states_of_cells():
    space = Space("embedding", Scale.MOLECULAR, 1, "0")
    names = pd.DataFrame(index=["A", "B"])
    plain, states = (
        UR(np.ones((2, 1)), space, each) for each in (names, names.assign(perturbation=["ko:A", "control"]))
    )
    assert (of_priors(plain).expression, of_priors(plain).known) == (None, False)
    assert of_priors(states).pairs == (("all", "control"), ("all", "ko:A"))
