"""In which order did cells change? Pseudotime from a root that is given, as steady as the choices behind it allow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.sparse.linalg import eigsh
from scipy.stats import rankdata

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.ur import UR
from aivc.experiments.atlas.neighbors import Neighbors
from aivc.experiments.splicing import Arrows, Splicing, VelocityTest, judge

# Numbers of neighbors, none of which is known to be right, and of cells that stand for a root.
NEIGHBORS, ROOTS = (10, 15, 20, 30), 5
_COMPONENTS = 12
# A step against velocity is that much longer, in logarithm, than one along it: twice this.
_TURN = 1.0


@final
@dataclass(frozen=True, eq=False)
class Order:
    """Cells in order.

    Attributes:
        time: ``(n,)`` pseudotime, 0 at the root to 1: mean rank over ways, roots and numbers of neighbors.
        spread: ``(n,)`` standard deviation of these ranks: how much a cell's place depends on the choices.
        root: What was given as root, in words.
        roots: Names of the cells that stand for it.
        links: Number of links added between parts of the graph that had none.
        velocity: Whether velocity was used, and why; None where it was not asked for.
    """

    time: Float[np.ndarray, " n"]
    spread: Float[np.ndarray, " n"]
    root: str
    roots: tuple[str, ...]
    links: int
    velocity: VelocityTest | None = None

    def table(self, index: pd.Index) -> pd.DataFrame:
        """One row per cell: ``pseudotime`` and ``pseudotime_spread``."""
        return pd.DataFrame({"pseudotime": self.time, "pseudotime_spread": self.spread}, index=index)


def order(  # noqa: PLR0913 - each one is a question a user may ask
    ur: UR,
    root: dict[str, str] | Sequence[str],
    *,
    neighbors: Sequence[int] = NEIGHBORS,
    ways: Sequence[str] = ("diffusion", "path"),
    among: Bool[np.ndarray, " n"] | None = None,
    velocity: str = "off",
    splicing: Splicing | None = None,
    known: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    seed: int = 0,
) -> Order:
    """Order cells by how far they lie from a root, along what lies between.

    Distances are diffusion pseudotime (Haghverdi et al. 2016, Nat Methods 13:845) and shortest paths on a graph of
    nearest neighbors; each is ranked, and ranks are averaged over both, over roots and over numbers of neighbors.
    The direction is the root's: nothing here finds out where a process begins (`order_without_root`). With
    ``velocity="auto"`` cells are ordered once more along paths that are longer where they run against RNA velocity.
    That order is taken only where more cells of known pairs are in order by it, and by nothing void (unspliced RNA
    permuted over cells, layers swapped); the test stands in the answer, whichever way it went.

    Args:
        ur: States, such as principal components.
        root: Names of cells; or a column and a label, such as ``{"cell_type": "Ductal"}``, of which the five cells
            nearest to the mean stand for the root.
        neighbors: Numbers of neighbors.
        ways: ``diffusion``, ``path`` or both.
        among: ``(n,)`` cells of a label that may stand for it; None for all. Every cell is ordered either way.
        velocity: ``off``, or ``auto`` to try it.
        splicing: Spliced and unspliced RNA of the cells, to try velocity.
        known: A column and pairs of its labels, the earlier first, such as ``{"cell_type": [("Ductal", "Beta")]}``.
            Without them velocity is not used, and only its direction is tested.
        seed: Draws permutations for the test.

    Raises:
        DataError: There are too few cells, or velocity is to be tried without splicing or paths.
        UnknownNameError: No such column, label, cell, way or choice of velocity.
    """
    if velocity not in ("off", "auto"):
        raise UnknownNameError("choice of velocity", velocity, ("off", "auto"))
    if velocity == "auto" and (splicing is None or "path" not in ways):
        raise DataError(
            ["Velocity directs paths, and is of spliced and unspliced RNA. Give splicing and the way path."]
        )
    for way in ways:
        if way not in ("diffusion", "path"):
            raise UnknownNameError("way to order cells", way, ("diffusion", "path"))
    if len(ur) <= max(neighbors):
        raise DataError([f"{max(neighbors)} neighbors need more than {len(ur)} cells. Ask for fewer."])
    roots, said = _roots(ur, root, among)
    rows_nk, far_nk = Neighbors.of(ur.values).find(ur.values, max(neighbors) + 1)
    graphs = [_graph(rows_nk[:, : k + 1], far_nk[:, : k + 1], ur.values) for k in neighbors]
    still = [row for graph, _ in graphs for row in _diffusion(graph, roots)] if "diffusion" in ways else []
    path = [row for g, _ in graphs for row in dijkstra(g, directed=False, indices=roots)] if "path" in ways else []
    rank_kn, test = _ranked([*still, *path]), None
    time_n = rank_kn.mean(axis=0)
    if splicing is not None and velocity == "auto":

        def again(arrows: Arrows) -> np.ndarray:
            return _ranked([*still, *(row for graph, _ in graphs for row in _directed(graph, arrows, roots))]).mean(0)

        test, time_n = judge(splicing, ur, time_n, again, _score(ur, known), seed)
    names = tuple(str(ur.entities.index[i]) for i in roots)
    added = max(links for _, links in graphs)
    return Order(time_n, rank_kn.std(axis=0), said, names, added, test)


def order_without_root(detected_n: np.ndarray) -> np.ndarray:
    """``(n,)`` order from 0 to 1 by the number of genes detected, most first: the idea of CytoTRACE, without a root.

    Stem cells express more genes than what becomes of them, where that holds: among myeloid progenitors of mouse it
    runs backwards. Never pool it with an order that was given a root.

    Args:
        detected_n: ``(n,)`` number of genes detected in each cell.

    >>> order_without_root(np.array([30, 10, 20])).tolist()
    [0.0, 1.0, 0.5]
    """
    return np.asarray((rankdata(-detected_n) - 1) / max(len(detected_n) - 1, 1))


def pair_auroc(time_n: np.ndarray, label_n: np.ndarray, pairs: Sequence[tuple[str, str]]) -> float:
    """Mean over pairs of kinds of how often a cell of the later one comes later.

    Args:
        time_n: ``(n,)`` order.
        label_n: ``(n,)`` kinds.
        pairs: The earlier and the later of each.

    >>> pair_auroc(np.array([0.0, 1.0, 2.0]), np.array(["a", "b", "b"]), [("a", "b")])
    1.0
    """
    return float(np.mean([_later(time_n[label_n == early], time_n[label_n == late]) for early, late in pairs]))


def _later(early_n: np.ndarray, late_m: np.ndarray) -> float:
    rank = rankdata(np.concatenate([early_n, late_m]))[len(early_n) :]
    return float((rank.sum() - len(late_m) * (len(late_m) + 1) / 2) / (len(early_n) * len(late_m)))


def _ranked(rows: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray((np.array([rankdata(row) for row in rows]) - 1) / (len(rows[0]) - 1))


def _directed(graph: sparse.csr_matrix, arrows: Arrows, roots: np.ndarray) -> np.ndarray:
    """``(r, n)`` shortest paths from each root, where a step against velocity is longer."""
    pairs = graph.tocoo()
    length = pairs.data * np.exp(-_TURN * arrows.along(pairs.row, pairs.col))
    turned = sparse.csr_matrix((length, (pairs.row, pairs.col)), shape=graph.shape)
    return np.asarray(dijkstra(turned, directed=True, indices=roots))


def _score(ur: UR, known: Mapping[str, Sequence[tuple[str, str]]] | None) -> Callable[[np.ndarray], float] | None:
    """How often cells of known pairs are in order; None where none are known."""
    if not known:
        return None
    ((column, pairs),) = known.items()
    if column not in ur.entities:
        raise UnknownNameError("column", column, map(str, ur.entities))
    label_n = ur.entities[column].astype(str).to_numpy()
    for name in {name for pair in pairs for name in pair} - set(label_n):
        raise UnknownNameError(f"label in {column}", name, sorted(set(label_n)))
    return lambda time_n: pair_auroc(time_n, label_n, pairs)


def _roots(ur: UR, root: dict[str, str] | Sequence[str], among: np.ndarray | None) -> tuple[np.ndarray, str]:
    if not isinstance(root, dict):
        rows = ur.entities.index.get_indexer(pd.Index(root))
        if not len(rows) or (rows < 0).any():
            missing = next((name for name, row in zip(root, rows, strict=True) if row < 0), "none")
            raise UnknownNameError("cell", str(missing), map(str, ur.entities.index))
        return rows, f"{len(rows)} cells given"
    ((column, label),) = root.items()
    if column not in ur.entities:
        raise UnknownNameError("column", column, map(str, ur.entities))
    inside = np.flatnonzero(ur.entities[column].astype(str).to_numpy() == label)
    if not len(inside):
        raise UnknownNameError(f"label in {column}", label, sorted(set(ur.entities[column].astype(str))))
    if among is not None:
        inside = inside[among[inside]]
        if not len(inside):
            raise DataError([f"No cell of {column}={label} is among those that may stand for it. Allow some."])
    center_d = ur.values[inside].mean(axis=0)
    near = inside[np.argsort(((ur.values[inside] - center_d) ** 2).sum(axis=1), kind="stable")[:ROOTS]]
    return near, f"{column}={label}: its {len(near)} cells nearest to the mean"


def _graph(rows_nk: np.ndarray, far_nk: np.ndarray, x_nd: np.ndarray) -> tuple[sparse.csr_matrix, int]:
    """Distances to nearest neighbors, symmetric, with the shortest links that join parts without any."""
    n = len(rows_nk)
    start = np.repeat(np.arange(n), rows_nk.shape[1])
    other, far = rows_nk.ravel(), np.maximum(far_nk.ravel(), 1e-12)
    kept = (start != other) & (other >= 0)
    graph = sparse.csr_matrix((far[kept], (start[kept], other[kept])), shape=(n, n))
    graph = graph.maximum(graph.T).tocsr()
    added = 0
    parts, part_n = connected_components(graph, directed=False)
    while parts > 1:
        inside, outside = np.flatnonzero(part_n == part_n[0]), np.flatnonzero(part_n != part_n[0])
        found, length = Neighbors.of(x_nd[inside]).find(x_nd[outside], 1)
        best = int(length[:, 0].argmin())
        one, two = outside[best], inside[found[best, 0]]
        link = sparse.csr_matrix(([max(float(length[best, 0]), 1e-12)], ([one], [two])), shape=(n, n))
        graph, added = graph.maximum(link).maximum(link.T).tocsr(), added + 1
        parts, part_n = connected_components(graph, directed=False)
    return graph, added


def _diffusion(graph: sparse.csr_matrix, roots: np.ndarray) -> np.ndarray:
    """``(r, n)`` diffusion pseudotime from each root, by the leading components of the random walk."""
    n = graph.shape[0]
    width_n = np.sqrt(np.asarray(graph.power(2).sum(axis=1)).ravel() / np.maximum(np.diff(graph.indptr), 1))
    pairs = graph.tocoo()
    scale = width_n[pairs.row] ** 2 + width_n[pairs.col] ** 2
    near = np.sqrt(2 * width_n[pairs.row] * width_n[pairs.col] / scale) * np.exp(-(pairs.data**2) / scale)
    kernel = sparse.csr_matrix((np.maximum(near, 1e-12), (pairs.row, pairs.col)), shape=(n, n))
    # Where cells were sampled more densely, they do not come nearer for that.
    density_n = np.asarray(kernel.sum(axis=1)).ravel()
    kernel = sparse.diags(1 / density_n) @ kernel @ sparse.diags(1 / density_n)
    root_n = np.sqrt(np.asarray(kernel.sum(axis=1)).ravel())
    walk = sparse.diags(1 / root_n) @ kernel @ sparse.diags(1 / root_n)
    count = min(_COMPONENTS, n - 2)
    values, vectors = eigsh(walk, k=count, which="LA", v0=np.ones(n) / np.sqrt(n))
    # The first is the walk at rest, and says nothing of distance.
    values, vectors = values[::-1][1:], vectors[:, ::-1][:, 1:]
    values = np.minimum(values, 1 - 1e-9)
    spread_nk = vectors * (values / (1 - values))
    return np.array([np.sqrt(((spread_nk - spread_nk[root]) ** 2).sum(axis=1)) for root in roots])
