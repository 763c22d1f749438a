"""Cells that keep to their own track are led to one place by two steps and by one; who forgets tracks is not."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.evaluation.time.semigroup import Semigroup

SETTINGS = {"dataset": "made-up", "rows": 150, "times": [0.0, 1.0, 2.0], "stretch": 24.0, "most": 750, "power": 0.5}
SETTINGS |= {"resamples": 50, "draws": 2}


def tracks(step=2.0):
    """Five tracks far apart, along which all cells walk by one step in each time."""
    rng, time = np.random.default_rng(0), np.repeat([0.0, 1.0, 2.0], 50)
    lane = np.tile(np.arange(5) * 20.0, 30)
    x = np.stack([time * step, lane], axis=1) + rng.normal(size=(150, 2)) * [0.1, 0.3]
    entities = pd.DataFrame({"time": time}, index=[f"cell{i}" for i in range(150)])
    return Measurement(x, np.array(["x1", "x2"], dtype=object), entities, "arbitrary")


def asked(cells, *methods, **more):
    protocol, settings = Semigroup(), SETTINGS | more
    protocol.require(settings, methods)
    return {m: {r.metric: r for r in protocol.run({"made-up": cells}, settings, m, 0)} for m in methods}


def test_two_steps_lead_where_one_does_unless_cells_are_dealt_anew():
    rows = asked(tracks(), "exact-plans", "exact-plans:shuffled", "transport.v1", "transport.v1:shuffled")
    for name in ("exact-plans", "transport.v1"):
        found, dealt = (rows[each]["refit_apart"] for each in (name, f"{name}:shuffled"))
        assert found.value < 0.3
        assert found.low < found.value < found.high
        assert dealt.value > 0.4
    assert rows["transport.v1"]["chain_apart"].value == pytest.approx(0.0, abs=1e-9)
    halves = (rows[name]["halves_apart"].value for name in ("transport.v1", "transport.v1:shuffled"))
    assert rows["transport.v1"]["refit_apart"].value < next(halves) < next(halves) - 0.1
    assert rows["transport.v1"]["way"].value == pytest.approx(np.sqrt(6), abs=0.3)


def test_who_forgets_its_cells_is_consistent_and_halves_of_the_cells_say_what_that_is_worth():
    rows = asked(tracks(), "copy-time")["copy-time"]
    assert rows["refit_apart"].value == rows["chain_apart"].value == 0.0
    assert rows["halves_apart"].value > 0.2


def test_cells_that_hardly_move_say_nothing():
    cells = tracks()
    ends = cells.dense().copy()
    ends[100:, 0] += 50.0
    moved = asked(cells.replace(values=ends), "exact-plans", power=2.0)["exact-plans"]["refit_apart"]
    assert moved.value is None
    assert "hardly move" in moved.note


def test_what_cannot_be_asked_is_refused():
    for method in ("moon", "mean-effect", "transport.v1:extrapolate"):
        with pytest.raises(UnknownNameError):
            Semigroup().require(SETTINGS, [method])
    for change, words in (
        ({"times": [0.0, 2.0, 1.0]}, "three times that rise"),
        ({"times": [0.0, 1.0]}, "three times"),
    ):
        with pytest.raises(IntegrityError, match=words):
            Semigroup().require(SETTINGS | change, ["exact-plans"])
    with pytest.raises(IntegrityError, match="power"):
        Semigroup().require({key: value for key, value in SETTINGS.items() if key != "power"}, ["exact-plans"])
    for change in ({"rows": 149}, {"times": [0.0, 1.0, 3.0]}):
        with pytest.raises(IntegrityError, match="same file"):
            Semigroup().run({"made-up": tracks()}, SETTINGS | change, "exact-plans", 0)
