"""Which cells descend from one: a matrix of cells × clones in obsm becomes a column that names each cell's clone."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.data.io.formats import Raw, keys, opened, refuse_unknown, sound_csr
from aivc.data.io.schema import OBSM, Schema
from aivc.data.io.stored_frames import text_of


def clone_key(schema: Schema) -> str:
    """The key in obsm that a schema names for clones; empty where it names a column, or nothing."""
    source = schema.clone
    return source.removeprefix(OBSM) if isinstance(source, str) and source.startswith(OBSM) else ""


def with_clones(raw: Raw, matrix: Any, schema: Schema) -> Raw:
    """Add the column of clones, under the name by which the schema asks for it.

    A cell of several clones has none: two marks in one cell are a doublet as often as a second mark. How many these
    are is noted.

    Args:
        raw: ``n`` entities.
        matrix: ``(n, c)``, above zero where a cell is of a clone, as CoSpar keeps it.
        schema: Names the matrix.
    """
    name, rows = str(schema.clone), sparse.csr_matrix(matrix)
    if rows.shape[0] != len(raw.entities) or rows.dtype.kind not in "biuf":
        problem = (
            f"{name} has shape {rows.shape} and holds {rows.dtype}, for {len(raw.entities)} entities; wanted are "
            "numbers, cells × clones. Write it so."
        )
        return replace(raw, problems=(*raw.problems, problem))
    values = np.asarray(rows.data, dtype=np.float64)
    if not np.isfinite(values).all() or (values < 0).any():
        return replace(
            raw, problems=(*raw.problems, f"{name} holds values that are no numbers from 0 on. Write 0 and 1.")
        )
    held = sparse.csr_matrix(rows > 0)
    held.sort_indices()
    of_each = np.diff(held.indptr)
    clone_n = np.full(len(raw.entities), "", dtype=object)
    alone = np.flatnonzero(of_each == 1)
    clone_n[alone] = [f"clone{held.indices[held.indptr[i]]}" for i in alone]
    note = (
        f"{name}: {len(set(clone_n[alone]))} clones; {int((of_each == 0).sum())} of {len(clone_n)} entities are of "
        f"none, and {int((of_each > 1).sum())} of several, which count as of none."
    )
    column = pd.Series(clone_n, index=raw.entities.index, dtype=object)
    return replace(raw, entities=raw.entities.assign(**{name: column}), notes=(*raw.notes, note))


def with_stored_clones(path: Path, raw: Raw, schema: Schema) -> Raw:
    """Add clones that lie in the obsm of a file, where the schema names them."""
    if not (key := clone_key(schema)):
        return raw
    with opened(path) as store:
        there = keys(store["obsm"]) if "obsm" in store else []
        if key not in there:
            return _absent(raw, key, there)
        return with_clones(raw, _stored(store[f"obsm/{key}"]), schema)


def with_clones_in_memory(raw: Raw, obsm: Mapping[str, Any], schema: Schema) -> Raw:
    """The same, of an AnnData in memory."""
    if not (key := clone_key(schema)):
        return raw
    if key not in obsm:
        return _absent(raw, key, list(obsm))
    found = obsm[key]
    return with_clones(raw, found.to_numpy() if isinstance(found, pd.DataFrame) else found, schema)


def _absent(raw: Raw, key: str, there: list[str]) -> Raw:
    problem = f"There is no obsm key {key!r} for clone; there are {', '.join(there) or 'none'}. Name one of them."
    return replace(raw, problems=(*raw.problems, problem))


def _stored(node: Any) -> sparse.csr_matrix | np.ndarray:
    for part in [node[name] for name in ("data", "indices", "indptr")] if "indptr" in keys(node) else [node]:
        refuse_unknown(part)
    if "indptr" not in keys(node):
        return np.asarray(node[:])
    n, c = (int(size) for size in node.attrs.get("shape", node.attrs.get("h5sparse_shape")))
    by_column = text_of(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format"))).startswith("csc")
    stored = sound_csr(node["data"][:], node["indices"][:], node["indptr"][:], (c, n) if by_column else (n, c))
    return sparse.csr_matrix(stored.T) if by_column else stored
