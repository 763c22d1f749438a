"""Columns of an imaging screen: which is what, by names of several programs, and what is left to a person."""

import numpy as np
import pandas as pd
import pytest

from aivc.data.io.guess_plates import plate_lines


def wells(**columns):
    n = 8
    base = {"Metadata_Plate": ["p1"] * 4 + ["p2"] * 4, "Metadata_Well": [f"A{i % 4 + 1:02d}" for i in range(n)]}
    return pd.DataFrame(base | columns)


def suggested(frame):
    lines, notes = plate_lines(frame)
    return {line.field: line.value for line in lines if line.sure}, [x.field for x in lines if not x.sure], notes


COMPOUND = ["DMSO", "taxol", "nocodazole", "taxol"] * 2


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("Metadata_Concentration_uM", "uM"),
        ("Concentration (nM)", "nM"),
        ("dose [µM]", "uM"),
        ("Image_Metadata_Dose_mM", "mM"),
    ],
)
def test_the_unit_of_a_dose_stands_in_its_name(name, unit):
    said, open_fields, notes = suggested(wells(Metadata_Compound=COMPOUND, **{name: [0.0, 1, 3, 10] * 2}))
    assert said["dose"] == name
    assert said["dose_unit"] == {"value": unit}
    assert (said["perturbation"], said["control"], said["kind"]) == ("Metadata_Compound", "DMSO", "drug")
    assert said["batch"] == "Metadata_Plate"
    assert (open_fields, notes) == ([], [])


def test_a_dose_without_a_unit_or_as_text_is_left_open():
    bare = wells(compound=COMPOUND, Metadata_mmoles_per_liter=[0.0, 1, 3, 10] * 2)
    assert suggested(bare)[1] == ["dose", "dose_unit"]
    (line,) = [
        x for x in plate_lines(wells(compound=COMPOUND, dose=["0", "1 uM", "3 uM", "10 uM"] * 2))[0] if not x.sure
    ]
    assert "unit of uM" in line.evidence
    units = wells(compound=COMPOUND, dose=[0.0, 1, 3, 10] * 2, dose_unit=["uM"] * 8)
    assert suggested(units)[0]["dose_unit"] == "dose_unit"


def test_controls_are_known_by_their_role_where_their_label_says_nothing():
    role = ["negcon", "trt", "poscon", "trt"] * 2
    said, _, _ = suggested(
        wells(Metadata_broad_sample=["BRD-1", "BRD-2", "BRD-3", "BRD-2"] * 2, Metadata_control_type=role)
    )
    assert said["control"] == "BRD-1"
    blank = [np.nan, "BRD-2", "BRD-3", "BRD-2"] * 2
    assert suggested(wells(Metadata_broad_sample=blank, Metadata_control_type=role))[0]["control"] == ""


def test_what_is_missing_is_said():
    labels = ["DMSO", "a", "b", "", "a", "b", "a", "b"]
    _, _, notes = suggested(wells(compound=labels))
    assert any("1 rows have no label" in note for note in notes)
    assert any("1 of 2 plates (p2)" in note for note in notes)
    _, fields, notes = suggested(pd.DataFrame({"x": ["a", "b"]}))
    assert fields == ["perturbation", "kind"]
    assert len(notes) == 2
    assert suggested(wells(compound=["a", "b", "c", "d"] * 2))[1] == ["control"]
