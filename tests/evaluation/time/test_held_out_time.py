"""Cells that walk along a line are found halfway, and a time that is like those beside it has no power."""

from importlib.metadata import EntryPoint

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.evaluation.time.held_out_time import HeldOutTime

SETTINGS = {"dataset": "made-up", "rows": 120, "hold": [1.0], "stretch": 24.0, "seeds": 2, "sets": 2, "most": 750}
SETTINGS |= {"power": 0.75, "draws": 2}


def walking(step):
    """40 cells at each of three times, whose mean moves by a step."""
    rng, time = np.random.default_rng(0), np.repeat([0.0, 1.0, 2.0], 40)
    x = rng.normal(size=(120, 2)) * 0.5 + time[:, None] * np.array([step, 0.0])
    entities = pd.DataFrame({"time": time}, index=[f"cell{i}" for i in range(120)])
    return Measurement(x, np.array(["x1", "x2"], dtype=object), entities, "arbitrary")


def asked(cells, *methods):
    protocol = HeldOutTime()
    protocol.require(SETTINGS, methods)
    return {m: {r.metric: r for r in protocol.run({"made-up": cells}, SETTINGS, m, 0)} for m in methods}


def test_cells_that_walk_are_found_halfway():
    methods = ("split-half", "copy-previous", "copy-next", "pooled-times", "mixture-time", "transport.v1")
    methods = (*methods, "transport.v1:shuffled")
    excess = {name: rows["w1_excess"].value for name, rows in asked(walking(2.0), *methods).items()}
    assert excess["split-half"] == 0.0
    assert min(excess["copy-previous"], excess["copy-next"]) == pytest.approx(1.0)
    assert excess["transport.v1"] < 0.25
    assert excess["transport.v1"] < min(excess[name] for name in (*methods[3:5], methods[6])) - 0.5


def test_times_that_are_alike_have_no_power():
    rows = asked(walking(0.0), "copy-next")["copy-next"]
    assert rows["w1_excess"].value is None
    assert "split halves" in rows["w1_excess"].note
    assert rows["w1"].value > 0


def beyond(cells, *methods):
    protocol, settings = HeldOutTime(), SETTINGS | {"hold": [2.0], "beyond": True}
    protocol.require(settings, methods)
    return {m: {r.metric: r for r in protocol.run({"made-up": cells}, settings, m, 0)} for m in methods}


def test_means_that_move_evenly_are_found_at_the_last_time():
    methods = ("split-half", "copy-previous", "pooled-times", "mean-shift")
    rows = beyond(walking(2.0), *methods)
    excess = {name: each["w1_excess"].value for name, each in rows.items()}
    assert excess["split-half"] == 0.0
    assert excess["copy-previous"] == pytest.approx(1.0)
    assert excess["mean-shift"] < 0.25
    assert excess["pooled-times"] > 1.2
    assert rows["mean-shift"]["w1_excess"].fold == ""
    assert rows["pooled-times"]["w1_excess"].note == "no better than today"


def test_who_refuses_to_extrapolate_is_a_row_and_who_stays_says_so():
    rows = beyond(walking(2.0), "transport.v1", "transport.v1:extrapolate", "transport.v1:extrapolate:shuffled")
    for row in rows["transport.v1"].values():
        assert row.value is None
        assert row.note.startswith("refused: transport.v1 was fitted on times from 0 to 24 h")
    told = rows["transport.v1:extrapolate"]["w1_excess"]
    assert told.value == pytest.approx(1.0, abs=0.1)
    assert told.note == "no better than today; answered by: today"
    assert rows["transport.v1:extrapolate:shuffled"]["w1_excess"].value > told.value


def test_what_cannot_be_asked_is_refused(register):
    register(EntryPoint("moon", "tiny_tasks:Lengths", "aivc.encoders"))
    for method in ("moon", "mean-effect", "mean-effect:shuffled", "pooled-times:shuffled"):
        with pytest.raises(UnknownNameError):
            HeldOutTime().require(SETTINGS, [method])
    for method, more in (("transport.v1:extrapolate", {}), ("mean-shift", {}), ("copy-next", {"beyond": True})):
        with pytest.raises(UnknownNameError):
            HeldOutTime().require(SETTINGS | more, [method])
    with pytest.raises(IntegrityError, match="one time"):
        HeldOutTime().require(SETTINGS | {"beyond": True, "hold": [1.0, 2.0]}, ["mean-shift"])
    with pytest.raises(IntegrityError, match="power"):
        HeldOutTime().require({key: value for key, value in SETTINGS.items() if key != "power"}, ["copy-next"])


@pytest.mark.parametrize("change", [{"rows": 119}, {"hold": [2.0]}, {"hold": [0.5]}, {"beyond": True}])
def test_other_data_are_refused(change):
    with pytest.raises(IntegrityError):
        HeldOutTime().run({"made-up": walking(1.0)}, SETTINGS | change, "copy-next", 0)
