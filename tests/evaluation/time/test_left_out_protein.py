"""Signals that begin strong go on strong, in proteins never shown too; with early readings exchanged they do not."""

import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.evaluation.time.left_out_protein import LeftOutProtein
from tiny_signals import ROWS, insulin_like

SETTINGS = {"dataset": "made-up", "rows": ROWS, "series": "long", "early": [30, 60], "later": [120, 240], "splits": 3}
SETTINGS["folds"] = "0011" * 50


def asked(method, **change):
    protocol = LeftOutProtein()
    protocol.require(SETTINGS | change, [method])
    return {
        (row.fold, row.metric): row.value
        for row in protocol.run({"made-up": insulin_like()[0]}, SETTINGS | change, method, 0)
    }


def test_early_effects_tell_later_ones_of_other_proteins():
    own, shuffled, copied = asked("early"), asked("early:shuffled"), asked("copy-last-early")
    assert own["", "r"] > 0.7
    assert abs(shuffled["", "r"]) < 0.2
    assert max(own["", "rmse"], copied["", "rmse"]) < 0.8 * asked("zero")["", "rmse"]
    assert {fold for fold, _ in own} == {"120 s", "240 s", ""}
    assert abs(asked("mean-of-other-signals")["", "r"]) < 0.3
    assert asked("early-with-level")["", "r"] > 0.7
    assert 0.5 < asked("other-half")["", "r"] < 1.0


def test_what_cannot_be_asked_is_refused():
    for method in ("moon", "zero:shuffled"):
        with pytest.raises(UnknownNameError):
            asked(method)
    with pytest.raises(IntegrityError, match="folds"):
        LeftOutProtein().require({key: value for key, value in SETTINGS.items() if key != "folds"}, ["early"])
    with pytest.raises(IntegrityError, match="two folds"):
        asked("zero", folds="01" * 100)
    with pytest.raises(IntegrityError, match="200"):
        asked("zero", folds="0011")
    with pytest.raises(IntegrityError, match="90"):
        asked("zero", later=[90])
