"""Targets: expressed or not, and whether signed links agree with what is predicted."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import UnavailableError
from aivc.experiments import targets
from aivc.experiments.response import Response
from aivc.experiments.targets import ControlLevels, target_columns

LINKS = pd.DataFrame(
    [("UP", "R", 1.0, "A"), ("BRAKE", "R", -0.8, "B"), ("WEAK", "R", 0.4, "D"), ("R", "R", 1.0, "A")],
    columns=["tf", "target", "link", "confidence"],
)
CONTROLS = ControlLevels(np.array(["R", "UP", "BRAKE"]), np.log1p([3.0, 0.5, 0.001]), "log1p_cp10k")


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(targets, "regulons", lambda: LINKS)


def columns(text, score=-0.5, controls=CONTROLS, response="R"):
    found = target_columns([text], [score], Response.parse(response), controls)
    return {name: column[0] for name, column in found.items()}


@pytest.mark.parametrize(
    ("text", "expressed"),
    [
        ("ko:UP", "yes"),
        ("ko:BRAKE", "no"),
        ("ko:UP + ko:BRAKE", "no"),
        ("ko:ELSE", "not measured"),
        ("ko:UP + ko:ELSE", "not measured"),
        ("drug:nutlin-3@1uM", "no gene"),
    ],
)
def test_a_target_is_expressed_or_not_or_not_measured(text, expressed):
    assert columns(text)["expressed"] == expressed


def test_levels_are_those_of_control_cells_in_units_where_they_can_be_judged():
    assert columns("ko:UP + ko:BRAKE")["target_level"] == pytest.approx(np.log1p(0.001))
    assert np.isnan(columns("ko:ELSE")["target_level"])
    assert columns("ko:UP", controls=CONTROLS._replace(units="zscore"))["expressed"] == "not judged"
    # Of a panel, cells have few counts; and a million is no cell's own.
    for units, up, brake in (("log1p_cp188", 0.05, 0.01), ("log1p_cp1000k", 5.0, 1.0)):
        other = CONTROLS._replace(level=np.log1p([3.0, up, brake]), units=units)
        assert [columns(f"ko:{gene}", controls=other)["expressed"] for gene in ("UP", "BRAKE")] == ["yes", "no"]


@pytest.mark.parametrize(
    ("text", "score", "response", "verdict"),
    [
        ("ko:UP", -0.5, "R", "agrees"),
        ("ko:UP", 0.5, "R", "contradicts"),
        ("ko:UP", 0.5, "-R", "agrees"),
        ("oe:UP", -0.5, "R", "contradicts"),
        ("ko:BRAKE", -0.5, "R", "contradicts"),
        ("ko:BRAKE", 0.5, "R", "agrees"),
        ("ko:WEAK", -0.5, "R", "nothing known"),
        ("ko:R", -0.5, "R", "nothing known"),
        ("drug:UP@1uM", -0.5, "R", "nothing known"),
        ("ko:UP", 0.0, "R", "nothing known"),
    ],
)
def test_a_brake_that_is_predicted_to_drive_is_seen(text, score, response, verdict):
    said = columns(text, score, response=response)["annotation"]
    assert said.split(":")[0] == verdict
    if verdict == "contradicts" and "BRAKE" in text:
        assert said == "contradicts: BRAKE lowers R, DoRothEA B"


def test_without_the_table_it_says_so(monkeypatch):
    def absent():
        raise UnavailableError("not here")

    monkeypatch.setattr(targets, "regulons", absent)
    assert columns("ko:UP")["annotation"] == "not available"
