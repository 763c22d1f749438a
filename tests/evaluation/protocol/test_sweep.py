"""Settings are tried inside the training set alone, and the better one is found."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aivc.compute.executor import executor
from aivc.core.errors import DataError, ScoreError, UnknownNameError
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.metrics.metric import Metric
from aivc.evaluation.protocol import asked_fold
from aivc.evaluation.protocol.sweep import SweepTask, _chosen, require_settings, sweep
from aivc.experiments.fitting.shared_fit import Recipe

QUICK = Recipe(dim=3)


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=8, features=20, cells=12, controls=40, seed=1)


def run(screen, **given):
    cells, truth = screen
    given = {"inner": "unseen-perturbation:2", "parts": truth.priors, "recipe": QUICK, "cells": 8, **given}
    return sweep(cells, "nearest", {"neighbors": [1, 2]}, **given)


@pytest.fixture(scope="module")
def whole(screen):
    return run(screen)


def test_every_setting_is_scored_in_every_inner_fold(whole):
    table, value_sk = whole.table, whole.by_fold
    assert list(table.columns) == ["neighbors", "mean", "sd", "chosen"]
    assert value_sk.shape == (2, 2)
    np.testing.assert_allclose(table["mean"], value_sk.mean(axis=1))
    np.testing.assert_allclose(table["sd"], value_sk.std(axis=1, ddof=1))
    assert whole.chosen == {"neighbors": int(table["neighbors"][table["mean"].idxmax()])}
    assert table["neighbors"][table["chosen"]].tolist() == list(whole.chosen.values())
    body = whole.to_json()
    assert (body["inner"]["folds"], body["trained_on"], len(body["settings"])) == (2, None, 2)


def test_a_setting_that_spoils_the_answer_is_not_chosen():
    # With so many cells, an effect that was seen in one batch says much of that in the other, and shrinking harms.
    cells = synthetic_screen(perturbations=6, features=20, cells=120, controls=200, seed=1)[0]
    twice = cells.entities.assign(batch=np.where(np.arange(len(cells)) % 2, "a", "b"))
    found = sweep(
        cells.replace(entities=twice),
        "additive",
        {"ridge": [1e6, 0.1]},
        inner="unseen-batch",
        metric="mse-unbiased",
        parts=None,
        recipe=QUICK,
        cells=8,
    )
    assert found.chosen == {"ridge": 0.1}


def test_what_the_outer_fold_keeps_back_changes_nothing(screen):
    cells, truth = screen
    split = unseen_perturbation(cells, folds=2)
    kept = ~np.isin(split.roles(cells, 1).astype(str), ("train", "control-train"))
    clean = np.array(cells.dense())
    spoiled = clean.copy()
    spoiled[kept] = spoiled[kept][:, ::-1] + 7
    before, after = (run((cells.replace(values=x), truth), split=split, fold=1) for x in (clean, spoiled))
    assert kept.any()
    np.testing.assert_array_equal(after.by_fold, before.by_fold)
    assert before.about["trained_on"] == {"split": split.digest, "fold": 1}


@pytest.mark.slow
def test_two_processes_choose_as_one(screen, whole, tmp_path):
    found = run(screen, by=executor("processes", 2), out=tmp_path / "out")
    pd.testing.assert_frame_equal(found.table, whole.table, check_exact=True)


def test_it_goes_on_after_a_stop(screen, whole, tmp_path, monkeypatch):
    run(screen, out=tmp_path / "out")
    calls, fit = [], asked_fold.shared_fit
    monkeypatch.setattr(asked_fold, "shared_fit", lambda *given: calls.append(given) or fit(*given))
    (tmp_path / "out" / "shard-000002.parquet").unlink()
    pd.testing.assert_frame_equal(run(screen, out=tmp_path / "out").table, whole.table, check_exact=True)
    assert len(calls) == 1


def test_what_cannot_be_tried_is_refused_before_any_work(screen, monkeypatch, tmp_path):
    monkeypatch.setattr(SweepTask, "load", lambda _: pytest.fail("work was done"))
    for grid in ({"neighbours": [1]}, {"seed": [1]}, {"parts": [None]}):
        with pytest.raises(UnknownNameError, match="setting of nearest"):
            sweep(screen[0], "nearest", grid)
    with pytest.raises(UnknownNameError, match="moon"):
        sweep(screen[0], "moon", {"neighbors": [1]})
    for grid in ({}, {"neighbors": []}):
        with pytest.raises(DataError, match="nothing to try"):
            sweep(screen[0], "nearest", grid)
    with pytest.raises(DataError, match="JSON"):
        require_settings("nearest", {"neighbors": [object()]})
    with pytest.raises(UnknownNameError):
        run(screen, metric="moon")
    two = unseen_perturbation(screen[0], folds=2)
    replace(two, folds=two.folds[:1]).save(tmp_path / "split.json")
    with pytest.raises(DataError, match="two or more"):
        run(screen, inner=str(tmp_path / "split.json"))


def test_a_score_that_is_undefined_chooses_nothing():
    facts = dict.fromkeys(("name", "label", "formula", "source", "undefined"), "m")
    lower = Metric(**facts, direction="down", chance=None, best=0.0, worst=None, compute=len)
    found = _chosen([{"a": 1}, {"a": 2}, {"a": 3}], np.array([[3.0, 1], [1, 1], [1, 1]]), lower, {})
    assert found.chosen == {"a": 2}, "the first of equal ones"
    with pytest.raises(ScoreError, match=r"\{'a': 2\} is undefined in inner fold 1"):
        _chosen([{"a": 1}, {"a": 2}], np.array([[3.0, 1], [1, np.nan]]), lower, {})
