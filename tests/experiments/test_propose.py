"""A plan confirms, learns, keeps controls, and never repeats what is known."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import ControlError, DataError
from aivc.core.measurement import CONTROL
from aivc.experiments.plate import wells
from aivc.experiments.propose import Plan, propose
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


def test_the_table_is_what_a_bench_reads():
    plan = propose(make(), 384, controls=16, replicates=2, guides=2)
    columns = ["well", "row", "column", "perturbation", "role", "replicate", "reason", "guide"]
    assert list(plan.table)[: len(columns)] == columns
    first = plan.table.iloc[0]
    assert (first["well"], first["row"], first["column"]) == ("A01", "A", 1)
    tested = plan.table[plan.table["role"] != "control"]
    assert (
        tested.groupby("perturbation")[["guide", "replicate"]]
        .apply(lambda rows: len(rows.drop_duplicates()))
        .eq(4)
        .all()
    )
    target = tested["perturbation"].iloc[0].removeprefix("ko:")
    own = set(tested.loc[tested["perturbation"] == f"ko:{target}", "guide"])
    assert own == {f"{target} guide 1", f"{target} guide 2"}
    controls = by_role(plan, "control")
    assert sorted(controls["guide"]) == sorted(f"non-targeting {i + 1}" for i in range(16))
    assert controls["reason"].str.startswith("Non-targeting control").all()


def test_edge_wells_stay_empty_where_that_is_wanted():
    plan = propose(make(), 96, edge=False)
    assert len(plan) == 60
    assert not set(plan.table["row"]) & {"A", "H"}
    assert not set(plan.table["column"]) & {1, 12}
    assert "36 wells stay empty" in plan.note


def test_no_family_fills_what_is_exploited():
    found = make(60, 0)
    table = found.table.assign(applicability="edge")
    best = [text.removeprefix("ko:") for text in table["perturbation"].head(10)]
    screened = Screen(table, found.response, "", 0.9, "lower", "")
    plan = propose(screened, 24, explore=0.25, families={"complex": frozenset(best)}, per_family=2)
    exploit = by_role(plan, "exploit")
    assert (exploit["family"] == "complex").sum() == 2
    assert len(exploit) == 12
    assert any("8 waited" in remark for remark in plan.remarks)
    assert set(by_role(propose(screened, 24), "exploit")["perturbation"]) <= {f"ko:{gene}" for gene in best}


def test_what_is_not_expressed_is_not_lowered_unless_wanted():
    found = make(30, 0)
    table = found.table.assign(expressed=["no", "yes", "not measured"] * 10, annotation="nothing known")
    screened = Screen(table, found.response, "", 0.9, "lower", "")
    plan = propose(screened, 96)
    assert set(plan.table["expressed"]) == {"", "yes", "not measured"}
    assert "10 perturbations were left out" in plan.remarks[0]
    assert "no" in set(propose(screened, 96, unexpressed=True).table["expressed"])
    gain = Screen(table.assign(perturbation=table["perturbation"].str.replace("ko:", "crispra:")), *rest_of(screened))
    assert "no" in set(propose(gain, 96).table["expressed"])


def rest_of(screened):
    return screened.response, screened.context, screened.level, screened.direction, screened.units


def test_a_known_brake_is_named_in_its_well():
    found = make(10, 0)
    said = ["contradicts: X lowers CD274, DoRothEA A"] + ["nothing known"] * 9
    table = found.table.assign(annotation=said, expressed="yes", applicability="edge")
    plan = propose(Screen(table, *rest_of(found)), 24, explore=0.0)
    row = plan.table[plan.table["perturbation"] == table["perturbation"][0]].iloc[0]
    assert row["reason"].endswith("what is known contradicts the prediction: X lowers CD274, DoRothEA A.")
    assert any(remark.startswith("1 of") and "DoRothEA" in remark for remark in plan.remarks)
    brake = "brake of signaling, predicted like its drivers A, B, C"
    plan = propose(Screen(table.assign(brake=[""] * 9 + [brake]), *rest_of(found)), 24)
    named = plan.table[plan.table["perturbation"] == table["perturbation"][9]].iloc[0]
    assert named["reason"].endswith(f"a known {brake}.")


def test_the_plate_says_how_sure_it_is():
    found = make(20, 0)
    table = found.table.assign(low=[-1.0] * 20, high=[-0.5] * 3 + [0.5] * 17, applicability="edge")
    plan = propose(Screen(table, *rest_of(found)), 24)
    assert plan.sureness == "3 of 16 perturbations on the plate have an interval clear of zero (90 %)."


def test_only_genes_have_guides():
    found = make(12, 0)
    table = found.table.assign(perturbation=[f"drug:D{i}@1uM" for i in range(12)])
    screened = Screen(table, *rest_of(found))
    assert set(propose(screened, 24).table["guide"]) == {""}
    with pytest.raises(DataError, match="guides=1"):
        propose(screened, 24, guides=2)


def test_positive_controls_are_placed_and_never_proposed():
    found = make()
    best = found.table.loc[~found.table["seen"], "perturbation"].iloc[0]
    plan = propose(found, 96, controls=8, positive=[best, "ko:NEW"], replicates=2)
    placed = by_role(plan, "positive")
    assert sorted(placed["perturbation"]) == sorted([best, best, "ko:NEW", "ko:NEW"])
    assert sorted(placed["replicate"]) == [1, 1, 2, 2]
    assert len(by_role(plan, "control")) == 8
    assert best not in set(by_role(plan, "exploit")["perturbation"])
    assert np.isfinite(placed.loc[placed["perturbation"] == best, "score"]).all()
    assert "8 control, 4 positive, " in plan.note
    with pytest.raises(DataError, match="named once each"):
        propose(found, 96, positive=["ko:A", "ko:A"])
    with pytest.raises(ControlError, match="1 wells of positive controls"):
        propose(found, 6, controls=5, positive=["ko:A"])


def test_a_plate_with_positive_controls_comes_back_and_is_drawn(tmp_path):
    plan = propose(make(), 384, positive=["ko:NEW"])
    plan.save(tmp_path / "plan.csv")
    again = Plan.load(tmp_path / "plan.csv")
    assert by_role(again, "positive")["perturbation"].tolist() == ["ko:NEW"]
    assert "384 wells" in plate(again.table).caption
