"""Reads predicted cells, and their intervals, as a model of another environment wrote them: an h5ad with its units."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aivc.core.errors import SchemaError, UnavailableError, UnitsError
from aivc.core.measurement import Measurement
from aivc.data.catalog.fetch import digest
from aivc.data.io.formats import anndata_file, intact, opened, refuse_unknown, suffix
from aivc.data.io.labels import labels
from aivc.data.io.number_names import number_text
from aivc.data.io.read import read
from aivc.data.io.schema import Schema
from aivc.data.io.tables import read_table
from aivc.data.streaming.stream import chunks
from aivc.evaluation.protocol.forecast import (
    HIGH,
    LEVEL,
    LOW,
    Forecast,
    Predicted,
    both_or_neither,
    layers_of,
    level_of,
)

_UNS = ("units", "digest", LEVEL)


def read_predictions(path: Path, *, units: str | None = None, level: float | None = None) -> Predicted:
    """Read predicted cells from an h5ad or zarr, as they come; what they answer is found out when they are scored.

    Args:
        path: With ``obs`` columns ``fold``, ``perturbation``, ``context`` and whatever else names a question, features
            in ``var``, and ``uns["units"]``. Names of cells are not looked at. Layers ``low`` and ``high`` are the
            ends of intervals of the mean profiles, at ``uns["level"]``.
        units: Of the values, where the file does not say.
        level: Of the intervals, where the file does not say; 0.9 by default.

    Returns:
        Cells; with their intervals where the file holds any.

    Raises:
        UnavailableError: There is no such file.
        IntegrityError: The file is damaged, hostile or of another kind.
        UnitsError: It does not say its units, or others than were asked for.
        DataError: Features stand twice, or intervals are at no level that is scored.
        SchemaError: It is no h5ad or zarr, or holds one end of intervals only.
    """
    if not path.exists():
        raise UnavailableError(f"There is no file {path}. Check the path of the predictions.")
    if suffix(path) not in (".h5ad", ".zarr"):
        raise SchemaError(f"{path.name} ends in {suffix(path)!r}; predictions are read from .h5ad or .zarr. Write one.")
    with intact(path):
        notes = _uns(path)
        schema = Schema(units="arbitrary", perturbation="perturbation", control="control")
        raw = anndata_file(path, schema, backed=False)
        ends = (
            [anndata_file(path, replace(schema, layer=side), backed=False).values for side in (LOW, HIGH)]
            if both_or_neither(layers_of(path), path.name)
            else []
        )
    declared = notes.get("units")
    if (declared or units) is None:
        raise UnitsError(
            f'{path.name} does not say what its values are. Write uns["units"] = "counts", or log1p_cpN as the export '
            "says; or give --units."
        )
    if None not in (declared, units) and declared != units:
        raise UnitsError(f"{path.name} says that its values are in {declared}, but {units} was asked for. Correct one.")
    # Columns are read as labels; a time is none, and nothing is scored by it.
    entities = pd.DataFrame({str(name): labels(raw.entities[name]) for name in raw.entities if name != "time"})
    entities.index = pd.Index([f"row{i}" for i in range(len(raw.entities))], dtype=object)
    features = np.array([number_text(name) for name in raw.features.index], dtype=object)
    made = Measurement(raw.values, features, entities, str(declared or units))
    sha256 = digest(path) if path.is_file() else content_digest(made)
    made = made.replace(provenance={"file": path.name, "sha256": sha256, "benchmark": notes.get("digest")})
    if not ends:
        return made
    low, high = (made.replace(values=values) for values in ends)
    return Forecast(made, low, high, level_of(notes.get(LEVEL), level, path.name))


def _uns(path: Path) -> dict[str, str]:
    from anndata.io import read_elem

    with opened(path) as store:
        there = [name for name in _UNS if f"uns/{name}" in store]
        for name in there:
            refuse_unknown(store[f"uns/{name}"])
        return {name: str(read_elem(store[f"uns/{name}"])) for name in there}


def content_digest(predicted: Predicted) -> str:
    """Return the sha256 of features, labels, values and ends of intervals, for predictions that are no file."""
    if isinstance(predicted, Forecast):
        parts = map(content_digest, (predicted.cells, predicted.low, predicted.high))
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()
    return _digest(predicted)


def _digest(measurement: Measurement) -> str:
    sha = hashlib.sha256("\n".join(map(str, (measurement.units, *measurement.features))).encode())
    sha.update(measurement.entities.reset_index(drop=True).astype(str).to_csv().encode())
    for _, block in chunks(measurement):
        dense = block if isinstance(block, np.ndarray) else block.toarray()
        sha.update(np.ascontiguousarray(dense, dtype=np.float64).tobytes())
    return sha.hexdigest()


def stamp_of(predicted: Predicted) -> str:
    """What scores say of the predictions they are of: the file's sha256, the units and level it was read in."""
    about = {"sha256": predicted.provenance.get("sha256") or content_digest(predicted), "units": predicted.units}
    return stamp({**about, "interval_level": predicted.level} if isinstance(predicted, Forecast) else about)


def stamp(about: Mapping[str, Any]) -> str:
    """The same, of what `aivc.evaluation.protocol.predictions.Predictions` says about itself."""
    return " ".join(f"{about[key]}" for key in ("sha256", "units", "interval_level") if key in about)


def with_intervals(cells: Measurement, path: Path, schema: Schema, *, level: float | None = None) -> Predicted:
    """Add the intervals that a file holds beside cells which were read from it.

    Args:
        cells: As `aivc.data.io.read.read` reads the file.
        path: An h5ad or zarr with layers ``low`` and ``high``, or a long table with columns of these names. Others
            hold no intervals.
        schema: As it was read.
        level: Of the intervals, where the file does not say; 0.9 by default.

    Raises:
        DataError: Ends are of other rows than cells, or at no level that is scored.
        SchemaError: The file holds one end only.
    """
    long, stored = schema.format == "long", suffix(path) in (".h5ad", ".zarr")
    there = list(read_table(path)[0]) if long else layers_of(path) if stored else []
    if not both_or_neither(there, path.name):
        return cells
    # Ends may lie below what values can be, so they are read and not checked.
    places = (replace(schema, value=side) if long else replace(schema, layer=side) for side in (LOW, HIGH))
    low, high = (read(path, each, controls=False) for each in places)
    notes = _uns(path) if stored else {}
    return Forecast(cells, low, high, level_of(notes.get(LEVEL), level, path.name))
