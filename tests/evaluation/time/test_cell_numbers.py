"""Numbers that lie on a line are found by whoever follows a line, and a number beyond the last is told or refused."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.evaluation.time.cell_numbers import CellNumbers

SETTINGS = {"dataset": "made-up", "numbers": {"0": 10, "1": 20, "2": 40}, "stretch": 24.0, "draws": 2}


def doubling():
    """As many cells at three times, twice as many each time."""
    time = np.repeat([0.0, 1.0, 2.0], [10, 20, 40])
    entities = pd.DataFrame({"time": time}, index=[f"cell{i}" for i in range(70)])
    x = np.random.default_rng(0).normal(size=(70, 2)) + time[:, None]
    return Measurement(x, np.array(["x1", "x2"], dtype=object), entities, "arbitrary")


def asked(*methods):
    protocol = CellNumbers()
    protocol.require(SETTINGS, methods)
    return {m: {r.metric: r for r in protocol.run({"made-up": doubling()}, SETTINGS, m, 0)} for m in methods}


def test_numbers_that_double_are_on_the_curve_and_not_on_the_line():
    rows = asked("copy-previous", "linear", "exponential")
    assert rows["exponential"]["abs_ln_ratio"].value == pytest.approx(0.0, abs=1e-9)
    assert rows["linear"]["abs_ln_ratio_between"].value == pytest.approx(np.log(25 / 20))
    assert rows["linear"]["abs_ln_ratio_after"].value == pytest.approx(np.log(40 / 30))
    assert rows["copy-previous"]["abs_ln_ratio"].value == pytest.approx(np.log(2))
    assert rows["linear"]["abs_ln_ratio_after"].note == "30 cells for 40, ln ratio -0.288"


def test_masses_add_up_to_declared_numbers_and_the_future_is_refused_unless_asked_for():
    rows = asked("linear", "transport.v1", "transport.v1:extrapolate", "copy-time:extrapolate")
    for name in ("transport.v1:extrapolate", "copy-time:extrapolate"):
        for metric, row in rows[name].items():
            assert row.value == pytest.approx(rows["linear"][metric].value)
    assert rows["transport.v1"]["abs_ln_ratio_between"].value == pytest.approx(np.log(25 / 20))
    for metric in ("abs_ln_ratio", "abs_ln_ratio_after"):
        assert rows["transport.v1"][metric].value is None
        assert rows["transport.v1"][metric].note.startswith("refused")


def test_what_cannot_be_asked_is_refused():
    for method in ("moon", "mean-effect", "linear:extrapolate", "copy-time:shuffled"):
        with pytest.raises(UnknownNameError):
            CellNumbers().require(SETTINGS, [method])
    with pytest.raises(IntegrityError, match="three times"):
        CellNumbers().require(SETTINGS | {"numbers": {"0": 10}}, ["linear"])
    with pytest.raises(IntegrityError, match="draws"):
        CellNumbers().require({key: value for key, value in SETTINGS.items() if key != "draws"}, ["linear"])
    with pytest.raises(IntegrityError, match="same file"):
        CellNumbers().run({"made-up": doubling()}, SETTINGS | {"numbers": {"0": 9, "1": 20, "2": 40}}, "linear", 0)
