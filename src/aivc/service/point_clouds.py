"""Cells as points of a plane, with their labels, as Arrow: what a page draws, up to half a million of them."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell

MOST = 500_000
# Labels that are always shown where they are there; others only while a page can list their values.
_FIRST = ("perturbation", "context", "cell_type", "donor", "batch", "section", "time")
_LABELS, _VALUES = 16, 200
_SECTION = "section"
_LENGTHS = {"um": "µm", "array": "places"}
# Rows that are encoded at once, and from which axes are found.
_BLOCK, _SAMPLE, _FEATURES = 20_000, 10_000, 1_000


def shown_rows(n: int) -> np.ndarray:
    """Positions of the rows that are shown: all of them, or half a million spread evenly.

    >>> len(shown_rows(7)), len(shown_rows(10**6))
    (7, 500000)
    """
    return np.arange(n) if n <= MOST else np.unique(np.linspace(0, n - 1, MOST).round().astype(np.int64))


def point_table(plane: np.ndarray, entities: pd.DataFrame, axes: Sequence[str]) -> pa.Table:
    """Coordinates and labels.

    Args:
        plane: ``(n, 2)`` coordinates.
        entities: ``n`` rows, whose columns of few values become labels.
        axes: Names of the two coordinates.

    Returns:
        ``x`` and ``y`` as float32, and a dictionary column for each label; the metadata hold ``axes`` as JSON.
    """
    columns = {"x": pa.array(plane[:, 0].astype(np.float32)), "y": pa.array(plane[:, 1].astype(np.float32))}
    for name in _labels(entities):
        texts = entities[name].astype(str).to_numpy(dtype=object)
        values, codes = np.unique(texts, return_inverse=True)
        codes = codes.astype(np.int16 if len(values) < 2**15 else np.int32)
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array([str(each) for each in values]))
    return pa.table(columns).replace_schema_metadata({"axes": json.dumps(list(axes))})


def position_table(measurement: Measurement, name: str) -> pa.Table:
    """Where entities lie in their sections, with their labels.

    Args:
        measurement: With coordinates.
        name: What it is called.

    Returns:
        As `point_table`, with the rows that are shown. The metadata also hold ``unit`` of the axes, empty where it is
        not stated, ``section``, the label whose values are apart from each other, empty where all lie in one plane, and
        ``dimensions``: of three, the first two are here.

    Raises:
        DataError: There are no coordinates.
    """
    if measurement.coordinates is None:
        raise DataError(
            [
                f"The cells of {name} have no positions, so there is no section to show. Where its file holds some, "
                "bring it again and confirm coordinates, such as obsm:spatial, with their unit."
            ]
        )
    rows = shown_rows(len(measurement))
    places = np.asarray(measurement.coordinates, dtype=np.float64)[rows]
    unit = _LENGTHS.get(str(measurement.provenance.get("coordinates", {}).get("unit", "")), "")
    axes = [f"{axis} ({unit})" if unit else axis for axis in ("x", "y")]
    table = point_table(places[:, :2], measurement.entities.iloc[rows], axes)
    about = {
        "unit": unit,
        "section": _SECTION if _SECTION in measurement.entities else "",
        "dimensions": str(places.shape[1]),
    }
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **about})


def _labels(entities: pd.DataFrame) -> list[str]:
    names = [str(name) for name in entities if isinstance(name, str)]
    first = [name for name in _FIRST if name in names]
    others = [
        name
        for name in names
        if name not in (*first, "x", "y")
        and not pd.api.types.is_float_dtype(entities[name])
        and entities[name].astype(str).nunique() <= _VALUES
    ]
    return [*first, *others][:_LABELS]


def plane_of_states(cell: VirtualCell, start: Measurement | Sequence[UR]) -> tuple[np.ndarray, pd.DataFrame]:
    """First two principal components of states.

    Args:
        cell: Whose encoder makes the states.
        start: Measured cells; or states that the cell keeps.

    Returns:
        ``(n, 2)`` coordinates, and the ``n`` rows they are of.
    """
    if isinstance(start, Measurement):
        rows = shown_rows(len(start))
        blocks = [rows[i : i + _BLOCK] for i in range(0, len(rows), _BLOCK)]
        states = [cell.encode(start.take(block)) for block in blocks]
    else:
        # States of different spaces have no axes in common: those of the first are shown.
        states = [each for each in start if each.space == start[0].space]
    values = np.concatenate([each.values for each in states])
    entities = pd.concat([each.entities for each in states])
    kept = shown_rows(len(values))
    return principal_plane(values[kept]), entities.iloc[kept]


def principal_plane(values: np.ndarray) -> np.ndarray:
    """``(n, 2)`` first two principal components of ``(n, d)``; the largest loading of each is positive."""
    values = np.asarray(values, dtype=np.float64)
    sample = values[:: max(1, len(values) // _SAMPLE)]
    center = sample.mean(axis=0)
    axes = _axes((sample - center).T @ (sample - center))
    return (values - center) @ axes


def _axes(products: np.ndarray) -> np.ndarray:
    """``(d, 2)`` directions of most variance; the second is zero where there is but one."""
    found = np.linalg.eigh(products)[1][:, ::-1][:, :2]
    found = found * np.sign(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])])
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))


def plane_of_values(measurement: Measurement) -> np.ndarray:
    """First two principal components of the readings, from the thousand that vary most; values on disk stay there.

    Args:
        measurement: In units in which entities can be compared.

    Returns:
        ``(m, 2)`` coordinates of the rows that are shown.
    """
    rows = shown_rows(len(measurement))
    sample = rows[:: max(1, len(rows) // _SAMPLE)]
    chosen = np.argsort(-_variance(measurement.take(sample).values), kind="stable")[:_FEATURES]
    values = _dense(measurement, sample, chosen)
    center = values.mean(axis=0)
    axes = _axes((values - center).T @ (values - center))
    found = [(_dense(measurement, rows[i : i + _BLOCK], chosen) - center) @ axes for i in range(0, len(rows), _BLOCK)]
    return np.concatenate(found) if found else np.zeros((0, 2))


def _variance(values: Any) -> np.ndarray:
    """``(f,)`` without making anything sparse dense; what was not measured counts as zero."""
    if sparse.issparse(values):
        mean = np.asarray(values.mean(axis=0)).ravel()
        return np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2
    return np.nan_to_num(np.asarray(values, dtype=np.float64)).var(axis=0)


def _dense(measurement: Measurement, rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    taken: Any = measurement.take(rows).values
    values = taken[:, chosen]
    return np.nan_to_num(np.asarray(values.toarray() if sparse.issparse(values) else values, dtype=np.float64))


def arrow_bytes(table: pa.Table) -> bytes:
    """A table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
