"""Opens MuData files: one modality as an anndata, whose cells the others may label."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import SchemaError
from aivc.data.io.formats import Raw, anndata_inside, opened, refuse_unknown
from aivc.data.io.guides import asked_for_guides, with_guides
from aivc.data.io.schema import Schema
from aivc.data.io.stored_frames import stored_frame

# What laboratories call the modalities that a schema names.
_ALSO = {
    "rna": ("rna", "gex", "gene expression", "scrna", "transcriptome"),
    "protein": ("protein", "prot", "adt", "antibody capture", "cite"),
    "guide": ("guide", "guides", "gdo", "grna", "sgrna", "crispr", "crispr guide capture"),
}
_ASSIGNED = ("guide_assignment", "assignment", "binarized")


def mudata_file(path: Path, schema: Schema, *, backed: bool) -> Raw:
    """Open one modality of an h5mu file: that of the schema, or the one known by another name of it."""
    with opened(path) as store:
        if "mod" not in store:
            raise SchemaError(
                f"{path} holds no modalities, so it is no MuData. Rename it to .h5ad if it is an AnnData."
            )
        there = list(store["mod"])
        name = modality_in(there, schema.modality)
        if not name:
            raise SchemaError(
                f"{path} holds no modality {schema.modality!r}; it holds {', '.join(there) or 'none'}. Name one in the "
                f'schema: modality = "{there[0] if there else "rna"}".'
            )
        raw = anndata_inside(path, store, schema, f"mod/{name}/", backed=backed)
        raw = replace(raw, entities=_labeled(store, raw.entities, there))
        if place := asked_for_guides(schema, raw.entities, there):
            raw = with_guides(raw, *_guides(path, store, place, schema, raw.entities.index), schema)
    others = ", ".join(each for each in there if each != name)
    note = f"Modality {name!r} is read" + (f"; left aside: {others}." if others else ".")
    return replace(raw, notes=(note, *raw.notes))


def modality_in(there: list[str], wanted: str) -> str:
    """Which modality of a file a schema means; empty where none, or several, may be meant.

    >>> modality_in(["gex", "adt"], "rna"), modality_in(["atac"], "rna")
    ('gex', '')
    """
    if wanted in there:
        return wanted
    known = [name for name in there if name.casefold() in _ALSO.get(wanted, (wanted.casefold(),))]
    return known[0] if len(known) == 1 else ""


def _labeled(store: Any, entities: pd.DataFrame, modalities: list[str]) -> pd.DataFrame:
    """Columns that the file holds for all modalities together, beside those of one."""
    if "obs" not in store:
        return entities
    refuse_unknown(store["obs"])
    shared = stored_frame(store["obs"])
    copies = tuple(f"{name}:" for name in modalities)
    new = [name for name in shared if name not in entities and not str(name).startswith(copies)]
    return entities.join(shared.loc[~shared.index.duplicated(), new], how="left")


def _guides(path: Path, store: Any, place: str, schema: Schema, names: pd.Index) -> tuple[sparse.csr_matrix, list[str]]:
    """``(n, g)`` assignments of a modality in the order of our cells: its layer of assignments, or its values."""
    inside = f"mod/{place}/"
    layers = store.get(f"{inside}layers", ())
    layer = next((name for name in _ASSIGNED if name in layers), "X")
    raw = anndata_inside(path, store, replace(schema, layer=layer, coordinates=None), inside, backed=False)
    at = raw.entities.index.get_indexer(names)
    rows = sparse.csr_matrix(raw.values)[np.where(at < 0, 0, at)]
    # A cell that the modality does not hold has no guide.
    kept = sparse.diags((at >= 0).astype(rows.dtype))
    return sparse.csr_matrix(kept @ rows), list(map(str, raw.features.index))
