"""Who is whose neighbour: graphs of cells from positions, the same however a section lies."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import sparse
from scipy.spatial import Delaunay, QhullError, cKDTree

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.data.tissue.spacing import section_rows

KINDS = ("nearest", "radius", "delaunay")
# Distances that differ by rounding are equal: a rotated section has other last digits.
_EQUAL = 1e-6
_FORM = re.compile(r"(?P<kind>[a-z]+)(?::(?P<size>\d+(?:\.\d+)?))?")


@final
@dataclass(frozen=True)
class GraphRule:
    """Which cells are neighbours.

    Attributes:
        kind: ``nearest``: the ``size`` nearest cells, and all as far as the last of them, so that a lattice has
            no ties to break; or those it is such a neighbour of. ``radius``: within ``size``, in the unit of the
            positions. ``delaunay``: joined in the Delaunay triangulation by an edge that is not longer than ``size``
            times the median edge.
        size: See above; nothing else is positive.

    Raises:
        DataError: No such kind, or no such size.

    >>> str(GraphRule.parse("nearest:8")), GraphRule.parse("delaunay").size
    ('nearest:8', 3.0)
    """

    kind: str = "nearest"
    size: float | int = 8.0

    def __post_init__(self) -> None:
        whole = self.kind != "nearest" or float(self.size).is_integer()
        if self.kind not in KINDS or not 0 < self.size < float("inf") or not whole:
            raise DataError(
                [
                    f"A graph is nearest:8, radius:50 or delaunay:3, with a positive size, whole for nearest; got "
                    f"{self.kind}:{self.size}."
                ]
            )

    def __str__(self) -> str:
        return f"{self.kind}:{self.size:g}"

    @classmethod
    def parse(cls, text: str) -> "GraphRule":
        """Read the text form; the inverse of ``str``.

        Raises:
            DataError: The text has another form.
        """
        match = _FORM.fullmatch(text.strip())
        if not match or (match["size"] is None and match["kind"] != "delaunay"):
            raise DataError([f"A graph is nearest:8, radius:50 or delaunay:3, got {text!r}."])
        return cls(match["kind"], float(match["size"] or 3))


def link(measurement: Measurement, rule: GraphRule = GraphRule()) -> Measurement:
    """Say who is whose neighbour, from positions; no link joins two sections.

    Args:
        measurement: With coordinates; the column ``section`` of its entities tells sections apart, where it is there.
        rule: Which cells are neighbours.

    Returns:
        The measurement with symmetric ``links`` of weight 1.

    Raises:
        DataError: Positions are missing or not finite, or several cells lie at one place.
    """
    if problems := list(position_problems(measurement)):
        raise DataError(problems)
    assert measurement.coordinates is not None
    n, rows, columns = len(measurement), [], []
    for where in sections(measurement):
        a, b = _pairs(np.asarray(measurement.coordinates[where], dtype=np.float64), rule)
        rows.append(where[a])
        columns.append(where[b])
    a, b = np.concatenate([*rows, []]).astype(int), np.concatenate([*columns, []]).astype(int)
    links = sparse.csr_matrix((np.ones(2 * len(a), dtype=np.float32), (np.r_[a, b], np.r_[b, a])), shape=(n, n))
    # A pair found from both sides is one neighbour.
    links.sum_duplicates()
    links.data[:] = 1
    return measurement.replace(links=links)


def sections(measurement: Measurement) -> list[np.ndarray]:
    """Positions of the rows of each section, in the order of their names; of all rows where none is named."""
    return section_rows(measurement.entities)


def position_problems(measurement: Measurement) -> Iterator[str]:
    """Say what keeps positions from having neighbours."""
    if measurement.coordinates is None:
        yield "These entities have no positions. Declare coordinates in the schema, such as obsm:spatial."
        return
    if not np.isfinite(measurement.coordinates).all():
        bad = int((~np.isfinite(measurement.coordinates)).any(axis=1).sum())
        yield f"{bad} positions are not finite. Leave these entities out."
        return
    if twice := sum(_coincident(measurement.coordinates[where]) for where in sections(measurement)):
        yield (
            f"{twice} entities lie exactly where another one of their section does: copies of the same cell, as "
            "overlapping image tiles make them, would be their own neighbours. Drop them: aivc.data.tissue.copies."
        )


def copies(measurement: Measurement, within: float = 0.0) -> np.ndarray:
    """``(n,)`` True where an earlier entity of the same section lies within a distance: 0 means the same place.

    Args:
        measurement: With coordinates.
        within: In the unit of the positions.
    """
    assert measurement.coordinates is not None
    found = np.zeros(len(measurement), dtype=bool)
    for where in sections(measurement):
        where = np.sort(where)
        points = np.asarray(measurement.coordinates[where], dtype=np.float64)
        pairs = cKDTree(points).query_pairs(max(within, 0.0), output_type="ndarray")
        found[where[pairs[:, 1]]] = True
    return found


def _coincident(points: np.ndarray) -> int:
    return len(points) - len(np.unique(points, axis=0))


def _pairs(points: np.ndarray, rule: GraphRule) -> tuple[np.ndarray, np.ndarray]:
    if len(points) < 2:
        return np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    if rule.kind == "delaunay":
        return _triangulated(points, rule.size)
    tree = cKDTree(points)
    if rule.kind == "radius":
        pairs = tree.query_pairs(rule.size * (1 + _EQUAL), output_type="ndarray")
        return pairs[:, 0], pairs[:, 1]
    return _nearest(tree, points, int(rule.size))


def _nearest(tree: cKDTree, points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    k = min(k, len(points) - 1)
    extra = min(2 * k + 8, len(points) - 1)
    distance_nk, near_nk = tree.query(points, k=extra + 1)
    limit_n = distance_nk[:, k] * (1 + _EQUAL)
    near = distance_nk <= limit_n[:, None]
    near[:, 0] = False
    # More that lie equally far than were asked for: so many are found one by one.
    crowded = np.flatnonzero(near[:, -1]) if extra < len(points) - 1 else np.zeros(0, dtype=int)
    near[crowded] = False
    row, place = np.nonzero(near)
    a, b = row, near_nk[row, place]
    for i in crowded:
        found = np.array([j for j in tree.query_ball_point(points[i], limit_n[i]) if j != i], dtype=int)
        a, b = np.r_[a, np.full(len(found), i)], np.r_[b, found]
    return a, b


def _triangulated(points: np.ndarray, longest: float) -> tuple[np.ndarray, np.ndarray]:
    try:
        simplices = Delaunay(points).simplices
    except QhullError as error:
        problem = "The positions of a section lie on a line, or are fewer than three: no triangulation. Use nearest:2."
        raise DataError([problem]) from error
    corners = simplices.shape[1]
    ends = np.concatenate([simplices[:, [i, j]] for i in range(corners) for j in range(i + 1, corners)])
    ends = np.unique(np.sort(ends, axis=1), axis=0)
    length = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    ends = ends[length <= longest * np.median(length) * (1 + _EQUAL)]
    return ends[:, 0], ends[:, 1]
