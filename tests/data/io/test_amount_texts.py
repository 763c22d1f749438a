"""Doses and durations that came as text are answered with the line of the schema that says what they are."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.data.io.amount_texts import no_numbers
from aivc.data.io.check import check
from aivc.data.io.schema import Constant, Schema


@pytest.mark.parametrize(
    ("field", "texts", "said"),
    [
        ("dose", ["10 uM", "0.1uM"], 'dose_unit = { value = "uM" }'),
        ("dose", ["10 µM"], 'dose_unit = { value = "µM" }'),
        ("dose", ["10 uM", "5nM"], 'put the units (nM, uM) into a column of their own: dose_unit = "dose_unit"'),
        ("dose", ["10,5"], "10.5"),
        ("dose", ["10,5 uM"], 'dose_unit = { value = "uM" }'),
        ("dose", ["high", "low"], "leave dose out"),
        ("dose", ["1e-5M"], 'dose_unit = { value = "M" }'),
        ("hours", ["24hr"], "hours = { value = 24 }"),
        ("hours", ["2d"], "hours = { value = 48 }"),
        ("hours", ["2d", "6h"], "'d' times 24"),
        ("time", ["2d", "3d"], "time_unit"),
        ("cells", ["20 cells"], "Keep the numbers, and drop 'cells'"),
        ("dose", ["10 uM", "mid"], "Correct 'mid', which is no number"),
        (
            "dose",
            ["nan"],
            "= pandas.to_numeric(obs['column'], errors='coerce')",
        ),
        ("dose", ["1,000", "10,000"], "may stand for thousands or decimals: write 1000 or 1.000"),
        ("dose", ["1/2"], "leave dose out and make them part of the labels"),
    ],
)
def test_each_way_of_writing_has_its_line(field, texts, said):
    (problem,) = no_numbers(field, "column", texts)
    assert problem.startswith(f"{field} is a number for every entity, got {texts[0]}")
    assert said in problem


def test_a_constant_duration_needs_every_entity_to_have_it():
    assert "{ value" not in no_numbers("hours", "t", ["24hr"], all_texts=["24hr", "48"])[0]
    assert no_numbers("hours", "t", []) == []


def test_a_dose_without_a_unit_among_others_is_pointed_out():
    assert "Some doses say no unit" in no_numbers("dose", "d", ["10 uM"], all_texts=["10 uM", "1e-5"])[0]


def test_the_check_says_it():
    obs = pd.DataFrame({"drug": ["DMSO", "JQ1"] * 2, "dose": ["0", "10 uM"] * 2, "t": "24hr"}, index=list("abcd"))
    made = anndata.AnnData(np.ones((4, 2), dtype=np.float32), obs, pd.DataFrame(index=["A", "B"]))
    schema = Schema(
        units="counts", perturbation="drug", control="DMSO", kind="drug", dose="dose", dose_unit=Constant("uM"),
        hours="t", species="none",
    )  # fmt: skip
    problems = check(made, schema).problems
    assert any('dose_unit = { value = "uM" }' in text for text in problems)
    assert any("hours = { value = 24 }" in text for text in problems)
