"""What a model of another environment is given: all that methods see, and nothing of what is asked."""

import dataclasses
import json

import anndata
import numpy as np
import pandas as pd
import pytest

import tiny_benchmarks
from aivc.core.errors import IntegrityError, SplitError
from aivc.core.measurement import CONTROL, Measurement
from aivc.data.splits.folds import unseen_donor, unseen_pair
from aivc.data.splits.split import CONTROL_TRAIN, TRAIN
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.benchmarks.export import export_benchmark, hand_out
from aivc.evaluation.protocol.questions import EvaluationSet


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    path = tmp_path_factory.mktemp("export")
    return path, export_benchmark(tiny_benchmarks.tiny(), path)


def contents(path):
    train = anndata.read_h5ad(path)
    return train.X.toarray(), train.obs.astype(str), list(train.var_names), dict(train.uns)


def test_every_fold_has_its_training_cells_and_its_questions(export):
    path, files = export
    names = [f"fold-{fold}/{name}" for fold in (0, 1) for name in ("train.h5ad", "questions.csv")]
    assert [str(file.relative_to(path)) for file in files] == [*names, "benchmark.json", "README.txt"]
    cells, split = tiny_benchmarks.cells(), tiny_benchmarks.tiny().make_split(tiny_benchmarks.cells())
    for fold in (0, 1):
        train = anndata.read_h5ad(path / f"fold-{fold}" / "train.h5ad")
        given = np.isin(split.roles(cells, fold), (TRAIN, CONTROL_TRAIN))
        assert list(train.obs_names) == list(cells.entities.index[given])
        np.testing.assert_array_equal(train.X.toarray(), cells.take(given).dense())
        assert list(train.obs) == ["perturbation", "context", "donor", "batch"]
        assert train.uns["fold"] == fold
        assert train.uns["digest"] == tiny_benchmarks.tiny().digest
        assert (train.uns["units"], train.uns["benchmark"]) == ("counts", "tiny")
        asked = pd.read_csv(path / f"fold-{fold}" / "questions.csv")
        assert set(asked["perturbation"]) == set(split.folds[fold].test["perturbation"])
        assert not set(asked["perturbation"]) & set(train.obs["perturbation"])
        assert CONTROL in set(train.obs["perturbation"])


def test_nothing_of_the_tested_cells_is_handed_out(export, tmp_path):
    tiny, cells = tiny_benchmarks.tiny(), tiny_benchmarks.cells()
    split = tiny.make_split(cells)
    # Folds are made from effect sizes; here they are frozen, so that only values change.
    tiny = dataclasses.replace(tiny, split=split.to_json())
    path, _ = export
    for fold in (0, 1):
        given = np.isin(split.roles(cells, fold), (TRAIN, CONTROL_TRAIN))
        # Whatever else was measured in the cells kept from a fold, its files come out the same.
        values = cells.values.tolil()
        values[np.flatnonzero(~given)] = 7
        note = pd.Series(np.where(given, "", "tested"), index=cells.entities.index)
        other = cells.replace(values=values.tocsr(), entities=cells.entities.assign(guide=note))
        export_benchmark(tiny, tmp_path / str(fold), fold=fold, measurement=other)
        before, after = (contents(root / f"fold-{fold}" / "train.h5ad") for root in (path, tmp_path / str(fold)))
        np.testing.assert_array_equal(before[0], after[0])
        pd.testing.assert_frame_equal(before[1], after[1])
        assert before[2:] == after[2:]
        for file in (f"fold-{fold}/questions.csv", "benchmark.json", "README.txt"):
            assert (path / file).read_text() == (tmp_path / str(fold) / file).read_text()
        assert not (tmp_path / str(fold) / f"fold-{1 - fold}").exists()


def test_the_facts_say_in_what_to_answer(export):
    path, _ = export
    facts = json.loads((path / "benchmark.json").read_text())
    cells, split = tiny_benchmarks.cells(), tiny_benchmarks.tiny().make_split(tiny_benchmarks.cells())
    assert facts["profile_units"] == EvaluationSet.prepare(cells, split).summary.units
    assert facts["columns"] == ["fold", "context", "perturbation"]
    answer = (path / "README.txt").read_text()
    assert f"optional: low and high, in {facts['profile_units']}" in answer
    assert "aivc benchmark run tiny --predictions" in answer


def test_donors_that_are_asked_by_are_named_in_the_questions(tmp_path):
    cells, _ = synthetic_screen(perturbations=3, features=20, cells=20, controls=40, donors=2)
    hand_out(cells, unseen_donor(cells), tmp_path)
    asked = pd.read_csv(tmp_path / "fold-0" / "questions.csv")
    assert list(asked) == ["fold", "context", "perturbation", "donor"]
    train = anndata.read_h5ad(tmp_path / "fold-0" / "train.h5ad")
    held = train.obs["donor"].astype(str) == asked["donor"][0]
    assert set(train.obs["perturbation"][held]) == {CONTROL}


def test_effects_that_were_not_measured_are_blank(tmp_path):
    rows = [(f"ko:G{i}", f"line{j}") for i in range(4) for j in range(3)]
    names = [f"r{i}" for i in range(len(rows))]
    seen = np.random.default_rng(0).random((12, 5)) > 0.3
    table = Measurement(
        np.where(seen, 1.5, 0.0),
        np.array(list("ABCDE"), dtype=object),
        pd.DataFrame(rows, columns=["perturbation", "context"], index=names),
        "normal_score",
        modality="effect",
        observed=seen,
    )
    split = unseen_pair(table, folds=3)
    hand_out(table, split, tmp_path, folds=[1])
    train = anndata.read_h5ad(tmp_path / "fold-1" / "train.h5ad")
    given = split.roles(table, 1) == TRAIN
    np.testing.assert_array_equal(np.isnan(train.X), ~seen[given])
    assert CONTROL not in set(train.obs["perturbation"])
    assert "no controls" in (tmp_path / "README.txt").read_text()


def test_what_lies_in_the_folder_is_not_written_over_unasked(export, tmp_path):
    tiny = tiny_benchmarks.tiny()
    export_benchmark(tiny, tmp_path, fold=0)
    export_benchmark(tiny, tmp_path, fold=1)
    with pytest.raises(IntegrityError, match="--overwrite"):
        export_benchmark(tiny, tmp_path, fold=1)
    assert len(export_benchmark(tiny, tmp_path, overwrite=True)) == 6
    with pytest.raises(IntegrityError, match="something else"):
        hand_out(tiny_benchmarks.cells(), tiny.make_split(tiny_benchmarks.cells()), tmp_path, overwrite=True)
    with pytest.raises(IntegrityError, match="Choose another place"):
        export_benchmark(tiny, export[0] / "README.txt")
    with pytest.raises(SplitError, match="folds 0 to 1"):
        export_benchmark(tiny, tmp_path / "new", fold=2)
