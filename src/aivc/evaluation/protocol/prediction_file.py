"""Reads predicted cells as a model of another environment wrote them: an h5ad with labels and declared units."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.errors import SchemaError, UnavailableError, UnitsError
from aivc.core.measurement import Measurement
from aivc.data.catalog.fetch import digest
from aivc.data.io.formats import anndata_file, intact, opened, refuse_unknown, suffix
from aivc.data.io.labels import labels
from aivc.data.io.number_names import number_text
from aivc.data.io.schema import Schema
from aivc.data.streaming.stream import chunks

_UNS = ("units", "digest")


def read_predictions(path: Path, *, units: str | None = None) -> Measurement:
    """Read predicted cells from an h5ad or zarr, as they come; what they answer is found out when they are scored.

    Args:
        path: With ``obs`` columns ``fold``, ``perturbation``, ``context`` and whatever else names a question, features
            in ``var``, and ``uns["units"]``. Names of cells are not looked at.
        units: Of the values, where the file does not say.

    Raises:
        UnavailableError: There is no such file.
        IntegrityError: The file is damaged, hostile or of another kind.
        UnitsError: It does not say its units, or others than were asked for.
        DataError: Features stand twice.
    """
    if not path.exists():
        raise UnavailableError(f"There is no file {path}. Check the path of the predictions.")
    if suffix(path) not in (".h5ad", ".zarr"):
        raise SchemaError(f"{path.name} ends in {suffix(path)!r}; predictions are read from .h5ad or .zarr. Write one.")
    with intact(path):
        notes = _uns(path)
        raw = anndata_file(
            path, Schema(units="arbitrary", perturbation="perturbation", control="control"), backed=False
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
    return made.replace(provenance={"file": path.name, "sha256": sha256, "benchmark": notes.get("digest")})


def _uns(path: Path) -> dict[str, str]:
    from anndata.io import read_elem

    with opened(path) as store:
        there = [name for name in _UNS if f"uns/{name}" in store]
        for name in there:
            refuse_unknown(store[f"uns/{name}"])
        return {name: str(read_elem(store[f"uns/{name}"])) for name in there}


def content_digest(measurement: Measurement) -> str:
    """Return the sha256 of features, labels and values, for predictions that are no file."""
    sha = hashlib.sha256("\n".join(map(str, (measurement.units, *measurement.features))).encode())
    sha.update(measurement.entities.reset_index(drop=True).astype(str).to_csv().encode())
    for _, block in chunks(measurement):
        dense = block if isinstance(block, np.ndarray) else block.toarray()
        sha.update(np.ascontiguousarray(dense, dtype=np.float64).tobytes())
    return sha.hexdigest()


def stamp_of(predicted: Measurement) -> str:
    """What scores say of the predictions they are of: the file's sha256, and the units it was read in."""
    return f"{predicted.provenance.get('sha256') or content_digest(predicted)} {predicted.units}"
