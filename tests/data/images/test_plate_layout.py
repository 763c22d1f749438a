"""Places on plates that tell the treatment are named; a layout that is mixed says nothing."""

import pandas as pd

from aivc.data.images.plate_layout import layout_notes, wells_of


def plate(wells, labels, plates=None):
    batch = plates or ["p1"] * len(wells)
    return pd.DataFrame({"well": wells, "perturbation": labels, "batch": batch})


def test_controls_that_stand_apart_are_said():
    labels = ["control", "drug:A", "control", "drug:A"]
    found = layout_notes(plate(["B02", "C02", "B02", "C02"], labels, ["p1", "p1", "p2", "p2"]))
    assert "B02 alone" in found[0]
    assert "same well of every plate" in found[1]


def test_mixed_layouts_and_unknown_wells_say_nothing():
    labels = ["control", "drug:A", "drug:A", "control"]
    assert layout_notes(plate(["B02", "C02", "B02", "C02"], labels, ["p1", "p1", "p2", "p2"])) == []
    assert layout_notes(plate(["B02", "C02"], labels[:2]).drop(columns="well")) == []


def test_plates_without_controls_are_said():
    labels = ["control", "drug:A", "drug:A", "drug:B"]
    assert "p2" in layout_notes(plate(["A1", "A1", "A2", "A3"], labels, ["p1", "p1", "p2", "p2"]))[-1]


def test_one_well_has_many_spellings():
    labels = ["control", "drug:A", "control", "drug:A"]
    # The four are two wells: read as they are written, controls would seem to stand alone.
    written = plate(["A1", "a01", "r01c02", "A02"], labels, ["p1", "p1", "p2", "p2"])
    assert list(wells_of(written.rename(columns={"well": "Metadata_Well"}))) == ["A01", "A01", "A02", "A02"]
    assert layout_notes(written) == []
