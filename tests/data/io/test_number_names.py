"""Numbers that are names keep every digit, and two of them never become one."""

import datetime

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.data.io.check import check
from aivc.data.io.number_names import name_text, number_name_problems, number_text
from aivc.data.io.read import read
from aivc.data.io.schema import Constant, Schema

CIDS = (11707110.0, 11707111.0, 46907787.0, 46907790.0, 5090.0)
NUMBERED = Schema(units="counts", perturbation="cid", control="", kind="drug", batch="day", species="none")


def cells(**obs):
    n = len(next(iter(obs.values())))
    values = np.random.default_rng(0).integers(1, 9, (n, 3)).astype(np.float32)
    frame = pd.DataFrame(obs, index=[f"c{i}" for i in range(n)])
    return anndata.AnnData(values, frame, pd.DataFrame(index=["A", "B", "C"]))


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (2244.0, "2244"),
        (np.float32(16777216.0), "16777216"),
        (20230101.0, "20230101"),
        (1e22, "10000000000000000000000"),
        (0.1, "0.1"),
        (np.float32(0.1), "0.1"),
        (0.1234567890123, "0.1234567890123"),
        (-3.0, "-3"),
        (7, "7"),
        ("2244.0", "2244"),
        ("2244.00", "2244"),
        ("007", "007"),
        ("007.0", "007.0"),
        ("1.10", "1.10"),
        ("AL627309.0", "AL627309.0"),
        (pd.Timestamp("2023-01-02"), "2023-01-02"),
        (pd.Timestamp("2023-01-02 12:30"), "2023-01-02 12:30:00"),
        (datetime.date(2023, 1, 2), "2023-01-02"),
    ],
)
def test_a_number_that_is_a_name_keeps_its_digits(item, text):
    assert number_text(item) == text
    assert name_text(f" {text} ") == text


def test_ids_and_dates_that_gaps_made_floats_stay_apart(tmp_path):
    n = [np.nan] * 4 + [cid for cid in CIDS for _ in range(2)]
    made = cells(cid=n, day=np.where(np.arange(len(n)) % 2, 20230101.0, 20230102.0))
    made.write_h5ad(tmp_path / "x.h5ad")
    answer = read(tmp_path / "x.h5ad", NUMBERED)
    assert set(answer.perturbations) == {"control", *(f"drug:{int(cid)}" for cid in CIDS)}
    assert set(answer.entities["batch"]) == {"20230101", "20230102"}


@pytest.mark.parametrize("end", ["csv", "parquet"])
def test_tables_say_the_same_as_a_file_of_cells(tmp_path, end):
    frame = pd.DataFrame({"cid": [np.nan, np.nan, *CIDS], "day": 20230101.0, "gene": np.arange(7.0), "other": 1.0})
    place = tmp_path / f"x.{end}"
    frame.to_csv(place, index=False) if end == "csv" else frame.to_parquet(place)
    answer = read(place, NUMBERED)
    assert answer.perturbations[2:].tolist() == [f"drug:{int(cid)}" for cid in CIDS]
    assert set(answer.entities["batch"]) == {"20230101"}


def test_categories_and_constants_and_controls_are_names_too():
    made = cells(cid=pd.Categorical([0.0, 0.0, 2244.0, 2244.0]), day=pd.to_datetime(["2023-01-01"] * 4))
    schema = Schema(
        units="counts",
        perturbation="cid",
        control="0.0",
        kind="drug",
        batch="day",
        context=Constant(17.0),
        species="none",
    )
    found = check(made, schema)
    assert found.problems == ()
    assert (found.perturbations, found.controls) == (1, 2)


def test_features_and_rows_that_are_numbers_are_found_again(tmp_path):
    wide = pd.DataFrame({"7157.0": [1, 2], "3717.0": [3, 4]}, index=pd.Index(["1", "2"]))
    wide.to_csv(tmp_path / "x.csv")
    pd.DataFrame({"cell": [1.0, 2.0], "drug": ["DMSO", "JQ1"]}).to_parquet(tmp_path / "cells.parquet")
    schema = Schema(
        units="counts", perturbation="drug", control="DMSO", kind="drug", metadata="cells.parquet", species="none"
    )
    answer = read(tmp_path / "x.csv", schema)
    assert answer.features.tolist() == ["7157", "3717"]
    assert answer.perturbations.tolist() == ["control", "drug:JQ1"]


@pytest.mark.parametrize(
    "labels", [["2244", "2244.0"], [2244, "2244.0"], [2244.0, "2244"], pd.Categorical(["2244", "2244.0"])]
)
def test_two_labels_that_would_become_one_are_a_problem(labels):
    (found,) = number_name_problems(pd.DataFrame({"cid": labels}), {"perturbation": "cid"})
    assert "'2244' and '2244.0' would both be '2244'" in found
    with pytest.raises(DataError, match="write them alike"):
        check(cells(cid=list(labels), day=["a", "b"]), NUMBERED).raise_if_any()


@pytest.mark.parametrize("text", ["1.17071e+07", "4.69078E+07"])
def test_labels_that_lost_digits_are_a_problem(text):
    (found,) = number_name_problems(pd.DataFrame({"cid": ["DMSO", text]}), {"perturbation": "cid"})
    assert repr(text) in found
    assert "digits are lost" in found
    whole = pd.DataFrame({"cid": ["DMSO", "1.1707111e+07", "1e+05", "1e-05"]})
    assert number_name_problems(whole, {"perturbation": "cid"}) == []


def test_single_precision_does_not_hold_dates_apart():
    days = pd.Series([20230101, 20230103], dtype=np.float32)
    (found,) = number_name_problems(pd.DataFrame({"day": days}), {"batch": "day"})
    assert "float32" in found
    assert "16777216" in found
    assert number_name_problems(pd.DataFrame({"day": days.astype(np.float64)}), {"batch": "day"}) == []
    assert number_name_problems(pd.DataFrame({"day": pd.Series([2**20], dtype=np.float32)}), {"batch": "day"}) == []


def test_doses_that_differ_by_rounding_only_are_a_problem():
    frame = pd.DataFrame({"dose": [0.3, 0.1 + 0.2, 10.0], "id": [0.3, 0.1 + 0.2, 10.0]})
    (found,) = number_name_problems(frame, {"dose": "dose"})
    assert "0.3 and 0.30000000000000004" in found
    assert "digits that were meant" in found
    assert number_name_problems(pd.DataFrame({"dose": [0.3, 0.301, 1e-9, 2e-9]}), {"dose": "dose"}) == []


def test_what_is_infinite_is_no_number_that_lost_digits():
    assert number_name_problems(pd.DataFrame({"donor": [1.0, np.inf]}), {"donor": "donor"}) == []
