"""What a file seems to say of a tissue: positions, their unit, sections and cell types, as evidence for a schema."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from aivc.core.units import ARBITRARY
from aivc.data.io.conventions import DONORS, Line, seen
from aivc.data.io.formats import Raw, intact, keys, opened, suffix
from aivc.data.io.in_memory import is_anndata
from aivc.data.io.spatialdata_zarr import tables_inside
from aivc.data.io.squidpy_keys import SPATIAL
from aivc.data.io.tables import TABLES
from aivc.data.io.vendor_folders import vendors_of
from aivc.data.tissue.spacing import SECTION, section_rows, spacing

if TYPE_CHECKING:
    from anndata import AnnData

CELLS = "cells"
_KEYS = (SPATIAL, "X_spatial")
_AXES = (
    ("x", "y"), ("X", "Y"), ("x_centroid", "y_centroid"), ("center_x", "center_y"),
    ("CenterX_global_px", "CenterY_global_px"), ("CentroidX", "CentroidY"), ("X_centroid", "Y_centroid"),
    ("array_x", "array_y"), ("pixel_x", "pixel_y"), ("array_row", "array_col"),
)  # fmt: skip
_THIRD = {"x": "z", "X": "Z", "x_centroid": "z_centroid"}
_SECTIONS = ("section", "library_id", "imageID", "image", "image_id", "slice", "slide", "sample_id")
_TYPES = ("cell_type", "cellType", "celltype", "ClusterName", "cluster_name", "type")
# Few numeric columns beside positions are no panel.
_NO_PANEL = 5
_WIDE = 30.0


def position_lines(data: "AnnData | Path", raw: Raw) -> list[Line]:
    """Suggest where positions lie, and what their unit is; nothing where a file has none.

    Args:
        data: The file, or the AnnData.
        raw: The same, opened without positions.
    """
    vendors = vendors_of(data) if isinstance(data, Path) else []
    if vendors:
        return _of_vendor(vendors[0], raw)
    columns = _columns(raw)
    where, points, evidence = _points(data, columns)
    if points is None:
        return []
    found = [Line("coordinates", where, evidence)]
    rows = columns.reset_index(drop=True)
    section = _first(rows, _SECTIONS)
    if section:
        found.append(Line("section", section, f"column {section!r}: {seen(rows[section])}"))
        rows = rows.rename(columns={section: SECTION})
    donor = _first(rows, DONORS)
    if donor and donor not in raw.entities:
        found.append(Line("donor", donor, f"column {donor!r}: {seen(rows[donor])}"))
    found += _unit(points, rows, where)
    if name := _first(rows, _TYPES):
        found.append(Line("cell_type", name, f"column {name!r}: {seen(rows[name])}"))
        measured = [text for text in raw.features.index if text not in (*where, section, donor)]
        if isinstance(data, Path) and suffix(data) in TABLES and len(measured) < _NO_PANEL:
            few = f"numeric columns beside positions: {', '.join(measured) or 'none'}; no panel is measured"
            found.append(Line("format", CELLS, few))
    return found


def units_of_cells() -> tuple[list[Line], list[Line]]:
    """Lines on the values and the features of a table of cells, which are types."""
    ones = "the features are the types of cells, 1 for its own"
    return [Line("units", ARBITRARY, ones)], [Line("species", "none", ones), Line("modality", "cell-type", ones)]


def _of_vendor(vendor: str, raw: Raw) -> list[Line]:
    unit = raw.coordinate_unit or "um"
    stated = f"{vendor} writes positions in {unit}"
    found = [Line("coordinates", SPATIAL, f"a folder of {vendor}"), Line("coordinate_unit", unit, stated)]
    if unit == "pixel" and raw.um_per_pixel is None:
        found.append(Line("um_per_pixel", 0.12, "the folder does not say how large a pixel is", sure=False))
    elif unit == "pixel":
        found[1] = Line("coordinate_unit", unit, f"{stated}; the folder says {raw.um_per_pixel:.4g} µm per pixel")
    return found


def _columns(raw: Raw) -> pd.DataFrame:
    """Columns of entities; of tables, whose numbers are features at first, also those that may be positions."""
    wanted = {*(name for pair in _AXES for name in pair), *_THIRD.values(), *_SECTIONS, *DONORS}
    there = [(i, name) for i, name in enumerate(raw.features.index) if name in wanted]
    if not isinstance(raw.values, np.ndarray) or not there or raw.values.shape[1] != len(raw.features):
        return raw.entities
    numbers = {name: raw.values[:, i] for i, name in there if name not in raw.entities}
    return raw.entities.assign(**numbers)


def _points(data: "AnnData | Path", columns: pd.DataFrame) -> tuple[str | list[str], np.ndarray | None, str]:
    key, found = _stored(data)
    if found is not None and found.ndim == 2 and found.shape[1] in (2, 3) and len(found) == len(columns):
        return f"obsm:{key}", found.astype(np.float64), f"obsm has {key!r}, {found.shape[1]} columns"
    for pair in _AXES:
        if all(name in columns and pd.api.types.is_numeric_dtype(columns[name]) for name in pair):
            third = _THIRD.get(pair[0], "")
            names = [*pair, *([third] if third in columns else [])]
            return names, columns[names].to_numpy(dtype=np.float64), f"columns {', '.join(map(repr, names))}"
    return "", None, ""


def _stored(data: "AnnData | Path") -> tuple[str, np.ndarray | None]:
    if is_anndata(data):
        key = next((key for key in _KEYS if key in data.obsm), "")
        return key, np.asarray(data.obsm[key]) if key else None
    if suffix(data) not in (".h5ad", ".zarr"):
        return "", None
    with intact(data), opened(data) as store:
        inside = f"{there[0]}/" if suffix(data) == ".zarr" and (there := tables_inside(data)) else ""
        place = f"{inside}obsm"
        key = next((key for key in _KEYS if place in store and key in keys(store[place])), "")
        node = store[f"{place}/{key}"] if key else None
        return key, np.asarray(node[:]) if node is not None and not keys(node) else None


def _unit(points: np.ndarray, entities: pd.DataFrame, where: str | list[str]) -> list[Line]:
    """Propose a unit by the distance to the nearest neighbor; no file says it, so a person confirms it."""
    found = spacing(points, section_rows(entities))
    near = f"the nearest neighbor is {found.nearest:.3g} away (median)"
    named = [name.casefold() for name in where] if isinstance(where, list) else []
    pixels = any("px" in name or "pixel" in name for name in named)
    size = Line("um_per_pixel", 0.5, "how large is a pixel, in µm?", sure=False)
    if found.lattice and 0.5 <= found.nearest <= 2.5:
        return [Line("coordinate_unit", "array", f"{near} in a lattice: places of an array?", sure=False)]
    if pixels or found.nearest > _WIDE:
        lattice = " in a lattice" if found.lattice else ""
        return [Line("coordinate_unit", "pixel", f"{near}{lattice}, wide for µm: pixels?", sure=False), size]
    return [Line("coordinate_unit", "um", f"{near}, as centers of cells are in µm: µm?", sure=False)]


def _first(frame: pd.DataFrame, names: Iterable[str]) -> str:
    return next((name for name in names if name in frame and frame[name].notna().any()), "")


def beside_positions(lines: list[Line], found: list[Line]) -> list[Line]:
    """Lines of a schema where a tissue was found: nothing may have been perturbed, and cell types are no contexts.

    Args:
        lines: Suggested without a look at positions.
        found: What `position_lines` suggests; where it is empty, nothing changes.
    """
    if not found:
        return lines
    stated = {line.field for line in found} | {line.value for line in found if line.field == "cell_type"}
    kept = [
        line for line in lines if line.field not in stated and not (line.field == "context" and line.value in stated)
    ]
    at = next((i for i, line in enumerate(kept) if line.field == "perturbation" and not line.sure), None)
    if at is not None:
        kept[at] = Line("perturbation", {"value": "control"}, "a tissue in which nothing was perturbed?", sure=False)
        kept = [line for line in kept if line.field not in ("control", "kind")]
    return [*kept, *found]
