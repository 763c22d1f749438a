"""How far apart neighbors lie: the spacing of positions, and whether it is that of a lattice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

SECTION = "section"
# Of the spots of a slide, jitter of printing included, most have their nearest one this close to the median; of cells
# in a tissue, half or fewer.
_ALIKE, _SHARE = 0.1, 0.8
_FEWEST = 10


@final
@dataclass(frozen=True)
class Spacing:
    """What distances to the nearest entity say.

    Attributes:
        nearest: Median distance to the nearest entity of the same section, in the unit of the positions; copies at the
            same place count once. NaN where no section has two places.
        lattice: Whether these distances are so alike that the positions are places of a lattice, such as spots.
    """

    nearest: float
    lattice: bool


def spacing(coordinates: np.ndarray, sections: Sequence[np.ndarray]) -> Spacing:
    """Measure how far apart neighbors lie.

    Args:
        coordinates: ``(n, 2)`` or ``(n, 3)``; rows that are not finite are left out.
        sections: Positions of the rows of each section.

    >>> spacing(np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2), [np.arange(25)])
    Spacing(nearest=1.0, lattice=True)
    """
    found, alike = [np.zeros(0)], 0
    for where in sections:
        distance_n = nearest_distances(coordinates[where])
        found.append(distance_n)
        # Sections may differ in scale: each is compared with its own median.
        alike += (
            int((np.abs(distance_n - np.median(distance_n)) <= _ALIKE * np.median(distance_n)).sum())
            if len(distance_n)
            else 0
        )
    every_n = np.concatenate(found)
    if not len(every_n):
        return Spacing(float("nan"), lattice=False)
    return Spacing(float(np.median(every_n)), lattice=len(every_n) >= _FEWEST and alike >= _SHARE * len(every_n))


def nearest_distances(coordinates: np.ndarray) -> np.ndarray:
    """``(m,)`` distance of each place of a section to the nearest other place; empty where there is one place.

    Args:
        coordinates: ``(n, 2)`` or ``(n, 3)``; rows that are not finite are left out, copies count once.
    """
    points = np.asarray(coordinates, dtype=np.float64)
    points = np.unique(points[np.isfinite(points).all(axis=1)], axis=0)
    # Slow to import, and the catalog, which states spacings, is at hand in every command.
    from scipy.spatial import cKDTree

    return cKDTree(points).query(points, k=2)[0][:, 1] if len(points) > 1 else np.zeros(0)


def section_rows(entities: pd.DataFrame) -> list[np.ndarray]:
    """Positions of the rows of each section, in the order of their names; of all rows where none is named.

    >>> [rows.tolist() for rows in section_rows(pd.DataFrame({"section": ["b", "a", "b"]}))]
    [[1], [0, 2]]
    """
    if SECTION not in entities:
        return [np.arange(len(entities))]
    names = entities[SECTION].astype(str).to_numpy()
    order = np.argsort(names, kind="stable")
    return np.split(order, np.flatnonzero(names[order][1:] != names[order][:-1]) + 1)


def described(
    coordinates: np.ndarray, entities: pd.DataFrame, unit: str, um_per_pixel: float | None = None
) -> dict[str, Any]:
    """JSON-ready notes on positions, for ``provenance["coordinates"]`` of a measurement.

    Args:
        coordinates: ``(n, 2)`` or ``(n, 3)``, in ``unit``.
        entities: ``n`` rows; the column ``section`` tells sections apart, where it is there.
        unit: ``um`` or ``array``.
        um_per_pixel: What pixels were brought to µm by, where they were.
    """
    found = spacing(coordinates, section_rows(entities))
    size = {} if um_per_pixel is None else {"um_per_pixel": um_per_pixel}
    nearest = found.nearest if np.isfinite(found.nearest) else None
    return {"unit": unit, **size, "lattice": found.lattice, "nearest": nearest}
