"""Opens SpatialData folders: their table of cells, which is an anndata, without the library spatialdata."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aivc.core.errors import SchemaError
from aivc.data.io.formats import Raw, anndata_inside, keys, opened, refuse_pickled_chunks, refuse_unknown
from aivc.data.io.schema import Schema

_TABLES = ("tables", "table")
_ATTRIBUTES = "uns/spatialdata_attrs"


def tables_inside(path: Path) -> list[str]:
    """Places of the tables in a SpatialData folder, such as ``tables/table``; none where it is an anndata itself."""
    with opened(path) as store:
        if "obs" in store:
            return []
        return [
            f"{place}/{name}" for place in _TABLES if place in store for name in sorted(keys(store[place]))
            if "obs" in keys(store[f"{place}/{name}"])
        ]  # fmt: skip


def spatialdata_file(path: Path, schema: Schema, *, backed: bool) -> Raw:
    """Open the table of a SpatialData folder; the regions that it annotates are its sections.

    Args:
        path: A zarr folder.
        schema: ``modality`` names one of several tables.
        backed: Leave the values on disk.

    Raises:
        SchemaError: It holds several tables, and the schema names none.
    """
    refuse_pickled_chunks(path)
    there = tables_inside(path)
    named = {place.rsplit("/", 1)[1]: place for place in there}
    name = schema.modality if schema.modality in named else "table" if "table" in named else ""
    name = name or (next(iter(named)) if len(named) == 1 else "")
    if not name:
        raise SchemaError(
            f"{path} holds tables {', '.join(named)}. Name one in the schema: modality = "
            f'"{next(iter(named), "table")}".'
        )
    inside = f"{named[name]}/"
    with opened(path) as store:
        raw = anndata_inside(path, store, schema, inside, backed=backed)
        key = _region_key(store, inside)
    others = [other for other in named if other != name]
    note = f"Table {name!r} is read" + (f"; left aside: {', '.join(others)}." if others else ".")
    section = key if key in raw.entities else None
    return replace(raw, notes=(note, *raw.notes), section=section)


def _region_key(store: Any, inside: str) -> str | None:
    """The column of regions that a table annotates."""
    place = f"{inside}{_ATTRIBUTES}/region_key"
    if place not in store:
        return None
    refuse_unknown(store[place])
    found = np.asarray(store[place][()]).item()
    return found.decode() if isinstance(found, bytes) else str(found)
