"""Labels of cells that hold several guides: a matrix of cells × guides becomes the names of the guides of each cell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.data.io.formats import Raw, keys, opened, refuse_unknown, sound_csr
from aivc.data.io.schema import Schema
from aivc.data.io.stored_frames import stored_frame, text_of


def asked_for_guides(schema: Schema, entities: pd.DataFrame, places: Iterable[str]) -> str:
    """The place of a matrix of guides that the schema names as perturbation, where no column has that name."""
    name = schema.perturbation
    return name if isinstance(name, str) and name not in entities and name in list(places) else ""


def with_guides(raw: Raw, matrix: sparse.csr_matrix | np.ndarray, names: Sequence[str], schema: Schema) -> Raw:
    """Add the labels that a matrix of guides says, as a column with the name that the schema gives.

    Args:
        raw: ``n`` entities.
        matrix: ``(n, g)`` assignments: 0 and 1, or counts, of which ``schema.guide_threshold`` make a guide.
        names: ``(g,)`` of guides; empty where the file has none.
        schema: Names the matrix as perturbation, and says what joins the names of guides.
    """
    place, rows = str(schema.perturbation), sparse.csr_matrix(matrix)
    problems = _problems(rows, names, schema, len(raw.entities))
    if problems:
        return replace(raw, problems=(*raw.problems, *problems))
    held = (rows >= schema.guide_threshold) if schema.guide_threshold is not None else (rows > 0)
    held = sparse.csr_matrix(held)
    held.sort_indices()
    joint = schema.separator or ""
    texts = [
        joint.join(names[i] for i in held.indices[start:stop])
        for start, stop in zip(held.indptr[:-1], held.indptr[1:], strict=True)
    ]
    of_each = np.diff(held.indptr)
    note = (
        f"{place}: {len(names)} guides; {int((of_each == 0).sum())} of {len(texts)} entities have none, "
        f"{int((of_each == 1).sum())} one, {int((of_each > 1).sum())} several."
    )
    column = pd.Series(texts, index=raw.entities.index, dtype=object)
    return replace(raw, entities=raw.entities.assign(**{place: column}), notes=(*raw.notes, note))


def _problems(rows: sparse.csr_matrix, names: Sequence[str], schema: Schema, n: int) -> list[str]:
    place = schema.perturbation
    if rows.shape[0] != n or rows.shape[1] != len(names):
        named = f"{len(names)} names of guides" if len(names) else "no names of its guides"
        return [
            f"{place} has shape {rows.shape}, for {n} entities, and {named}. Write it as a table in obsm with columns "
            f'of guides, or their names into uns["{place}_names"].'
        ]
    if rows.dtype.kind not in "biuf" or not np.isfinite(rows.data.astype(np.float64)).all() or (rows.data < 0).any():
        return [f"{place} holds values that are no numbers from 0 on. Write 0 and 1, or counts."]
    binary = np.isin(rows.data, (0, 1)).all()
    if schema.guide_threshold is None and not binary:
        return [
            f"{place} holds values up to {rows.data.max():g}: from how many on does an entity have a guide? Add such "
            "as guide_threshold = 5 to the schema."
        ]
    least = schema.guide_threshold or 1
    several = bool((np.diff(sparse.csr_matrix(rows >= least).indptr) > 1).any())
    if several and schema.separator is None:
        return [f'Entities of {place} have several guides. Say what joins their names: separator = "+".']
    inside = [name for name in names if schema.separator and schema.separator in name]
    if several and inside:
        return [
            f"The name {inside[0]!r} of a guide holds the separator {schema.separator!r}. Declare another, such as |."
        ]
    return []


def with_stored_guides(path: Path, raw: Raw, schema: Schema) -> Raw:
    """Add the labels that a matrix in the obsm of a file says, where the schema names one as perturbation."""
    with opened(path) as store:
        there = keys(store["obsm"]) if "obsm" in store else []
        if not (place := asked_for_guides(schema, raw.entities, there)):
            return raw
        matrix, names = _stored(store[f"obsm/{place}"], store.get("uns", {}), place)
    return with_guides(raw, matrix, names, schema)


def with_guides_in_memory(raw: Raw, obsm: Mapping[str, Any], uns: Mapping[str, Any], schema: Schema) -> Raw:
    """The same, of an AnnData in memory."""
    if not (place := asked_for_guides(schema, raw.entities, obsm)):
        return raw
    found = obsm[place]
    if isinstance(found, pd.DataFrame):
        return with_guides(raw, found.to_numpy(), list(map(str, found)), schema)
    matrix = sparse.csr_matrix(found) if sparse.issparse(found) else np.asarray(found)
    return with_guides(raw, matrix, _names(uns, place, matrix.shape[1]), schema)


def _stored(node: Any, uns: Any, key: str) -> tuple[sparse.csr_matrix | np.ndarray, list[str]]:
    """Read a matrix of guides: a table, whose columns are guides, or numbers whose names lie in uns."""
    for part in [node[name] for name in ("data", "indices", "indptr")] if "indptr" in keys(node) else [node]:
        refuse_unknown(part)
    if "indptr" in keys(node):
        n, g = (int(size) for size in node.attrs.get("shape", node.attrs.get("h5sparse_shape")))
        kind = text_of(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format")))
        by_column = kind.startswith("csc")
        stored = sound_csr(node["data"][:], node["indices"][:], node["indptr"][:], (g, n) if by_column else (n, g))
        found: Any = sparse.csr_matrix(stored.T) if by_column else stored
    elif keys(node):
        frame = stored_frame(node)
        return frame.to_numpy(), list(map(str, frame))
    else:
        found = node[:]
    return found, _names({name: uns[name] for name in keys(uns)}, key, found.shape[1])


def _names(uns: Mapping[str, Any], key: str, width: int) -> list[str]:
    """Names of the columns of an obsm matrix, from uns: under ``KEY_names``, or the only texts of that number."""
    texts = {}
    for name, item in uns.items():
        if keys(item):
            continue
        array = np.asarray(item[:] if getattr(item, "shape", ()) else item)
        if array.shape == (width,) and array.dtype.kind in "SUOT":
            texts[name] = [text.decode() if isinstance(text, bytes) else str(text) for text in array]
    if (stated := f"{key}_names") in texts:
        return texts[stated]
    return next(iter(texts.values())) if len(texts) == 1 else []
