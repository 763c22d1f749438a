"""Which of its neighbors does a cell move to? RNA velocity as cosines between cells, and the orders that follow."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.sparse.linalg import lsqr
from scipy.stats import rankdata

from aivc.core.errors import DataError


def toward(s_nf: np.ndarray, u_nf: np.ndarray, near_nk: np.ndarray) -> np.ndarray:
    """``(n, n)`` cosine between the velocity of each cell and the step to each other one.

    Velocity is what unspliced counts exceed of the line through all cells (steady state, La Manno et al. 2018, Nature
    560:494), both layers being means over neighbors. A step is taken from the mean of the neighbors: a step from the
    cell itself would share the noise of its spliced counts with the velocity, and any velocity would seem to point
    along.

    Args:
        s_nf: Spliced.
        u_nf: Unspliced.
        near_nk: Rows of the neighbors of each cell, itself first.
    """
    smooth_s, smooth_u = s_nf[near_nk].mean(axis=1), u_nf[near_nk].mean(axis=1)
    slope_f = (smooth_s * smooth_u).sum(axis=0) / np.maximum((smooth_s**2).sum(axis=0), 1e-12)
    velocity_nf = smooth_u - slope_f * smooth_s
    middle_nf = smooth_s[near_nk[:, 1:]].mean(axis=1)
    along_nn = velocity_nf @ smooth_s.T - (velocity_nf * middle_nf).sum(axis=1)[:, None]
    square_nn = (smooth_s**2).sum(axis=1)[None, :] + (middle_nf**2).sum(axis=1)[:, None]
    square_nn -= 2 * middle_nf @ smooth_s.T
    size_nn = np.sqrt(np.maximum(square_nn, 1e-12)) * np.linalg.norm(velocity_nf, axis=1)[:, None]
    return np.asarray(along_nn / np.maximum(size_nn, 1e-12))


def to_next_kind(
    cosine_nn: np.ndarray, near_nk: np.ndarray, kind_n: np.ndarray, pairs: Sequence[Sequence[str]]
) -> float:
    """Mean cosine toward neighbors of a kind that comes next, over cells that have any: the check of direction.

    Raises:
        DataError: No cell has such a neighbor.
    """
    own_nk, near = kind_n[:, None], kind_n[near_nk[:, 1:]]
    later_nk = np.any([(own_nk == early) & (near == late) for early, late in pairs], axis=0)
    if not later_nk.any():
        raise DataError(["No cell has a neighbor of the kind that comes next. Ask for more neighbors."])
    found_nk = np.where(later_nk, np.take_along_axis(cosine_nn, near_nk[:, 1:], axis=1), 0.0)
    some_n = later_nk.any(axis=1)
    return float((found_nk.sum(axis=1)[some_n] / later_nk.sum(axis=1)[some_n]).mean())


def directed_order(
    near_nk: np.ndarray, far_nk: np.ndarray, cosine_nn: np.ndarray, roots: np.ndarray, neighbors: Sequence[int]
) -> np.ndarray:
    """``(n,)`` mean rank of the shortest way from roots, where a step with the velocity is shorter than one against it.

    Args:
        near_nk: Rows of neighbors, the cell itself first.
        far_nk: How far they are.
        cosine_nn: From `toward`; zeros leave the lengths as they are.
        roots: Rows.
        neighbors: Numbers of neighbors, over which ranks are averaged.

    Raises:
        DataError: Some cells cannot be reached.
    """
    ranks = []
    for k in neighbors:
        start, end, length = _links(near_nk[:, : k + 1], far_nk[:, : k + 1])
        biased = length * np.exp(-cosine_nn[start, end])
        graph = sparse.csr_matrix((biased, (start, end)), shape=(len(near_nk),) * 2)
        if connected_components(graph, directed=False)[0] > 1:
            raise DataError([f"With {k} neighbors some cells cannot be reached. Ask for more."])
        ranks += [rankdata(row) for row in dijkstra(graph, indices=roots)]
    return np.asarray(np.mean(ranks, axis=0))


def potential_order(near_nk: np.ndarray, far_nk: np.ndarray, cosine_nn: np.ndarray) -> np.ndarray:
    """``(n,)`` potential whose differences between neighbors come closest to the cosines: an order without a root.

    This is the gradient part of a flow on a graph (Jiang et al. 2011, Mathematical Programming 127:203).

    Args:
        near_nk: Rows of neighbors, the cell itself first.
        far_nk: How far they are.
        cosine_nn: From `toward`.
    """
    start, end, _ = _links(near_nk, far_nk)
    once = start < end
    start, end = start[once], end[once]
    flow_e = (cosine_nn[start, end] - cosine_nn[end, start]) / 2
    rows = np.arange(len(start))
    ends = sparse.csr_matrix((np.ones(len(rows)), (rows, end)), shape=(len(rows), len(near_nk)))
    starts = sparse.csr_matrix((np.ones(len(rows)), (rows, start)), shape=ends.shape)
    return np.asarray(lsqr(ends - starts, flow_e, atol=1e-10, btol=1e-10)[0])


def _links(near_nk: np.ndarray, far_nk: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts, ends and lengths of links between neighbors, each in both directions."""
    n = len(near_nk)
    start, end = np.repeat(np.arange(n), near_nk.shape[1]), near_nk.ravel()
    kept = (start != end) & (end >= 0)
    far = np.maximum(far_nk.ravel()[kept], 1e-12)
    graph = sparse.csr_matrix((far, (start[kept], end[kept])), shape=(n, n))
    both = graph.maximum(graph.T).tocoo()
    return both.row, both.col, both.data
