"""Positions of a file in the unit that they are used in: µm, or places of a lattice; and what is wrong with them."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from aivc.data.io.formats import Raw
from aivc.data.io.schema import Schema
from aivc.data.tissue.spacing import described


class Positions(NamedTuple):
    """Positions as they are used.

    Attributes:
        values: ``(n, 2)`` or ``(n, 3)`` in µm, or in places of a lattice; None where there are none.
        about: JSON-ready notes for the provenance; see `aivc.data.tissue.spacing.described`.
        problems: What keeps them from being used.
    """

    values: np.ndarray | None
    about: dict[str, Any]
    problems: list[str]


def positions(raw: Raw, entities: pd.DataFrame, schema: Schema) -> Positions:
    """Bring the positions of a file to their unit.

    Args:
        raw: The file.
        entities: The same ``n`` entities in our columns.
        schema: Says where positions lie, and their unit.
    """
    values, problems = _stored(raw, schema)
    if values is None or schema.coordinate_unit is None:
        return Positions(values, {}, problems)
    unit, size = schema.coordinate_unit, schema.um_per_pixel or raw.um_per_pixel
    if raw.coordinate_unit is not None and raw.coordinate_unit != unit and schema.coordinate_key is not None:
        problems.append(
            f"This format states its positions in {raw.coordinate_unit}, the schema says {unit}. Write "
            f'coordinate_unit = "{raw.coordinate_unit}".'
        )
    if unit != "pixel":
        return Positions(values, described(values, entities, unit), problems)
    if size is None:
        problems.append("Positions in pixels need the size of a pixel in µm. Add such as um_per_pixel = 0.5.")
        return Positions(values, {}, problems)
    return Positions(values * size, described(values * size, entities, "um", float(size)), problems)


def _stored(raw: Raw, schema: Schema) -> tuple[np.ndarray | None, list[str]]:
    if schema.coordinate_key is not None:
        if raw.coordinates is None:
            return None, [] if raw.problems else ["Only h5ad and zarr have obsm: name two columns."]
        shape = raw.coordinates.shape
        if len(shape) != 2 or shape[1] not in (2, 3):
            return None, [f"obsm key {schema.coordinate_key!r} has shape {shape}; positions have 2 or 3 columns."]
        return raw.coordinates, _unfinite(raw.coordinates)
    if schema.coordinates is None or not all(name in raw.entities for name in schema.coordinates):
        return None, []
    numbers = raw.entities[list(schema.coordinates)].apply(pd.to_numeric, errors="coerce")
    found = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return found, _unfinite(found)


def _unfinite(values: np.ndarray) -> list[str]:
    count = int((~np.isfinite(values)).any(axis=1).sum())
    said = (
        f"Coordinates are numbers for every entity; {count} of {len(values)} are not. Correct them, or leave them out."
    )
    return [said] if count else []
