import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.affected import Affected
from aivc.core.calibration import Calibration, Growth
from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.core.scale import Scale
from aivc.core.sent_predictions import (
    joined,
    measurement_of,
    measurement_state,
    part_of,
    prediction_state,
    readings_prediction_of,
    states_prediction_of,
)
from aivc.core.state import State
from aivc.testing import sample_measurement, sample_ur


def over(state):
    """The same state, after a journey as bytes."""
    return State.from_bytes(state.to_bytes(), "there")


def test_a_measurement_comes_back_to_the_last_bit():
    cells = sample_measurement()
    full = cells.replace(
        observed=np.arange(len(cells.features)) % 2 == 0,
        coordinates=np.random.default_rng(0).normal(size=(len(cells), 2)),
        links=sparse.identity(len(cells), format="csr"),
    )
    back = measurement_of(over(measurement_state(full)), "there")
    np.testing.assert_array_equal(back.dense(), full.dense())
    for name in ("observed", "coordinates"):
        np.testing.assert_array_equal(getattr(back, name), getattr(full, name))
    assert (back.links != full.links).nnz == 0
    assert (back.units, back.modality, back.scale) == (full.units, full.modality, full.scale)
    assert list(back.features) == list(map(str, full.features))
    assert list(back.entities.index) == list(full.entities.index)


def test_sparse_values_stay_sparse():
    cells = sample_measurement()
    thin = cells.replace(values=sparse.csr_matrix(cells.dense()))
    back = measurement_of(over(measurement_state(thin)), "there")
    assert sparse.issparse(back.values)
    np.testing.assert_array_equal(back.dense(), thin.dense())


def calibration(width):
    growth = tuple(Growth(np.arange(10.0).reshape(2, 5) + i, 0.1 * i, 1e-6) for i in range(3))
    return Calibration(
        np.ones(width), np.ones(width), np.arange(4.0), np.full(4, 0.25), 20.0, growth, np.ones((3, width)),
        np.arange(4), np.ones(9), np.zeros((3, 2)), ("A", "B"), 0.1, 0.5,
    )  # fmt: skip


def test_a_prediction_of_states_comes_back_with_all_it_says():
    ur = sample_ur().take(np.arange(6))
    rows = ur.entities.assign(perturbation="ko:X")
    width = ur.space.dim
    said = Prediction(
        ur.moved_each(np.random.default_rng(0).normal(size=(3, 1, width)), "ko:X"),
        ("a", "b"),
        Applicability.EDGE,
        retrieval=np.arange(float(width)),
        affected=Affected(("c1",), np.array([1]), np.array([0.5]), 5, 2, 1.0, 0.2, 0.1),
    )
    state = prediction_state(said, rows)
    assert state.settings["same rows"]
    assert "names" not in state.settings["draw 0"]
    back = states_prediction_of(over(state), "there", rows)
    for ours, theirs in zip(back.draws, said.draws, strict=True):
        np.testing.assert_array_equal(ours.values, theirs.values)
        assert ours.entities is rows
    np.testing.assert_array_equal(back.profiles, said.profiles)
    np.testing.assert_array_equal(back.retrieval, said.retrieval)
    assert (back.made_by, back.applicability, back.least) == (said.made_by, said.applicability, None)
    assert (back.affected.names, back.affected.shuffled) == (("c1",), 0.1)


def test_rows_that_changed_are_sent_along():
    ur = sample_ur().take(np.arange(6))
    said = Prediction((ur.take(np.arange(4)).moved(np.ones(ur.space.dim), "remove:T cell"),), ("a",), Applicability.IN)
    back = states_prediction_of(over(prediction_state(said, ur.entities)), "there", ur.entities)
    assert list(back.draws[0].entities.index) == list(ur.entities.index[:4])
    assert set(back.draws[0].perturbations) == {"remove:T cell"}


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_prediction_of_readings_keeps_its_intervals(calibrated):
    cells = sample_measurement().take(np.arange(5))
    width = len(cells.features)
    shape = calibration(width) if calibrated else None
    said = Prediction(
        (cells, cells.replace(values=cells.dense() + 1.0)), ("d",), Applicability.IN, calibration=shape,
        base=np.zeros(width), least=0.0,
    )  # fmt: skip
    state = prediction_state(said, cells.entities)
    assert "features" not in state.settings["draw 1"]
    back = readings_prediction_of(over(state), "there", cells.entities)
    for ours, theirs in zip(back.interval(0.75), said.interval(0.75), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert back.profile_units == said.profile_units
    if not calibrated:
        assert back.calibration is None
        return
    for name in [each.name for each in dataclasses.fields(Calibration) if each.name != "growth"]:
        np.testing.assert_array_equal(getattr(back.calibration, name), getattr(shape, name))
    np.testing.assert_array_equal(back.calibration.growth[2].table, shape.growth[2].table)


def test_joined_states_come_apart_again():
    one = State({"a": 1}, {"x": np.arange(3)})
    both = over(joined({"one": one, "two": State({"b": 2})}))
    assert part_of(both, "one").settings == {"a": 1}
    np.testing.assert_array_equal(part_of(both, "one").arrays["x"], np.arange(3))
    assert part_of(both, "three") is None


@pytest.mark.parametrize("read", [states_prediction_of, readings_prediction_of])
@pytest.mark.parametrize(
    "broken", [{}, {"draw 0": {}, "same rows": True}, {"draw 0": {"space": None}, "same rows": False}]
)
def test_other_states_are_no_prediction(read, broken):
    with pytest.raises(IntegrityError, match="there holds no"):
        read(State(broken), "there", pd.DataFrame(index=["x"]))


def test_other_states_are_no_measurement():
    state = measurement_state(Measurement(np.ones((1, 1)), np.array(["G"]), pd.DataFrame(index=["x"]), "counts"))
    assert measurement_of(state, "there").scale is Scale.CELLULAR
    with pytest.raises(IntegrityError, match="there holds no measurement"):
        measurement_of(State({**state.settings, "scale": "none"}, state.arrays), "there")
