"""Opens the folder that Space Ranger writes: a matrix of spots, and where each lies in the image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import read_json
from aivc.data.io.formats import Raw
from aivc.data.io.own_file import refuse_odd_file
from aivc.data.io.schema import Schema
from aivc.data.io.squidpy_keys import SPATIAL
from aivc.data.io.tables import read_plain, read_table
from aivc.data.io.ten_x import ten_x_folder, ten_x_h5

POSITIONS = ("tissue_positions.csv", "tissue_positions_list.csv", "tissue_positions.parquet")
_MATRIX = "filtered_feature_bc_matrix"
_SCALES = "scalefactors_json.json"
_COLUMNS = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]
_PIXELS = ["pxl_col_in_fullres", "pxl_row_in_fullres"]
# Space Ranger writes how many pixels a spot of this many µm would span.
_SPOT = 65.0


def visium_folder(path: Path, schema: Schema) -> Raw:
    """Open a folder of Visium or Visium HD: counts of spots, and their positions in pixels, x before y.

    Args:
        path: With ``filtered_feature_bc_matrix`` (h5 or folder) and ``spatial``.
        schema: Its ``coordinates = "spatial"`` asks for positions.

    Raises:
        IntegrityError: A file is missing or damaged.
    """
    raw = _counts(path, schema)
    table = spot_table(path / "spatial")
    lost = ~raw.entities.index.isin(table.index)
    if lost.any():
        problem = (
            f"{lost.sum()} of {len(lost)} spots have no position, first {raw.entities.index[lost][0]!r}. Put the "
            "folder spatial of the same sample beside the matrix."
        )
        return replace(raw, problems=(*raw.problems, problem))
    table = table.loc[raw.entities.index]
    points = table[_PIXELS].to_numpy(dtype=np.float64)
    return replace(
        raw,
        entities=raw.entities.join(table),
        coordinates=points if schema.coordinate_key == SPATIAL else None,
        coordinate_unit="pixel",
        um_per_pixel=_um_per_pixel(path / "spatial" / _SCALES),
    )


def _counts(path: Path, schema: Schema) -> Raw:
    found = sorted(file for file in path.glob(f"*{_MATRIX}.h5") if file.is_file())
    if len(found) == 1:
        refuse_odd_file(found[0])
        return ten_x_h5(found[0], schema, backed=False)
    if (path / _MATRIX).is_dir():
        return ten_x_folder(path / _MATRIX, schema)
    raise IntegrityError(f"{path} holds {len(found)} files *{_MATRIX}.h5; a folder of Visium holds one. Put it there.")


def spot_table(folder: Path) -> pd.DataFrame:
    """Places of spots, indexed by barcode: Space Ranger 2 and later write a header, earlier ones none."""
    file = next((folder / name for name in POSITIONS if (folder / name).is_file()), None)
    if file is None:
        raise IntegrityError(f"{folder} holds none of {', '.join(POSITIONS)}. Put one there.")
    refuse_odd_file(file)
    bare = file.name == POSITIONS[1]
    frame = read_plain(file, _COLUMNS) if bare else read_table(file, ("barcode",))[0]
    if "barcode" not in frame:
        frame = frame.rename_axis("barcode").reset_index()
    if absent := [name for name in _COLUMNS if name not in frame]:
        raise IntegrityError(f"{file} has no column {', '.join(absent)}. Export it again with Space Ranger.")
    frame = frame.set_index(pd.Index(frame["barcode"].astype(str), dtype=object))[_COLUMNS[1:]]
    if not frame.index.is_unique:
        raise IntegrityError(f"{file} names a barcode twice. Export it again.")
    return frame.apply(pd.to_numeric)


def _um_per_pixel(file: Path) -> float | None:
    """Size of a pixel: stated by Visium HD, and by the diameter of spots of Visium."""
    if not file.is_file():
        return None
    refuse_odd_file(file)
    said = read_json(file)
    if not isinstance(said, dict):
        raise IntegrityError(f"{file} holds no scale factors. Export it again with Space Ranger.")
    size = said.get("microns_per_pixel")
    diameter = said.get("spot_diameter_fullres")
    if size is None and isinstance(diameter, int | float) and diameter > 0:
        size = _SPOT / diameter
    return float(size) if isinstance(size, int | float) and 0 < size < float("inf") else None
