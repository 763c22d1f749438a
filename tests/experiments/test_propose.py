"""A plan confirms, learns, keeps controls, and never repeats what is known."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import ControlError, DataError
from aivc.core.measurement import CONTROL
from aivc.experiments.propose import Plan, propose, wells
from aivc.experiments.response import Response
from aivc.experiments.screen import Screen
from aivc.reporting.figures import plate, ranking


def make(count=200, seen=40, seed=0):
    rng = np.random.default_rng(seed)
    score = np.sort(rng.normal(0, 0.3, count))
    half = rng.uniform(0.1, 0.9, count)
    table = pd.DataFrame(
        {
            "perturbation": [f"ko:G{i:04}" for i in rng.permutation(count)],
            "score": score,
            "low": score - half,
            "high": score + half,
            "seen": rng.permutation(np.arange(count) < seen),
            "applicability": rng.choice(["edge", "out"], count),
            "self_target": False,
            "scored_on": 1,
        }
    )
    table.loc[table["seen"], "applicability"] = "in"
    return Screen(table, Response.of(["CD274"]), "THP-1", 0.9, "lower", "log1p_cp10k")


def by_role(plan, role):
    return plan.table[plan.table["role"] == role]


def test_exploits_the_best_unseen_and_explores_the_widest():
    found = make()
    plan = propose(found, 96, controls=8, explore=0.25)
    unseen = found.table[~found.table["seen"]]
    known_way = unseen[(unseen["score"] < 0) & (unseen["applicability"] != "out")]
    exploit = by_role(plan, "exploit")
    assert len(exploit) == min(66, len(known_way))
    assert set(exploit["perturbation"]) == set(known_way["perturbation"].head(66))
    explore = by_role(plan, "explore")
    rest = unseen[~unseen["perturbation"].isin(exploit["perturbation"])]
    assert (explore["high"] - explore["low"]).min() > (rest["high"] - rest["low"]).median() - 0.5
    assert set(explore["applicability"]) == {"edge", "out"}
    assert len(plan) == 96
    assert len(by_role(plan, "control")) == 8
    assert plan.note.endswith("no well stays empty.")


def test_never_repeats_what_was_seen_unless_asked():
    found = make()
    seen = set(found.table.loc[found.table["seen"], "perturbation"])
    assert not seen & set(propose(found, 384).table["perturbation"])
    assert seen & set(propose(found, 384, repeat_seen=True).table["perturbation"])


def test_the_same_seed_lays_out_the_same_plate():
    found = make()
    one, again, other = (propose(found, seed=seed).table for seed in (4, 4, 5))
    assert one.equals(again)
    assert not one.equals(other)
    assert list(one["well"]) == wells(96)
    assert sorted(one["perturbation"]) == sorted(other["perturbation"])


def test_replicates_and_empty_wells():
    plan = propose(make(12, 2), 48, controls=4, replicates=3)
    counts = plan.table["perturbation"].value_counts()
    assert counts.pop(CONTROL) == 4
    assert set(counts) == {3}
    assert len(plan) == 34
    assert "14 wells stay empty" in plan.note


def test_what_repeats_a_prediction_or_a_target_waits():
    table = make(6, 0).table.assign(score=0.1, low=-0.4, high=0.6, applicability="out")
    table["perturbation"] = ["ko:A", "crispri:A", "ko:B", "ko:C", "ko:D", "ko:E"]
    table.loc[[2, 3], "high"] = [0.5, 0.55]
    plan = propose(Screen(table, Response.of(["R"]), "", 0.9, "lower", ""), 6, controls=3)
    assert {"ko:B", "ko:C"} < set(plan.table["perturbation"])


def test_trivial_and_hopeless_rows_are_not_exploited():
    found = make(20, 0)
    table = found.table.assign(scored_on=[0, *[1] * 19], applicability="edge")
    plan = propose(Screen(table, found.response, "", 0.9, "lower", ""), 24, controls=2, explore=0.0)
    assert table["perturbation"][0] not in set(plan.table["perturbation"])
    assert (by_role(plan, "exploit")["score"] < 0).all()
    assert by_role(plan, "explore").empty


def test_every_well_says_why():
    plan = propose(make(), 24)
    assert by_role(plan, "exploit")["reason"].str.contains("predicted to lower CD274 by").all()
    assert by_role(plan, "explore")["reason"].str.contains("interval is").all()
    assert by_role(plan, "control")["reason"].str.contains("compared with").all()


@pytest.mark.parametrize(("size", "last"), [(6, "B03"), (12, "C04"), (24, "D06"), (384, "P24"), (1536, "AF48")])
def test_wells_of_standard_plates(size, last):
    assert (len(set(wells(size))), wells(size)[-1]) == (size, last)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_save_and_load(tmp_path, ending):
    plan = propose(make(), 24, seed=7)
    plan.save(tmp_path / f"plan.{ending}")
    back = Plan.load(tmp_path / f"plan.{ending}")
    assert back.to_json() == plan.to_json()
    assert back.to_json()["wells"][0]["well"] == "A01"


def test_figures_take_the_tables():
    found = make()
    assert plate(propose(found).table) is not None
    assert ranking(found.table, response=found.response.name) is not None


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"size": 100}, DataError, "Choose one of these"),
        ({"explore": 1.5}, DataError, "Try explore=0.5"),
        ({"replicates": 0}, DataError, "replicates=1"),
        ({"controls": 0}, ControlError, "keep some"),
        ({"controls": 96}, ControlError, "not all"),
    ],
)
def test_refuses_impossible_plates(given, error, words):
    with pytest.raises(error, match=words):
        propose(make(), **given)


def test_refuses_when_all_is_known():
    with pytest.raises(DataError, match="repeat_seen=True"):
        propose(make(10, 10))
