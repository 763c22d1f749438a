"""Logs are not taken for doses, and amounts that the schema does not name are spoken of."""

import numpy as np
import pandas as pd
import pytest

from aivc.data.io.amount_columns import log_doses, unnamed_amounts
from aivc.data.io.schema import Constant, Schema

PLAIN = {"units": "counts", "perturbation": "drug", "control": "DMSO", "kind": "drug"}


def dosed(column):
    return Schema(**PLAIN, dose=column, dose_unit=Constant("M"))


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("dose", [-6.5, -7, np.nan], "10.0 ** obs['dose']"),
        ("log10_dose", [0, 1, 2], "10.0 ** obs['log10_dose']"),
        ("log2_conc", [0, 1, 2], "2.0 ** obs['log2_conc']"),
        ("ln_dose", [0, 1, 2], "numpy.exp(obs['ln_dose'])"),
        ("-log10(M)", [6, 7, 8], "10.0 ** -obs['-log10(M)']"),
        ("neg_log10_M", [6, 7, 8], "10.0 ** -obs['neg_log10_M']"),
    ],
)
def test_logs_are_named_with_the_way_back(name, values, told):
    (problem,) = log_doses(pd.DataFrame({name: values}), dosed(name))
    assert told in problem
    assert 'write dose = "dose_amount"' in problem


@pytest.mark.parametrize(
    ("name", "values"),
    [("dose", [0, 1, 2]), ("catalog_dose", [1, 2, 3]), ("dose", [-666, 1, 10]), ("analog", [1, 2, 3])],
)
def test_amounts_are_amounts(name, values):
    assert log_doses(pd.DataFrame({name: values}), dosed(name)) == []


def screen(**columns):
    drugs = ["DMSO"] * 4 + ["A"] * 4 + ["B"] * 4
    return pd.DataFrame({"drug": drugs, **{name: values * 3 for name, values in columns.items()}})


def notes(raw, schema=None):
    texts = np.array(["control" if name == "DMSO" else f"drug:{name}" for name in raw["drug"]], dtype=object)
    return unnamed_amounts(raw, {"perturbation": texts}, schema or Schema(**PLAIN))


def test_what_varies_within_a_perturbation_is_noted_with_the_line():
    (dose,) = notes(screen(dose_uM=[1, 1, 10, 10]))
    assert "'dose_uM' reads like doses (1, 10) and varies within 2 perturbations, such as drug:A" in dose
    assert 'dose = "dose_uM" and dose_unit' in dose
    (days,) = notes(screen(day=["D1", "D1", "Day 7", "Day 7"]))
    assert "durations (D1, Day 7)" in days
    (hours,) = notes(screen(timepoint=["24h", "24h", "72h", "72h"]))
    assert "durations (24h, 72h)" in hours
    assert 'hours = "timepoint"' in hours


def test_what_is_declared_or_does_not_vary_is_not():
    raw = screen(dose=[1, 1, 10, 10], time=[24, 24, 24, 24], n_counts=[1, 2, 3, 4], batch=[1, 1, 2, 2])
    assert notes(raw, Schema(**PLAIN, dose="dose", dose_unit=Constant("uM"))) == []
    assert len(notes(raw)) == 1
    assert notes(raw, Schema(**PLAIN, batch="dose")) == []


def test_times_of_day_are_too_many_to_be_durations():
    raw = pd.concat([screen(time=[24, 24, 72, 72])] * 20, ignore_index=True)
    raw["time"] = np.arange(len(raw))
    assert notes(raw) == []


@pytest.mark.parametrize("name", ["Concentration (nM)", "dose [µM]", "conc (ug/ml)"])
def test_units_in_brackets_hide_no_dose(name):
    raw = pd.DataFrame({"drug": ["A", "A", "B", "B"], name: [1.0, 10.0, 1.0, 10.0]})
    (note,) = unnamed_amounts(raw, {"perturbation": np.array(["drug:A"] * 2 + ["drug:B"] * 2)}, Schema(**PLAIN))
    assert "reads like doses" in note
