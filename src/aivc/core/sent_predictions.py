"""Measurements and predictions as a `State`, to be sent to another computer and read there to the last bit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.affected import Affected
from aivc.core.calibration import Applicability, Calibration, Growth
from aivc.core.contracts import unpack
from aivc.core.entity_tables import intact, links_arrays, links_of, sparse_arrays, sparse_of, table_of, table_state
from aivc.core.measurement import Measurement
from aivc.core.prediction import Prediction
from aivc.core.scale import Scale
from aivc.core.state import State, child, pack
from aivc.core.ur import UR

T = TypeVar("T", UR, Measurement)

_VALUES, _CSR = "values", "values:"
# Fields of a prediction that are arrays or nothing.
_PROFILES = ("profiles", "base", "retrieval")


def joined(states: Mapping[str, State]) -> State:
    """Several states as one; `part_of` reads one of them again."""
    arrays = {f"{name}.{key}": array for name, each in states.items() for key, array in each.arrays.items()}
    return State({name: each.settings for name, each in states.items()}, arrays)


def part_of(state: State, name: str) -> State | None:
    """One of the states that `joined` put together; None where it is not among them."""
    settings = state.settings.get(name)
    return child(state, name, settings) if isinstance(settings, dict) else None


def measurement_state(measurement: Measurement) -> State:
    """Pack a measurement; its provenance stays behind."""
    table, values = table_state(measurement.entities), measurement.values
    arrays = {**table.arrays, **links_arrays(measurement.links)}
    if isinstance(values, sparse.csr_matrix):
        arrays |= sparse_arrays(values, _CSR)
    else:
        arrays[_VALUES] = values if isinstance(values, np.ndarray) else measurement.dense()
    for name in ("observed", "coordinates"):
        if (found := getattr(measurement, name)) is not None:
            arrays[name] = found
    settings = {
        **table.settings,
        "units": measurement.units,
        "modality": measurement.modality,
        "scale": str(measurement.scale),
        "features": list(map(str, measurement.features)),
    }
    return State(settings, arrays)


def measurement_of(state: State, where: object, entities: pd.DataFrame | None = None) -> Measurement:
    """Inverse of `measurement_state`.

    Args:
        state: Of a measurement.
        where: Where it came from, for messages.
        entities: Its rows, where they were not sent.

    Raises:
        IntegrityError: The state is not one of a measurement.
    """
    with intact(where, "measurement"):
        settings, arrays = state.settings, state.arrays
        rows = table_of(state) if entities is None else entities
        features = np.array(settings["features"], dtype=object)
        values = sparse_of(arrays, _CSR, (len(rows), len(features)))
        return Measurement(
            arrays[_VALUES] if values is None else values,
            features,
            rows,
            scale=Scale(settings["scale"]),
            links=links_of(arrays, len(rows)),
            units=str(settings["units"]),
            modality=str(settings["modality"]),
            observed=arrays.get("observed"),
            coordinates=arrays.get("coordinates"),
        )


def prediction_state(said: Prediction[T], rows: pd.DataFrame) -> State:
    """Pack a prediction.

    Args:
        said: What cells it has to read out is not sent (``unread``), nor which virtual cell made it.
        rows: Of the population that it was asked about. Draws of the same rows are sent without them.
    """
    same = all(draw.entities is rows or draw.entities.equals(rows) for draw in said.draws)
    states = {f"draw {i}": _draw_state(draw, same=same, first=i == 0) for i, draw in enumerate(said.draws)}
    if said.calibration is not None:
        states["calibration"] = pack(replace(said.calibration, growth=None))
        states |= {f"growth {i}": pack(each) for i, each in enumerate(said.calibration.growth or ())}
    if said.affected is not None:
        states["affected"] = pack(said.affected)
    all_of_them = joined(states)
    arrays = {name: found for name in _PROFILES if (found := getattr(said, name)) is not None}
    settings = {
        **all_of_them.settings,
        "made_by": list(said.made_by),
        "applicability": str(said.applicability),
        "profile_units": said.profile_units,
        "least": said.least,
        "same rows": same,
    }
    return State(settings, {**all_of_them.arrays, **arrays})


def _draw_state(draw: UR | Measurement, *, same: bool, first: bool) -> State:
    whole = draw.state() if isinstance(draw, UR) else measurement_state(draw)
    table = table_state(draw.entities) if same else State()
    # All draws of a prediction have the same features.
    known = {*table.settings, *(() if first else ("features",))}
    return State(
        {name: value for name, value in whole.settings.items() if name not in known},
        {name: array for name, array in whole.arrays.items() if name not in table.arrays},
    )


def states_prediction_of(state: State, where: object, rows: pd.DataFrame) -> Prediction[UR]:
    """Inverse of `prediction_state`, for a prediction of states.

    Args:
        state: Of the prediction.
        where: Where it came from, for messages.
        rows: As they were given to `prediction_state`.

    Raises:
        IntegrityError: The state is not one of such a prediction.
    """
    with intact(where, "prediction of states"):
        draws = []
        for each in _draws(state):
            table = table_state(rows) if state.settings["same rows"] else State()
            draw = UR.from_state(State({**table.settings, **each.settings}, {**table.arrays, **each.arrays}), where)
            # Texts and categories of the rows as whoever asked has them.
            draws.append(replace(draw, entities=rows) if state.settings["same rows"] else draw)
        return Prediction(tuple(draws), **_others(state))


def readings_prediction_of(state: State, where: object, rows: pd.DataFrame) -> Prediction[Measurement]:
    """Inverse of `prediction_state`, for a prediction of measurements.

    Args:
        state: Of the prediction.
        where: Where it came from, for messages.
        rows: As they were given to `prediction_state`.

    Raises:
        IntegrityError: The state is not one of such a prediction.
    """
    with intact(where, "prediction of measurements"):
        kept = rows if state.settings["same rows"] else None
        return Prediction(tuple(measurement_of(each, where, kept) for each in _draws(state)), **_others(state))


def _draws(state: State) -> Sequence[State]:
    count = sum(name.startswith("draw ") for name in state.settings)
    shared = {name: state.settings["draw 0"][name] for name in ("features",) if name in state.settings["draw 0"]}
    return [child(state, f"draw {i}", {**shared, **state.settings[f"draw {i}"]}) for i in range(count)]


def _others(state: State) -> dict[str, Any]:
    settings = state.settings
    affected = part_of(state, "affected")
    return {
        "made_by": tuple(map(str, settings["made_by"])),
        "applicability": Applicability(settings["applicability"]),
        "profile_units": str(settings["profile_units"]),
        "least": None if settings["least"] is None else float(settings["least"]),
        "calibration": _calibration(state),
        "affected": None if affected is None else unpack(Affected, affected, "affected"),
        **{name: state.arrays.get(name) for name in _PROFILES},
    }


def _calibration(state: State) -> Calibration | None:
    packed = part_of(state, "calibration")
    if packed is None:
        return None
    growth = [part_of(state, name) for name in state.settings if name.startswith("growth ")]
    grown = tuple(unpack(Growth, each, "growth") for each in growth if each is not None)
    return replace(unpack(Calibration, packed, "calibration"), growth=grown or None)
