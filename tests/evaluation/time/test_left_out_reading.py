"""A time left out is found from those beside it, better than by copies, and not with signals exchanged."""

import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.evaluation.time.left_out_reading import LeftOutReading
from tiny_signals import ROWS, insulin_like

SETTINGS = {"dataset": "made-up", "rows": ROWS, "series": {"long": [60, 120]}, "splits": 3}


def asked(method):
    protocol = LeftOutReading()
    protocol.require(SETTINGS, [method])
    rows = protocol.run({"made-up": insulin_like()[0]}, SETTINGS, method, 0)
    return {(row.fold, row.metric): row for row in rows}


def test_a_time_left_out_is_found_between_others():
    found = {
        name: asked(name)
        for name in ("series", "linear-in-log-time", "copy-previous", "copy-next", "zero", "series:shuffled")
    }
    error = {name: rows["", "rmse_long"].value for name, rows in found.items()}
    assert max(error["series"], error["linear-in-log-time"]) < min(error["copy-previous"], error["copy-next"])
    assert error["series"] < 0.6 * error["zero"]
    assert found["series"]["long, 60 s", "r_long"].value > 0.8
    assert abs(found["series:shuffled"]["", "r_long"].value) < 0.2
    assert found["zero"]["", "r_long"].value == 0.0
    assert "no correlation" in found["zero"]["", "r_long"].note


def test_the_first_time_is_between_zero_and_the_next():
    settings = SETTINGS | {"series": {"long": [30]}}
    rows = {
        method: LeftOutReading().run({"made-up": insulin_like()[0]}, settings, method, 0)[1].value
        for method in ("copy-previous", "zero", "linear-in-log-time", "copy-next")
    }
    assert rows["copy-previous"] == rows["zero"] == 0.0
    assert rows["linear-in-log-time"] == pytest.approx(rows["copy-next"])


def test_the_other_half_of_the_replicates_agrees():
    assert 0.6 < asked("other-half")["", "r_long"].value < 1.0


def test_what_cannot_be_asked_is_refused():
    for method in ("moon", "zero:shuffled", "other-half:shuffled"):
        with pytest.raises(UnknownNameError):
            LeftOutReading().require(SETTINGS, [method])
    with pytest.raises(IntegrityError, match="splits"):
        LeftOutReading().require({"dataset": "made-up", "rows": ROWS, "series": {}}, ["series"])
    for times in ([240], [90]):
        settings = SETTINGS | {"series": {"long": times}}
        with pytest.raises(IntegrityError, match="no others between"):
            LeftOutReading().run({"made-up": insulin_like()[0]}, settings, "zero", 0)
