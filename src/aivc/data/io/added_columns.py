"""Adds what was found of each cell to a copy of its file, where scanpy looks; an h5ad keeps all that it holds."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
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
    about: Mapping[str, Mapping[str, Any]],
    *,
    schema: Schema | None = None,
) -> None:
    """Write cells with further columns of ``obs`` and entries of ``uns``.

    Args:
        path: Where the cells were read from. An h5ad is copied, and only the columns are added.
        cells: As they were read; written where the file is no h5ad, or where the schema left some of its rows out.
        out: A new h5ad.
        columns: ``n`` rows, in the order of the cells.
        about: What the columns are, by its key in ``uns``.
        schema: By which the cells were read; None for a dataset of the catalog.

    Raises:
        DataError: Rows of the file and cells differ in number.
        IntegrityError: ``out``, or one of the columns, exists.
    """
    # What was left out or turned while it was read cannot be written beside all the rest.
    whole = schema is not None and not schema.exclude and schema.format != "transposed"
    if not whole or not path.is_file() or suffix(path) != ".h5ad":
        require_unused(list(map(str, cells.entities)), list(columns), path.name)
        made = to_anndata(cells)
        made.obs = made.obs.assign(**dict(columns))
        made.uns.update({key: dict(each) for key, each in about.items()})
        write_h5ad(made, out, overwrite=False)
        return
    with whole_file(out, overwrite=False) as partial:
        shutil.copyfile(path, partial)
        _add(partial, columns, about, path)


def _add(partial: Path, columns: pd.DataFrame, about: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    from anndata.io import write_elem

    # What cannot be read came so: the file of the user is named, not our copy of it.
    with intact(path), h5py.File(partial, "r+") as file:
        refuse_links(file)
        obs = stored_frame(file["obs"], file.get("uns"))
        require_unused(list(map(str, obs)), list(columns), path.name)
        if len(obs) != len(columns):
            raise DataError([f"{path.name} has {len(obs)} rows, but {len(columns)} were read. Export it again."])
        write_elem(file, "obs", obs.assign(**{name: columns[name].to_numpy() for name in columns}))
        if "uns" not in file:
            write_elem(file, "uns", {})
        for key, each in about.items():
            write_elem(file["uns"], key, dict(each))
