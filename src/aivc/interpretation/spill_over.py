"""How much of a gene's reading in a cell is explained by the cells that touch it: spill-over, or what looks like it."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial import cKDTree

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.tissue.graph import sections

_TYPE, _FEWEST, _RING = "cell_type", 50, (2.0, 4.0)


@final
@dataclass(frozen=True, eq=False)
class SpillOver:
    """What neighbors within a few µm explain of each gene, beyond the type of a cell.

    Attributes:
        table: A row for each feature: ``feature``; ``explained``, the share of its variance that the same feature and
            the total of the neighbors explain; ``same`` and ``total``, by each alone; ``ring``, by the same feature two
            to four times as far away, where nothing spills any more; ``expected`` and ``z`` of ``explained`` by
            shuffles within types; the most explained first.
        within: µm.
        neighbors: On average.
        same_share: Share of what is explained, above the shuffle, that the same feature alone explains; None where
            nothing is.
        note: One sentence.
    """

    table: pd.DataFrame
    within: float
    neighbors: float
    same_share: float | None
    note: str

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        facts = {"within": self.within, "neighbors": self.neighbors, "same_share": self.same_share, "note": self.note}
        return {**facts, "genes": self.table.to_dict("records")}


def spill_over(
    tissue: Measurement, *, within: float = 15.0, shuffles: int = 20, most: int = 500, seed: int = 0
) -> SpillOver:
    """Model the transcripts of neighbors in a cell.

    What a cell reads of a gene, less the mean of its type in its section, is regressed on what its neighbors read of
    the same gene, likewise less their type's mean, and on their total. A shuffle exchanges cells of one type within a
    section, so types and places stay. What is left above it may be transcripts counted in the wrong cell, smooth
    staining, or biology on that scale; spill-over falls off within a cell's width, so compare ``same`` with ``ring``.

    Args:
        tissue: Cells with positions in µm.
        within: µm between centers of cells that may spill into each other.
        shuffles: How often.
        most: At most so many features, those that vary most.
        seed: Draws the shuffles.

    Raises:
        DataError: Positions are missing or not in µm, or fewer than 50 cells have a neighbor within that distance.

    >>> from aivc.data.synthetic_tissue import synthetic_tissue
    >>> found = spill_over(synthetic_tissue(cells=100)[0], shuffles=5)
    >>> list(found.table)
    ['feature', 'explained', 'same', 'total', 'ring', 'expected', 'z']
    """
    _require_places(tissue)
    near, ring = (_means_within(tissue, *ends) for ends in ((0.0, within), (within * _RING[0], within * _RING[1])))
    count = np.diff(near.indptr)
    if (count > 0).sum() < _FEWEST:
        there = int((count > 0).sum())
        raise DataError([f"{there} cells have a neighbor within {within:g} µm, {_FEWEST} are wanted. Look farther."])
    group_n, x_nf, total_n, names = _residuals(tissue, most)
    own = np.flatnonzero(count > 0)
    both, same, by_total = _explained(near, x_nf, total_n, own)
    drawn, rng = [], np.random.default_rng(seed)
    for _ in range(shuffles):
        order = np.arange(len(group_n))
        for rows in pd.Series(order).groupby(group_n).indices.values():
            order[rows] = rng.permutation(rows)
        drawn.append(_explained(near, x_nf[order], total_n[order], own)[0])
    expected, spread = np.mean(drawn, axis=0), np.std(drawn, axis=0)
    table = pd.DataFrame(
        {
            "feature": names,
            "explained": both,
            "same": same,
            "total": by_total,
            "ring": _explained(ring, x_nf, total_n, np.flatnonzero(np.diff(ring.indptr) > 0))[1],
            "expected": expected,
            "z": (both - expected) / np.where(spread > 0, spread, 1.0),
        }
    ).sort_values("explained", ascending=False, ignore_index=True)
    above = float((both - expected).mean())
    share = None if above <= 0 else float(np.clip((same - expected).mean() / above, 0, 1))
    said = (
        f"{both.mean():.1%} of the variance of {len(names)} features is explained by neighbors within {within:g} µm, "
        f"{expected.mean():.1%} where cells of a type are exchanged"
    )
    said += "." if share is None else f"; the same gene next door makes {share:.0%} of the difference."
    return SpillOver(table, within, float(count.mean()), share, said)


def _require_places(tissue: Measurement) -> None:
    unit = tissue.provenance.get("coordinates", {}).get("unit")
    if tissue.coordinates is None or unit != "um":
        said = "there are none" if tissue.coordinates is None else f"these are in {unit or 'an unknown unit'}"
        raise DataError([f"Spill-over is a matter of micrometers: positions in µm are wanted, and {said}."])


def _means_within(tissue: Measurement, low: float, high: float) -> sparse.csr_matrix:
    """``(n, n)`` that averages over the cells of the section whose distance lies between two ends."""
    assert tissue.coordinates is not None
    n, pairs = len(tissue), []
    for rows in sections(tissue):
        points = tissue.coordinates[rows]
        found = cKDTree(points).query_pairs(high, output_type="ndarray")
        far = np.linalg.norm(points[found[:, 0]] - points[found[:, 1]], axis=1) > low
        pairs.append(rows[found[far]])
    both = np.concatenate(pairs)
    ones = np.ones(2 * len(both))
    links = sparse.csr_matrix((ones, (both.T.ravel(), both[:, ::-1].T.ravel())), shape=(n, n))
    count = np.maximum(np.diff(links.indptr), 1)
    return sparse.csr_matrix(sparse.diags(1 / count) @ links)


def _residuals(tissue: Measurement, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Groups of type and section; ``(n, f)`` readings and ``(n,)`` log totals less the mean of the group; names."""
    profile = normalize(tissue, profile_units(tissue)) if tissue.units == COUNTS else tissue
    x_nf, names = profile.dense().astype(np.float64), profile.features.astype(str)
    kept = np.sort(np.argsort(-x_nf.var(axis=0), kind="stable")[:most])
    total_n = np.log1p(np.maximum(tissue.dense(), 0).sum(axis=1, dtype=np.float64))
    kind = tissue.entities[_TYPE].astype(str) if _TYPE in tissue.entities else pd.Series("", tissue.entities.index)
    place_n = np.zeros(len(tissue), dtype=int)
    for number, rows in enumerate(sections(tissue)):
        place_n[rows] = number
    group_n = pd.factorize(kind.to_numpy() + "|" + place_n.astype(str))[0]
    size = np.bincount(group_n)
    member = sparse.csr_matrix((np.ones(len(group_n)), (group_n, np.arange(len(group_n)))))
    mean = (member @ np.column_stack([x_nf[:, kept], total_n])) / size[:, None]
    return group_n, x_nf[:, kept] - mean[group_n, :-1], total_n - mean[group_n, -1], names[kept]


def _explained(
    near: sparse.csr_matrix, x_nf: np.ndarray, total_n: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(f,)`` share of variance explained by both, by the same feature, and by the total, of neighbors."""
    y, own, total = x_nf[rows], near[rows] @ x_nf, near[rows] @ total_n
    y, own, total = y - y.mean(axis=0), own - own.mean(axis=0), total - total.mean()
    a, b, c = (own**2).sum(axis=0), (own * total[:, None]).sum(axis=0), float((total**2).sum())
    with_own, with_total, whole = (own * y).sum(axis=0), total @ y, (y**2).sum(axis=0)
    safe = np.where(whole > 0, whole, 1.0)
    same = with_own**2 / np.where(a > 0, a, 1.0) / safe
    by_total = with_total**2 / (c or 1.0) / safe
    left = a * c - b**2
    solved = (
        (c * with_own**2 - 2 * b * with_own * with_total + a * with_total**2) / np.where(left > 0, left, 1.0) / safe
    )
    # Where both columns are one, either explains all that both do.
    both = np.where(left > 1e-9 * np.maximum(a * c, 1e-300), solved, np.maximum(same, by_total))
    return both, same, by_total
