"""By which columns controls are matched, and what is said where none can be."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.data.io.check import check
from aivc.data.io.matched import matched, unmatched
from aivc.data.io.schema import Schema

SCREEN = Schema(units="counts", perturbation="x", control="DMSO", kind="drug", hours="h", match=("vehicle",))


def columns(**more):
    texts = ["control", "control", "drug:A for 24h", "drug:A for 72h"]
    return {"perturbation": np.array(texts, dtype=object), **{k: np.array(v, dtype=object) for k, v in more.items()}}


def hours(*values):
    return np.array(values, dtype=float)


RAW = pd.DataFrame({"vehicle": ["DMSO", "water", "water", "DMSO"]})


def test_columns_in_which_controls_differ():
    found = matched(RAW, columns(donor=list("PQPQ")) | {"hours": hours(24, 72, 24, 72)}, SCREEN)
    assert {name: values.tolist() for name, values in found.items()} == {
        "matched:hours": ["24", "72", "24", "72"],
        "matched:vehicle": ["DMSO", "water", "water", "DMSO"],
        "matched:donor": list("PQPQ"),
    }
    assert list(found) == ["matched:hours", "matched:vehicle", "matched:donor"]


def test_times_on_a_shared_clock_are_matched():
    found = matched(RAW, columns() | {"time": hours(0, 168, 0, 168)}, SCREEN)
    assert found["matched:time"].tolist() == ["0", "168", "0", "168"]


@pytest.mark.parametrize("values", [(24, 24, 24, 72), (np.nan, np.nan, 24, 72), (np.nan, 24, 24, 72)])
def test_controls_that_do_not_differ_are_not_matched(values):
    found = matched(RAW.assign(vehicle="DMSO"), columns(donor=list("PPPQ")) | {"hours": hours(*values)}, SCREEN)
    assert found == {}


def test_effects_have_no_controls_to_match():
    table = Schema(units="log2fc", perturbation="x", kind="drug", donor="d")
    assert matched(RAW, columns(donor=list("PQPQ")), table) == {}
    assert unmatched(pd.DataFrame(columns()), columns(), table) == []


def noted(entities, **more):
    return unmatched(pd.DataFrame(entities), more.get("columns"), more.get("schema"))


def test_hours_without_control_are_counted_with_what_that_does():
    found = columns() | {"hours": hours(24, 24, 24, 72)}
    [note] = noted(found, columns=found, schema=SCREEN)
    assert "1 cell lies in hours without any control (72)" in note
    assert "measured against controls at 24 h, so that what hours alone do counts as effect" in note
    assert "1 of 2 perturbations lie only there: drug:A for 72h" in note
    assert "Add controls of these hours, or leave these cells out." in note
    silent = columns() | {"hours": hours(np.nan, np.nan, 24, 72)}
    assert "controls whose hours are not stated" in noted(silent, columns=silent, schema=SCREEN)[0]


def test_controls_of_the_same_hours_need_no_note():
    found = columns() | {"hours": hours(24, 72, 24, 72)}
    assert noted(found, columns=found, schema=SCREEN) == []
    one = {"perturbation": np.array(["control", "drug:A for 24h"], dtype=object), "hours": hours(np.nan, 24)}
    assert noted(one, columns=one, schema=SCREEN) == []


@pytest.mark.parametrize(("name", "plural"), [("batch", "batches"), ("donor", "donors"), ("matched:plate", "plates")])
def test_batches_donors_and_matched_columns_without_control(name, plural):
    entities = {"perturbation": ["control", "ko:A", "ko:A", "ko:B", "ko:B"], name: ["1", "1", "2", "3", "3"]}
    [note] = noted(entities)
    assert f"3 cells lie in {plural} without any control (2, 3)" in note
    assert f"controls of other {plural} (1)" in note
    assert "1 of 2 perturbations lie only there: ko:B" in note


def test_the_control_must_be_of_the_same_context():
    entities = {
        "perturbation": ["control", "control", "ko:A", "ko:A"],
        "context": ["K", "L", "K", "L"],
        "batch": ["1", "2", "2", "2"],
    }
    assert "1 cell lies in batches without any control (2)" in noted(entities)[0]


def test_contexts_without_control():
    entities = {"perturbation": ["control", "ko:A", "ko:B"], "context": ["K", "K", "L"], "batch": ["1", "1", "2"]}
    [note] = noted(entities)
    assert "1 cell lies in contexts without any control (L)" in note
    assert "1 of 2 perturbations lie only there: ko:B" in note
    assert noted({"perturbation": ["ko:A"], "context": ["K"]}) == []


def test_a_vehicle_that_no_control_has_is_noted_though_all_controls_agree():
    raw = pd.DataFrame(
        {"drug": ["DMSO", "DMSO", "A", "B"], "veh": ["DMSO", "DMSO", "DMSO", "EtOH"]}, index=list("abcd")
    )
    made = anndata.AnnData(np.ones((4, 2), dtype=np.float32), raw, pd.DataFrame(index=["A", "B"]))
    schema = Schema(units="counts", perturbation="drug", control="DMSO", kind="drug", match="veh", species="none")
    assert any("1 cell lies in vehs without any control (EtOH)" in note for note in check(made, schema).notes)
