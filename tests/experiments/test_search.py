"""A search finds the intervention whose effect was given as the goal."""

import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.search import Search, search

RECIPE = Recipe(dim=12, members=2, inner_folds=2)


@pytest.fixture(scope="module")
def world():
    cells, truth = synthetic_screen(perturbations=10, features=80, cells=60, controls=200, combos=3, seed=5)
    return cells, truth, fit(cells, "additive", recipe=RECIPE)


def singles(truth):
    return [text for text in truth.perturbations if " + " not in text]


def with_label(cells, *texts):
    return cells.take(np.isin(cells.perturbations.astype(str), texts))


@pytest.mark.parametrize("wanted", ["ko:G0003", "ko:G0007"])
def test_finds_what_made_the_wanted_cells(world, wanted):
    cells, truth, cell = world
    for goal in (with_label(cells, wanted), with_label(cells, wanted, CONTROL)):
        found = search(cell, goal, singles(truth))
        best = found.table.iloc[0]
        assert best["perturbation"] == wanted
        assert best["closes"] > 0.3
        assert best["cosine"] > 0.7
        assert (found.table["low"] <= found.table["closes"]).all()
        assert (found.table["closes"] <= found.table["high"]).all()


def test_a_goal_by_feature_counts_those_features_only(world):
    _, truth, cell = world
    effect_f = truth.effects[3]
    goal = {f"G{i + 1:04}": float(effect_f[i]) for i in np.argsort(-np.abs(effect_f))[:8] if i != 3}
    found = search(cell, goal, singles(truth))
    assert found.table.iloc[0]["cosine"] > 0.8
    assert found.features == len(goal)


def test_finds_a_pair_planted_in_the_screen(world):
    cells, truth, cell = world
    pair = next(text for text in truth.perturbations if " + " in text)
    goal = with_label(cells, pair, CONTROL)
    # What is done to the targets themselves is no response, and no answer holds it.
    goal = goal.select(goal.features[~np.isin(goal.features, Perturbation.parse(pair).genes)])
    alone = search(cell, goal, singles(truth))
    answer = []
    found = search(cell, goal, singles(truth), pairs=True, beam=10, progress=lambda *each: answer.append(each))
    assert found.table.iloc[0]["perturbation"] == pair
    assert found.table.iloc[0]["closes"] > alone.table.iloc[0]["closes"]
    assert bool(found.table.iloc[0]["seen"])
    assert len(found) == 10 + 45
    assert answer[-1] == ("asking", 45, 45)


def test_only_pairs_that_can_be_given_together(world):
    cells, _, cell = world
    asked = ["ko:G0001", "crispri:G0001", "ko:G0002 for 24h", "ko:G0003", "ko:G0001 + ko:G0003"]
    found = search(cell, with_label(cells, "ko:G0001"), asked, pairs=True)
    assert set(found.table["perturbation"]) == {*asked, "crispri:G0001 + ko:G0003"}


def test_doing_nothing_closes_nothing(world):
    _, truth, cell = world
    far = search(cell, {"G0060": 50.0}, singles(truth)).table
    assert far["closes"].abs().max() < 0.1


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_save_and_load(world, tmp_path, ending):
    _, truth, cell = world
    found = search(cell, {"G0060": 0.2, "G0061": -0.2}, singles(truth))
    found.save(tmp_path / f"search.{ending}")
    assert Search.load(tmp_path / f"search.{ending}").to_json() == found.to_json()
    assert len(found.top(2)) == 2


def test_refuses_impossible_goals(world):
    cells, _, cell = world
    with pytest.raises(DataError, match="Say what to change"):
        search(cell, {"G0060": 0.0}, ["ko:G0001"])
    with pytest.raises(UnknownNameError, match="features that the cell decodes"):
        search(cell, {"TP53": 1.0}, ["ko:G0001"])
    foreign = cells.replace(features=np.array([f"X{i}" for i in range(80)]))
    with pytest.raises(DataError, match="same kind"):
        search(cell, foreign, ["ko:G0001"])
    with pytest.raises(DataError, match="Name at least one"):
        search(cell, {"G0060": 1.0}, [])
