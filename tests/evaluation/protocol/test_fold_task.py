"""Folds done by workers score as those of one process do, bit for bit, and go on from the same checkpoints."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from aivc.compute.executor import Shard, executor
from aivc.core.errors import DataError, UnavailableError
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.protocol import asked_fold
from aivc.evaluation.protocol.checkpoints import KeptFolds
from aivc.evaluation.protocol.evaluate import evaluate
from aivc.evaluation.protocol.fold_task import FoldTask
from aivc.evaluation.protocol.questions import EvaluationSet
from aivc.experiments.fitting.shared_fit import Recipe

QUICK = Recipe(dim=3, members=0, inner_folds=0)


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=6, features=20, cells=12, controls=40, seed=1)[0]


def run(screen, **given):
    split = unseen_perturbation(screen, folds=2)
    # Nothing is known of targets, so nearest fails.
    methods = ["transfer", "nearest"]
    given = {"parts": None, "recipe": QUICK, "cells": 8, "profile": ["systema"], "keep_going": True, **given}
    return evaluate(screen, split, methods, **given)


def same(found, whole):
    pd.testing.assert_frame_equal(found.table, whole.table, check_exact=True)
    assert json.dumps(found.to_json(), sort_keys=True) == json.dumps(whole.to_json(), sort_keys=True)


@pytest.fixture(scope="module")
def whole(screen):
    found = run(screen)
    assert [each["method"] for each in found.body["failures"]] == ["nearest"]
    return found


@pytest.fixture
def fits(monkeypatch):
    calls, fit = [], asked_fold.shared_fit
    monkeypatch.setattr(asked_fold, "shared_fit", lambda *given: calls.append(given) or fit(*given))
    return calls


@pytest.mark.slow
def test_two_processes_score_as_one(tmp_path, screen, whole, fits):
    seen = []
    by = executor("processes", 2)
    found = run(screen, by=by, checkpoint=tmp_path / "c", sink=lambda method, *_: seen.append(method))
    same(found, whole)
    assert fits == [], "this process fits nothing"
    assert set(seen) == {"no-change", "mean-effect", "transfer"}


def test_nothing_stays_where_no_checkpoint_is_asked_for(tmp_path, screen, whole, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    same(run(screen, by=executor("serial")), whole)
    assert list(tmp_path.iterdir()) == []


def test_what_one_run_has_kept_another_goes_on_with(tmp_path, screen, fits):
    made, told = task(screen, tmp_path / "c"), []
    assert made.done(executor("serial"), lambda *said: told.append(said)) == {}
    assert (len(fits), told) == (2, [("working", 3, 6), ("working", 6, 6)]), "fitted once for each fold"
    next((tmp_path / "c").iterdir()).rename(tmp_path / "away")
    assert len(made.shards(1)) == 1
    assert made.done(executor("serial")) == {}
    assert len(fits) == 3, "only the fold that lacked an answer"
    assert made.shards(1) == []
    assert made.done(executor("serial")) == {}
    assert [len(list(made.kept.each("transfer", fold, list))) for fold in (0, 1)] == [3, 3]


def test_what_goes_wrong_says_where(tmp_path, screen):
    made = replace(task(screen, tmp_path), methods=("nearest",))
    with pytest.raises(DataError, match="needs priors") as refused:
        made.done(executor("serial"))
    assert refused.value.__notes__ == ["This happened while scoring 'nearest' in fold 0."]
    found = replace(made, keep_going=True).done(executor("serial"))
    assert list(found) == [(0, "nearest"), (1, "nearest")]
    assert found[0, "nearest"].startswith("DataError: ")


def task(screen, folder, folds=2):
    evaluation = EvaluationSet.prepare(screen, unseen_perturbation(screen, folds=folds), cells=8)
    return FoldTask.of(evaluation, QUICK, None, ["no-change", "mean-effect", "transfer"], KeptFolds(folder, "x"))


def test_a_shard_is_a_fold_and_less_where_workers_are_more(tmp_path, screen):
    made = task(screen, tmp_path)
    assert made.shards(2) == [Shard(0, 0, 3), Shard(1, 3, 6)]
    assert made.shards(3) == [Shard(0, 0, 1), Shard(1, 1, 3), Shard(2, 3, 4), Shard(3, 4, 6)]
    assert len(made.shards(50)) == 6
    assert made.key() != replace(made, methods=("no-change",)).key()
    assert made.evaluation.cut is None


def test_answers_on_a_disk_of_another_machine_are_not_passed_over(tmp_path, screen, monkeypatch):
    made = task(screen, tmp_path)
    monkeypatch.setattr(KeptFolds, "each", lambda *_: iter(()))
    with pytest.raises(UnavailableError, match="a disk that all share"):
        made.done(executor("serial"))
