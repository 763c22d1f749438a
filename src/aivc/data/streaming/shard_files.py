"""The files of cells on disk, and what has to hold of them before a single one is used."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import read_json, whole_number
from aivc.core.scale import Scale
from aivc.data.io.own_file import npy_bytes, refuse_swollen_parquet, sound_pointers

FORMAT = 1
MANIFEST, ENTITIES, PANELS, PANEL_OF = "manifest.json", "entities.parquet", "panels.npy", "panel-of.npy"
FIELDS = ("data", "indices", "indptr")
_KINDS: dict[str, type[np.generic]] = {"data": np.float32, "indices": np.int32, "indptr": np.int64}
_DAMAGE = (EOFError, OSError, ValueError, TypeError, KeyError, MemoryError, OverflowError)


def shard_file(folder: Path, shard: int, field: str) -> Path:
    """Where one array of a shard lies."""
    return folder / f"{shard:05}-{field}.npy"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read what says which shards there are.

    Raises:
        IntegrityError: It is missing, of another format, or says what no manifest says.
    """
    path = folder / MANIFEST
    found = read_json(path)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise IntegrityError(f"{path} is no manifest in format {FORMAT}. Write the shards again.")
    features, shards = found.get("features"), found.get("shards")
    texts = all(isinstance(found.get(name), str) for name in ("digest", "units", "modality", "scale"))
    if not texts or not isinstance(found.get("provenance"), dict):
        raise IntegrityError(f"{path} does not say what was written. Write the shards again.")
    if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
        raise IntegrityError(f"{path} lists no features. Write the shards again.")
    if not isinstance(shards, list) or not all(isinstance(shard, dict) for shard in shards):
        raise IntegrityError(f"{path} lists no shards. Write the shards again.")
    if found["scale"] not in [scale.value for scale in Scale] or len(set(features)) != len(features):
        raise IntegrityError(f"{path} names no scale, or a feature twice. Write the shards again.")
    rows, each = (whole_number(found.get(name), f"{name} in {path}", 1) for name in ("rows", "rows_per_shard"))
    for shard in shards:
        whole_number(shard.get("rows"), f"The rows of a shard in {path}", 1, each)
        whole_number(shard.get("values"), f"The values of a shard in {path}")
    if sum(shard["rows"] for shard in shards) > rows:
        raise IntegrityError(f"{path} lists more than its {rows} rows. Write the shards again.")
    return found


def piece_of(folder: Path, shard: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Map the arrays of one shard, with pointers that stay inside.

    Args:
        folder: Of the shards.
        shard: Which one.
        rows: That it has by the manifest.

    Raises:
        IntegrityError: A file is missing, of another kind, or leads outside.
    """
    try:
        data, indices, indptr = (_mapped(shard_file(folder, shard, field), _KINDS[field]) for field in FIELDS)
        if data.shape != indices.shape or data.ndim != 1:
            raise ValueError("values and indices are not of one length")
        sound_pointers(np.asarray(indptr), rows, len(data))
    except _DAMAGE as error:
        raise IntegrityError(f"Shard {shard} in {folder} cannot be read ({error}). Write the shards again.") from error
    return data, indices, indptr


def _mapped(path: Path, kind: type[np.generic]) -> np.ndarray:
    with path.open("rb") as stream:
        declared, held = npy_bytes(stream, str(path)), path.stat().st_size
    if declared > held:
        raise ValueError(f"{path.name} declares {declared:,} bytes and holds {held:,}")
    # An empty array cannot be mapped.
    found = np.load(path, mmap_mode="r" if declared else None, allow_pickle=False)
    if found.dtype != kind:
        raise TypeError(f"{path.name} holds {found.dtype}")
    return found


def entities_of(folder: Path, rows: int) -> pd.DataFrame:
    """The entity table.

    Raises:
        IntegrityError: It is missing, damaged, or has another number of rows.
    """
    try:
        refuse_swollen_parquet(folder / ENTITIES)
        found = pd.read_parquet(folder / ENTITIES)
    except _DAMAGE as error:
        raise IntegrityError(f"{folder / ENTITIES} cannot be read ({error}). Write the shards again.") from error
    if len(found) != rows:
        raise IntegrityError(f"{folder / ENTITIES} has {len(found)} rows, not {rows}. Write the shards again.")
    return found


def panels_of(folder: Path, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Which features were measured: the different panels, and the panel of each entity.

    Raises:
        IntegrityError: They are missing, damaged, or of other entities or features.
    """
    try:
        panels, panel_of = np.array(_mapped(folder / PANELS, np.bool_)), _mapped(folder / PANEL_OF, np.int32)
        if panels.ndim != 2 or panels.shape[1] != shape[1] or (len(panels) > 1 and panel_of.shape != (shape[0],)):
            raise ValueError("panels are of other entities or features")
        if panel_of.size and not 0 <= panel_of.min() <= panel_of.max() < len(panels):
            raise ValueError("an entity has a panel that is not there")
    except _DAMAGE as error:
        raise IntegrityError(f"The panels in {folder} cannot be read ({error}). Write the shards again.") from error
    return panels, panel_of
