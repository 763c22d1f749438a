"""A gene annotated to stop a process should not be predicted to act like what drives it."""

import pandas as pd
import pytest

from aivc.core.errors import UnavailableError
from aivc.data import catalog
from aivc.experiments.brakes import brakes

SETS = {
    "signaling (GO:0000001)": frozenset({"K1", "K2"}),
    "positive regulation of signaling (GO:0000002)": frozenset({"L", "BOTH"}),
    "negative regulation of signaling (GO:0000003)": frozenset({"STOP", "BOTH", "K2X"}),
}


def table(rows, applicability="edge"):
    frame = pd.DataFrame(rows, columns=["perturbation", "score"])
    return frame.assign(applicability=applicability)


DRIVERS = [("ko:K1", -1.0), ("ko:K2", -0.8), ("ko:L", -0.6)]


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
    ],
)
def test_a_brake_that_moves_the_response_as_drivers_do_is_named(text, score, named):
    said = brakes(table([*DRIVERS, (text, score)]), SETS)
    assert said[:3] == ["", "", ""]
    assert said[3] == ("brake of signaling, predicted like its drivers K1, K2, L" if named else "")


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
    assert brakes(table(DRIVERS)) == ["not available"] * 3
