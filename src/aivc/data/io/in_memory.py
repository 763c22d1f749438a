"""An AnnData that is already in memory, opened as a file would be: the same places, the same refusals."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import DataError, SchemaError
from aivc.core.measurement import Values
from aivc.data.io.clones import with_clones_in_memory
from aivc.data.io.formats import Raw, as_float, sound_csr, with_links
from aivc.data.io.guides import with_guides_in_memory
from aivc.data.io.orientation import transposed
from aivc.data.io.schema import Schema
from aivc.data.io.squidpy_keys import no_links, no_positions, wanted_links

if TYPE_CHECKING:
    from anndata import AnnData


def is_anndata(data: object) -> "TypeGuard[AnnData]":
    """Whether data are an AnnData in memory.

    Anndata takes longer to import than a small file to check: where nobody has imported it, nobody has an AnnData.
    """
    library = sys.modules.get("anndata")
    return library is not None and isinstance(data, library.AnnData)


def anndata_raw(cells: "AnnData", schema: Schema) -> Raw:
    """Take an AnnData as it came, in its own words; nothing of it is changed.

    Args:
        cells: In memory.
        schema: Says which layer, and where coordinates lie.

    Raises:
        DataError: The values are no numbers, or a feature stands twice in a row of a sparse matrix.
        SchemaError: It lies on disk, or the schema names what it does not hold.
    """
    if cells.isbacked:
        raise SchemaError(
            f"This AnnData is left on disk. Give its path instead ({str(cells.filename)!r}), or bring it into memory "
            "with .to_memory()."
        )
    if schema.metadata is not None:
        raise SchemaError("A metadata table lies beside a file. Join it to .obs first, and leave metadata out.")
    values, var = _place(cells, schema.layer)
    coordinates, problems = _coordinates(cells, schema)
    try:
        raw = Raw(_numbers(values), var, pd.DataFrame(cells.obs), coordinates, None, problems)
    except (TypeError, ValueError) as error:
        raise DataError([f"Layer {schema.layer} of the AnnData cannot be used: {error}. Correct it."]) from error
    if schema.format == "transposed":
        return transposed(raw)
    guided = with_guides_in_memory(_linked(raw, cells, schema), cells.obsm, cells.uns, schema)
    return with_clones_in_memory(guided, cells.obsm, schema)


def name_of(data: "AnnData | Path | str") -> str:
    """What to call data in messages: the name of a file, or that it is an AnnData.

    >>> name_of("data/screen.h5ad")
    'screen.h5ad'
    """
    return "the AnnData" if is_anndata(data) else Path(data).name


def _place(cells: "AnnData", layer: str) -> tuple[object, pd.DataFrame]:
    places = {name: values for name, values in {"X": cells.X, **dict(cells.layers)}.items() if values is not None}
    if layer == "raw" and cells.raw is not None:
        return cells.raw.X, pd.DataFrame(cells.raw.var)
    if layer not in places:
        there = [*places, *(["raw"] if cells.raw is not None else [])]
        raise SchemaError(f"There is no layer {layer!r}; there are {', '.join(there) or 'none'}. Name one of them.")
    return places[layer], pd.DataFrame(cells.var)


def _numbers(values: object) -> Values:
    if not sparse.issparse(values):
        return as_float(np.asarray(values))
    rows = sparse.csr_matrix(values)
    return sound_csr(as_float(rows.data), rows.indices.copy(), rows.indptr, rows.shape)


def _coordinates(cells: "AnnData", schema: Schema) -> tuple[np.ndarray | None, tuple[str, ...]]:
    key = schema.coordinate_key
    if key is None:
        return None, ()
    if key not in cells.obsm:
        return None, (no_positions(key, cells.obsm),)
    return np.asarray(cells.obsm[key], dtype=np.float64), ()


def _linked(raw: Raw, cells: "AnnData", schema: Schema) -> Raw:
    there = list(cells.obsp)
    name = wanted_links(schema, there)
    if name is None or name not in there:
        return raw if name is None else replace(raw, problems=(*raw.problems, no_links(name, there)))
    return with_links(raw, cells.obsp[name], name)
