"""What is wrong with the positions of a tissue, and what is worth knowing before neighbors are asked."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.data.io.labels import some
from aivc.data.tissue.spacing import SECTION, Spacing, nearest_distances, section_rows, spacing

# Centers of cells lie 5 to 20 µm apart; overlapping image tiles hold a cell twice, a little moved.
_COPY_UM, _WIDE_UM, _IMPOSSIBLE_UM = 2.0, 30.0, 100.0
_FEW_CELLS, _ALONE = 50, 5.0
_SPOKEN = {"um": "µm", "array": "places of the array"}


def tissue_findings(
    coordinates: np.ndarray | None, entities: pd.DataFrame, links: sparse.csr_matrix | None, about: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Look at positions, sections and neighbors.

    Args:
        coordinates: ``(n, 2)`` or ``(n, 3)``, or None.
        entities: ``n`` rows, in our columns.
        links: ``(n, n)`` who is whose neighbor, or None.
        about: Their unit, as in ``provenance["coordinates"]``; empty where it is not known.

    Returns:
        Problems and notes.
    """
    linked = list(_of_links(links, entities))
    if coordinates is None or len(coordinates) != len(entities) or not np.isfinite(coordinates).all():
        return linked, []
    rows, unit = section_rows(entities), str(about.get("unit", ""))
    found = spacing(coordinates, rows)
    notes = [_summary(found, len(rows), unit), *_copied(coordinates, rows, unit), *_alone(coordinates, rows)]
    notes += [*_small(entities, rows), *_of_design(entities, rows)]
    if links is not None and (lonely := int((np.diff(links.indptr) == 0).sum())):
        notes.append(f"{lonely} entities have no neighbor in the links of the file.")
    wrong, doubtful = _of_unit(found, unit)
    return [*linked, *wrong], [*doubtful, *notes]


def _summary(found: Spacing, sections: int, unit: str) -> str:
    form = "they form a lattice" if found.lattice else "they form no lattice"
    several = f"{sections} section{'s' * (sections > 1)}"
    spoken = _SPOKEN.get(unit, "in a unit that is not stated")
    return f"Positions of {several}: the nearest neighbor is {found.nearest:.3g} {spoken} away (median); {form}."


def _of_unit(found: Spacing, unit: str) -> tuple[list[str], list[str]]:
    """Whether distances fit the unit."""
    near, said = found.nearest, f"The nearest neighbor is {found.nearest:.3g} {_SPOKEN.get(unit, '')} away (median)"
    if unit == "um" and near < (1.5 if found.lattice else 1.0):
        return [f'{said}: are these places of an array, or mm? Correct coordinate_unit, such as "array".'], []
    if unit == "um" and not found.lattice and near > _IMPOSSIBLE_UM:
        wrong = f"{said}, and cells of a tissue lie closer: these are pixels, or pixels of another size."
        return [f'{wrong} Write coordinate_unit = "pixel" with the right um_per_pixel.'], []
    if unit == "um" and not found.lattice and near > _WIDE_UM:
        return [], [f"{said}, which is wide for cells of a tissue: are these pixels, or some of the cells?"]
    if unit == "array" and not (found.lattice and 0.5 <= near <= 2.5):
        return [], [f"{said}, while places of an array are 1 to 2 apart: are these pixels or µm?"]
    return [], []


def _copied(coordinates: np.ndarray, rows: list[np.ndarray], unit: str) -> Iterator[str]:
    same = sum(len(where) - len(np.unique(coordinates[where], axis=0)) for where in rows)
    near = sum(_within(coordinates[where], _COPY_UM) for where in rows) if unit == "um" else same
    if near:
        within = f"within {_COPY_UM:g} µm of another one of their section" if near > same else "where another one does"
        exactly = f" ({same} at the very same place)" if near > same else ""
        yield (
            f"{near} entities lie {within}{exactly}: copies of a cell, as overlapping image tiles make them, would be "
            "their own neighbors, so no graph is made of those at the same place. Find them with "
            "aivc.data.tissue.graph.copies, and leave them out."
        )


def _within(points: np.ndarray, distance: float) -> int:
    # Slow to import, and most files have no positions.
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).query_pairs(distance, output_type="ndarray")
    return len(np.unique(pairs[:, 1]))


def _alone(coordinates: np.ndarray, rows: list[np.ndarray]) -> Iterator[str]:
    count = 0
    for where in rows:
        distance = nearest_distances(coordinates[where])
        count += int((distance > _ALONE * np.median(distance)).sum()) if len(distance) else len(where)
    if count:
        yield f"{count} entities are isolated: the nearest one is more than {_ALONE:g} times as far as usual."


def _small(entities: pd.DataFrame, rows: list[np.ndarray]) -> Iterator[str]:
    if SECTION not in entities:
        return
    small = [str(entities[SECTION].iloc[where[0]]) for where in rows if len(where) < _FEW_CELLS]
    if small:
        yield f"{len(small)} of {len(rows)} sections hold fewer than {_FEW_CELLS} entities: {some(small)}."


def _of_design(entities: pd.DataFrame, rows: list[np.ndarray]) -> Iterator[str]:
    """What cannot be separated, because every group has one section."""
    if SECTION not in entities:
        if "donor" in entities and entities["donor"].nunique() > 1:
            yield (
                f"Positions of {entities['donor'].nunique()} donors, and no section is declared: neighbors may be of "
                "two donors. Declare section."
            )
        return
    for name in ("donor", "perturbation"):
        if name not in entities:
            continue
        sections = entities.groupby(entities[name].astype(str))[SECTION].nunique()
        if len(sections) > 1 and (sections == 1).all():
            yield (
                f"Each {name} has one section: what differs between sections, such as staining and depth, passes for a "
                f"difference between {name}s."
            )
        elif name == "donor" and (sections > 1).any():
            yield (
                f"{int((sections > 1).sum())} donors have several sections. Whether one is turned or mirrored against "
                "another cannot be seen in positions: nothing compares places across sections."
            )


def _of_links(links: sparse.csr_matrix | None, entities: pd.DataFrame) -> Iterator[str]:
    if links is None or SECTION not in entities:
        return
    names = entities[SECTION].astype(str).to_numpy()
    pairs = links.tocoo()
    if across := int((names[pairs.row] != names[pairs.col]).sum()):
        yield (
            f"{across} of {links.nnz} links join two sections. Compute the neighbors for each section "
            '(squidpy: library_key="section"), or leave them out and let aivc.data.tissue.graph.link make them.'
        )
