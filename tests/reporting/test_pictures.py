"""Pictures show the numbers they were given, under any name, and refuse what they cannot draw."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.reporting import pictures

HOSTILE = "<script>$x$\x00"


def texts(figure):
    return [each.text for each in ET.fromstring(figure.svg).iter() if each.tag.endswith("text")]


def table(names):
    measured = np.linspace(-1, 1, len(names))
    return pd.DataFrame({"feature": names, "predicted": measured / 2, "measured": measured})


def test_a_map_puts_cells_on_their_axes_of_largest_variance():
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.normal(0, 0.1, 60), np.repeat([-5.0, 5.0], 30), rng.normal(0, 0.1, 60)])
    groups = np.repeat(["control", HOSTILE], 30)
    drawn = pictures.cells_map(
        places, [("perturbation", groups, ["control", HOSTILE])], encoder="pca", drawn="60 cells."
    )
    axes = drawn.drawing.axes[0]
    marks = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 30]
    assert len(marks) == 2
    assert marks[0].max() < 0 < marks[1].min() or marks[1].max() < 0 < marks[0].min()
    assert "principal axis 1 of the state (100% of variance)" in texts(drawn)
    assert "<script" not in drawn.svg
    with pytest.raises(DataError, match="at least three cells"):
        pictures.cells_map(places[:2], [], encoder="pca", drawn="Two cells.")


def test_agreement_sets_predicted_against_measured():
    drawn = pictures.agreement(table([f"G{i}" for i in range(9)]), perturbation=HOSTILE, units="log2fc")
    axes = drawn.drawing.axes[0]
    assert axes.get_xlabel() == "measured effect, log₂ fold change"
    assert axes.get_ylabel() == "predicted effect, log₂ fold change"
    assert "correlation is 1.00" in drawn.caption
    assert {"G0", "G8"} <= set(texts(drawn))
    with pytest.raises(DataError, match="three features"):
        pictures.agreement(table(["A", "B"]), perturbation="ko:X", units="log2fc")


def test_a_curve_stays_inside_what_is_finite():
    curve = pd.DataFrame({"feature": "G1", "dose": [1.0, 10.0], "effect": [0.1, 0.5], "low": [0.0, -np.inf]})
    curve = curve.assign(high=[0.2, np.inf])
    drawn = pictures.dose_response(curve, agent="drug:a", unit="uM", units="log2fc")
    low, high = drawn.drawing.axes[0].get_ylim()
    assert -0.2 < low < 0
    assert 0.5 < high < 0.7
    assert "Crosses" not in drawn.caption
    with pytest.raises(DataError, match="above zero"):
        pictures.dose_response(curve.assign(dose=0.0), agent="drug:a", unit="uM", units="log2fc")


def test_only_groups_that_are_there_are_colored():
    there = np.array(["control", *[f"ko:{i}" for i in range(9)]])
    assert pictures.group_names(there, [f"ko:{i}" for i in range(9)]) == ["control", *[f"ko:{i}" for i in range(5)]]
