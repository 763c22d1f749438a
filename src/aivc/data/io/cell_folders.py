"""Opens the folders that instruments for single molecules write: Xenium, CosMx and MERSCOPE."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import IntegrityError, SchemaError
from aivc.data.io.formats import Raw, as_float
from aivc.data.io.number_names import number_text
from aivc.data.io.own_file import refuse_odd_file
from aivc.data.io.schema import Schema
from aivc.data.io.squidpy_keys import SPATIAL
from aivc.data.io.tables import read_table
from aivc.data.io.ten_x import ten_x_folder, ten_x_h5

XENIUM_CELLS = ("cells.parquet", "cells.csv.gz", "cells.csv")
XENIUM_MATRIX = "cell_feature_matrix"
COSMX = ("*exprMat*.csv*", "*metadata*.csv*")
MERSCOPE = ("*cell_by_gene*.csv*", "*cell_metadata*.csv*")
# Probes that bind nothing, which count errors.
_BLANK = re.compile(r"(?i)neg(?:prb|probe|ative)\S*|system_?control\S*|falsecode\S*|blank[-_ ]?\d*")


def xenium_folder(path: Path, schema: Schema) -> Raw:
    """Open a folder of Xenium: counts of cells, and the centers of cells in µm.

    Args:
        path: With ``cell_feature_matrix`` (h5 or folder) and ``cells.parquet`` or ``cells.csv.gz``.
        schema: Its ``coordinates = "spatial"`` asks for positions.

    Raises:
        IntegrityError: A file is missing or damaged.
    """
    matrix = path / f"{XENIUM_MATRIX}.h5"
    refuse_odd_file(matrix)
    raw = ten_x_h5(matrix, schema, backed=False) if matrix.is_file() else ten_x_folder(path / XENIUM_MATRIX, schema)
    file = next(path / name for name in XENIUM_CELLS if (path / name).is_file())
    table = _described(file, ("cell_id",), ("x_centroid", "y_centroid"))
    return _placed(raw, table, file, ("x_centroid", "y_centroid"), "um", schema)


def cosmx_folder(path: Path, schema: Schema) -> Raw:
    """Open a folder of CosMx: counts of cells, and their centers in pixels of the slide.

    Args:
        path: With ``*exprMat_file.csv`` and ``*metadata_file.csv``, plain or gzipped.
        schema: Its ``coordinates = "spatial"`` asks for positions; ``prefix`` picks one of several slides.

    Raises:
        IntegrityError: A file is missing or damaged.
        SchemaError: There are several, and the schema names none.
    """
    counts, cells = (_only(path, pattern, schema.prefix) for pattern in COSMX)
    keys = ("fov", "cell_ID")
    table = _described(cells, keys, ("CenterX_global_px", "CenterY_global_px"))
    frame = _described(counts, keys, ())
    outside = frame.index.str.endswith("_0")
    raw = _table_of_counts(frame[~outside].drop(columns=list(keys)))
    note = f"{outside.sum()} rows of {counts.name} count what lies outside of cells (cell_ID 0) and are left out."
    raw = replace(raw, notes=(*raw.notes, note)) if outside.any() else raw
    return _placed(raw, table, cells, ("CenterX_global_px", "CenterY_global_px"), "pixel", schema)


def merscope_folder(path: Path, schema: Schema) -> Raw:
    """Open a folder of MERSCOPE: counts of cells, and their centers in µm.

    Args:
        path: With ``cell_by_gene.csv`` and ``cell_metadata.csv``.
        schema: Its ``coordinates = "spatial"`` asks for positions; ``prefix`` picks one of several slides.

    Raises:
        IntegrityError: A file is missing or damaged.
        SchemaError: There are several, and the schema names none.
    """
    counts, cells = (_only(path, pattern, schema.prefix) for pattern in MERSCOPE)
    table = _described(cells, (), ("center_x", "center_y"))
    raw = _table_of_counts(_described(counts, (), ()))
    return _placed(raw, table, cells, ("center_x", "center_y"), "um", schema)


def _only(folder: Path, pattern: str, prefix: str | None) -> Path:
    found = sorted(file for file in folder.glob(pattern) if file.is_file() and file.name.startswith(prefix or ""))
    if not found:
        raise IntegrityError(f"{folder} holds no file {prefix or ''}{pattern}. Put it there, or correct prefix.")
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:5])
        raise SchemaError(
            f"{folder} holds several files {pattern}: {names}. Name what the names of one slide begin with in the "
            f'schema: prefix = "{found[0].name.split(pattern.strip("*").split("*", maxsplit=1)[0])[0]}".'
        )
    refuse_odd_file(found[0])
    return found[0]


def _described(file: Path, keys: tuple[str, ...], needed: tuple[str, ...]) -> pd.DataFrame:
    """A table whose rows are named by key columns, or by the first column where none are given."""
    refuse_odd_file(file)
    frame = read_table(file, keys)[0]
    if not keys and isinstance(frame.index, pd.RangeIndex):
        frame = frame.set_index(frame.columns[0])
    if absent := [name for name in (*keys, *needed) if name not in frame]:
        raise IntegrityError(f"{file} has no column {', '.join(absent)}. Export the folder again.")
    names = [frame[name].map(_key) for name in keys] or [frame.index.map(_key)]
    index = pd.Index(["_".join(parts) for parts in zip(*names, strict=True)], dtype=object)
    if not index.is_unique:
        raise IntegrityError(f"{file} describes {index[index.duplicated()][0]!r} twice. Export the folder again.")
    return frame.set_axis(index, axis=0)


def _key(name: object) -> str:
    # Early Xenium files hold names of cells as bytes.
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else number_text(name)


def _table_of_counts(frame: pd.DataFrame) -> Raw:
    """Numeric columns are genes; what names cells again is left aside, as are blank probes."""
    numeric = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
    blank = [name for name in numeric if _BLANK.fullmatch(str(name))]
    genes = [name for name in numeric if name not in set(blank)]
    values = sparse.csr_matrix(as_float(frame[genes].to_numpy()))
    features = pd.DataFrame(index=pd.Index(list(map(str, genes)), dtype=object))
    notes = (f"{len(blank)} blank and negative probes are left aside.",) if blank else ()
    return Raw(values, features, pd.DataFrame(index=frame.index), notes=notes)


def _placed(raw: Raw, table: pd.DataFrame, file: Path, centers: tuple[str, str], unit: str, schema: Schema) -> Raw:
    """Join what a table says of cells, and take their centers from it where the schema asks for positions."""
    names = raw.entities.index
    lost = ~names.isin(table.index)
    if lost.any():
        problem = (
            f"{file.name} does not describe {lost.sum()} of {len(lost)} cells, first {names[lost][0]!r}. Export the "
            "folder again, whole."
        )
        return replace(raw, problems=(*raw.problems, problem))
    table = table.loc[names]
    return replace(
        raw,
        entities=raw.entities.join(table),
        coordinates=table[list(centers)].to_numpy(dtype=np.float64) if schema.coordinate_key == SPATIAL else None,
        coordinate_unit=unit,
    )
