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


def test_says_when_nothing_reaches_the_goal(world):
    _, truth, cell = world
    nothing = search(cell, {"G0060": 50.0}, singles(truth))
    assert not nothing.reached
    assert nothing.verdict.startswith("Nothing")
    effect_f = truth.effects[3]
    goal = {f"G{i + 1:04}": float(effect_f[i]) for i in np.argsort(-np.abs(effect_f))[:8] if i != 3}
    found = search(cell, goal, singles(truth))
    assert found.noise < 0.2
    assert found.table.iloc[0]["closes"] > found.noise
    # The opposite of what anything does: all lead away.
    away = search(cell, {name: -value for name, value in goal.items()}, [found.table.iloc[0]["perturbation"]])
    assert "no closer to it than no change" in away.verdict


def test_the_answer_is_applied_to_controls_that_were_held_out(world):
    cells, truth, cell = world
    found = search(cell, with_label(cells, "ko:G0003"), singles(truth))
    assert found.check.held_out
    assert found.check.cells == len(cell.start()) // 2
    assert found.check.perturbation == "ko:G0003"
    assert found.check.closes == pytest.approx(found.table.iloc[0]["closes"], abs=0.05)
    few = search(cell, with_label(cells, "ko:G0003"), singles(truth), start=cell.start().take(np.arange(20)))
    assert not few.check.held_out
    assert np.isnan(few.noise)


def test_what_is_to_stay_costs_and_costs_dominate(world):
    _, truth, cell = world
    effects_pf = truth.effects
    # One feature of two interventions, and a strong effect of the first that is not wanted.
    goal, other = {"G0040": float(effects_pf[2, 39])}, f"G{int(np.argmax(np.abs(effects_pf[2][40:]))) + 41:04}"
    free = search(cell, goal, singles(truth)).table.set_index("perturbation")
    held = search(cell, goal, singles(truth), keep=[other], penalty=10.0, cost={"G0003": 5.0})
    table = held.table.set_index("perturbation")
    assert (free["side"] == 0).all()
    assert table["closes"].to_dict() == pytest.approx(free["closes"].to_dict())
    assert table.loc["ko:G0003", "side"] == table["side"].max() > 0
    assert np.allclose(table["score"], table["closes"] - 10 * table["side"])
    assert table["cost"].to_dict() == {text: 5.0 if text == "ko:G0003" else 1.0 for text in singles(truth)}
    assert not table["dominated"].all()
    assert table["dominated"].any()
    assert set(held.front["perturbation"]) == set(table.index[~table["dominated"]])


def test_triples_and_refused_settings(world):
    _, truth, cell = world
    found = search(cell, {"G0060": 0.2, "G0061": -0.2}, singles(truth)[:5], agents=3, beam=2)
    sizes = found.table["perturbation"].str.count(r" \+ ") + 1
    assert set(sizes) == {1, 2, 3}
    assert (sizes == 3).sum() <= 4
    with pytest.raises(DataError, match="1 to 3 agents"):
        search(cell, {"G0060": 1.0}, singles(truth), agents=4)
    with pytest.raises(DataError, match="from 0 on"):
        search(cell, {"G0060": 1.0}, singles(truth), cost={"G0001": -1.0})


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
