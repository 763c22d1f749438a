"""Adds what was found of each cell to a copy of its file, where scanpy looks; an h5ad keeps all that it holds."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from aivc.core.errors import DataError, IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.writing import whole_file
from aivc.data.io.formats import intact, suffix
from aivc.data.io.own_file import refuse_links
from aivc.data.io.schema import Schema
from aivc.data.io.stored_frames import stored_frame
from aivc.data.io.to_anndata import to_anndata
from aivc.data.io.written import write_h5ad


def require_unused(there: Sequence[str], wanted: Sequence[str], what: str, remedy: str = "") -> None:
    """Refuse to write over columns, before any work.

    Args:
        there: Names of the columns that the cells have.
        wanted: Those to be added.
        what: The file, in words.
        remedy: What to do besides removing them.

    Raises:
        IntegrityError: A column is there already.
    """
    if taken := [name for name in wanted if name in set(there)]:
        raise IntegrityError(
            f"{what} has the columns {', '.join(taken)} already. Remove them first{f', or {remedy}' * bool(remedy)}."
        )


def add_columns(
    path: Path,
    cells: Measurement,
    out: Path,
    columns: pd.DataFrame,
    about: Mapping[str, Any],
    *,
    obsm: Mapping[str, np.ndarray] | None = None,
    schema: Schema | None = None,
) -> None:
    """Write cells with further columns of ``obs``, matrices of ``obsm`` and entries of ``uns``.

    Args:
        path: Where the cells were read from. An h5ad is copied, and only the columns are added.
        cells: As they were read; written where the file is no h5ad, or where the schema left some of its rows out.
        out: A new h5ad.
        columns: ``n`` rows, in the order of the cells.
        about: What was added, by its key in ``uns``.
        obsm: ``(n, k)`` each, by its key.
        schema: By which the cells were read; None for a dataset of the catalog.

    Raises:
        DataError: Rows of the file and cells differ in number.
        IntegrityError: ``out``, one of the columns or one of the matrices exists.
    """
    matrices = dict(obsm or {})
    if not kept_whole(path, schema):
        require_unused(list(map(str, cells.entities)), list(columns), path.name)
        made = to_anndata(cells)
        made.obs = made.obs.assign(**_plain(columns))
        made.obsm.update(matrices)
        made.uns.update({key: _entry(each) for key, each in about.items()})
        write_h5ad(made, out, overwrite=False)
        return
    with whole_file(out, overwrite=False) as partial:
        shutil.copyfile(path, partial)
        _add(partial, columns, matrices, about, path)


def kept_whole(path: Path, schema: Schema | None) -> bool:
    """Whether `add_columns` keeps all that a file holds: an h5ad of which no rows were left out or turned."""
    whole = schema is not None and not schema.exclude and schema.format != "transposed"
    return whole and path.is_file() and suffix(path) == ".h5ad"


def require_no_matrices(path: Path, wanted: Sequence[str]) -> None:
    """Refuse to write over matrices of ``obsm`` of an h5ad, before any work.

    Raises:
        IntegrityError: One is there already.
    """
    with intact(path), h5py.File(path) as file:
        _unused_matrices(file, wanted, path.name)


def _unused_matrices(file: h5py.File, wanted: Sequence[str], what: str) -> None:
    if taken := [name for name in wanted if name in file.get("obsm", {})]:
        raise IntegrityError(f"{what} has obsm {', '.join(taken)} already. Remove obsm of these names first.")


def _plain(columns: pd.DataFrame) -> dict[str, Any]:
    """Columns by their place, not their index; categories stay categories."""
    return {str(name): columns[name].array for name in columns}


def _entry(each: Any) -> Any:
    return dict(each) if isinstance(each, Mapping) else each


def _add(
    partial: Path, columns: pd.DataFrame, matrices: Mapping[str, np.ndarray], about: Mapping[str, Any], path: Path
) -> None:
    from anndata.io import write_elem

    # What cannot be read came so: the file of the user is named, not our copy of it.
    with intact(path), h5py.File(partial, "r+") as file:
        refuse_links(file)
        obs = stored_frame(file["obs"], file.get("uns"))
        require_unused(list(map(str, obs)), list(columns), path.name)
        _unused_matrices(file, list(matrices), path.name)
        if len(obs) != len(columns):
            raise DataError([f"{path.name} has {len(obs)} rows, but {len(columns)} were read. Export it again."])
        write_elem(file, "obs", obs.assign(**_plain(columns)))
        for group in ("obsm", "uns"):
            if group not in file:
                write_elem(file, group, {})
        for key, values in matrices.items():
            write_elem(file["obsm"], key, values)
        for key, each in about.items():
            write_elem(file["uns"], key, _entry(each))
