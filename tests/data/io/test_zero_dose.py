"""A dose of 0 is what the schema says it is, and is named where the schema says nothing."""

import numpy as np
import pandas as pd
import pytest

from aivc.data.io.schema import Constant, Schema
from aivc.data.io.zero_dose import doseless, zero_doses

LABELS = np.array(["DMSO", "A", "A", "A", "B_0 nM"], dtype=object)
TEXTS = np.array(
    ["control", "drug:A@0uM", "drug:A@1uM", "drug:A@0uM + drug:B@2uM for 24h", "drug:B_0 nM"], dtype=object
)


def schema(**more):
    return Schema(units="counts", perturbation="x", control="DMSO", kind="drug", **more)


def test_without_a_word_it_stays_and_is_named():
    texts, notes = zero_doses(LABELS, TEXTS, schema())
    assert texts.tolist() == TEXTS.tolist()
    assert 'zero_dose = "control"' in notes[0]
    assert notes[0].startswith("3 of 5 entities have a dose of 0")


def test_as_control_agents_of_dose_zero_are_gone():
    texts, notes = zero_doses(LABELS, TEXTS, schema(zero_dose="control"))
    assert texts.tolist() == ["control", "control", "drug:A@1uM", "drug:B@2uM for 24h", "control"]
    assert "3 of 5" in notes[0]


def test_as_perturbation_nothing_is_said():
    texts, notes = zero_doses(LABELS, TEXTS, schema(zero_dose="perturbation"))
    assert texts.tolist() == TEXTS.tolist()
    assert notes == []


@pytest.mark.parametrize("label", ["B 0 nM", "B@0.0uM", "B_0µM", "B (0 ng/mL)", "0 uM"])
def test_amounts_in_plain_labels(label):
    texts, _ = zero_doses(
        np.array([label], dtype=object), np.array(["drug:B"], dtype=object), schema(zero_dose="control")
    )
    assert texts.tolist() == ["control"]


@pytest.mark.parametrize("label", ["B_0", "B 10 nM", "GSK0", "B_0.5uM", "B-100 nM"])
def test_other_labels_are_left(label):
    texts, notes = zero_doses(np.array([label], dtype=object), np.array(["drug:B"], dtype=object), schema())
    assert texts.tolist() == ["drug:B"]
    assert notes == []


def test_what_could_not_be_translated_stays_so():
    texts, notes = zero_doses(np.array(["x"], dtype=object), np.array([""], dtype=object), schema(zero_dose="control"))
    assert texts.tolist() == [""]
    assert notes == []


def test_drugs_without_a_dose_among_doses_are_noted():
    raw = pd.DataFrame({"dose": [np.nan, 1.0, np.nan]})
    texts = np.array(["control", "drug:JQ1@1uM", "drug:JQ1"], dtype=object)
    schema = Schema(
        units="counts", perturbation="drug", control="DMSO", kind="drug", dose="dose", dose_unit=Constant("uM")
    )
    (note,) = doseless(raw, {"perturbation": texts}, schema)
    assert note.startswith("1 of 3 entities have no dose")
    assert doseless(raw.fillna(2.0), {"perturbation": texts}, schema) == []
