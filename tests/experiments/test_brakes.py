"""A gene annotated to stop a process should not be predicted to act like what drives it."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import UnavailableError
from aivc.data import catalog
from aivc.experiments.brakes import brakes

SETS = {
    "signaling (GO:0000001)": frozenset({"K1", "K2"}),
    "positive regulation of signaling (GO:0000002)": frozenset({"L", "BOTH"}),
    "negative regulation of signaling (GO:0000003)": frozenset({"STOP", "BOTH", "K2X"}),
    "positive regulation of growth (GO:0000004)": frozenset({"K1", "K2", "L", "TWICE"}),
    "negative regulation of growth (GO:0000005)": frozenset({"SLOW"}),
    "negative regulation of shape (GO:0000006)": frozenset({"TWICE"}),
    "shape (GO:0000007)": frozenset({"K1", "K2", "N1", "N2"}),
}
DRIVERS = [("ko:K1", -1.05), ("ko:K2", -0.85), ("ko:L", -0.95)]


def table(rows, applicability="edge", seen=False, typical=-0.05):
    """The rows, and sixty genes that do what every gene does."""
    scores = typical + 0.05 * np.random.default_rng(0).standard_normal(60)
    others = [(f"ko:N{i}", score) for i, score in enumerate(scores)]
    frame = pd.DataFrame([*rows, *others], columns=["perturbation", "score"])
    return frame.assign(applicability=applicability, seen=seen)


@pytest.mark.parametrize(
    ("text", "score", "named"),
    [
        ("ko:STOP", -0.7, True),
        ("ko:STOP", 0.7, False),
        ("ko:STOP", -0.1, False),
        ("oe:STOP", 0.7, True),
        ("oe:STOP", -0.7, False),
        ("ko:BOTH", -0.7, False),
        ("ko:STOP + ko:K2X", -0.7, False),
        ("drug:STOP@1uM", -0.7, False),
        ("ko:TWICE", -0.9, False),
    ],
)
def test_a_brake_that_moves_the_response_as_drivers_do_is_named(text, score, named):
    said = brakes(table([*DRIVERS, (text, score)]), SETS)
    assert said[3] == ("brake of signaling, predicted like its drivers K1, L, K2" if named else "")
    assert set(said[:3] + said[4:]) == {""}


def test_what_was_measured_is_no_mistake():
    frame = table([*DRIVERS, ("ko:STOP", -0.7)])
    frame.loc[3, "seen"] = True
    assert set(brakes(frame, SETS)) == {""}


def test_what_every_gene_does_makes_no_driver():
    same = [("ko:K1", -0.05), ("ko:K2", -0.06), ("ko:L", -0.07), ("ko:STOP", -0.06)]
    assert set(brakes(table(same), SETS)) == {""}


def test_a_process_whose_drivers_disagree_or_are_few_says_nothing():
    stop = ("ko:STOP", -0.7)
    assert brakes(table([*DRIVERS[:2], ("ko:L", 0.9), stop]), SETS)[3] == ""
    assert brakes(table([*DRIVERS[:2], stop]), SETS)[2] == ""
    assert brakes(table([*DRIVERS, stop], applicability="out"), SETS)[3] == ""


def test_without_the_sets_it_says_so_and_fetches_nothing(monkeypatch):
    def absent(*_, offline):
        assert offline
        raise UnavailableError("not here")

    monkeypatch.setattr(catalog, "path", absent)
    assert set(brakes(table(DRIVERS))) == {"not available"}
