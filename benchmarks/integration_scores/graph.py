"""Integration across batches, read off each cell's nearest neighbours: LISI, kBET and connected labels."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from scipy.special import gammaincc

from aivc.experiments.atlas.neighbors import Neighbors

_LISI, _KBET, _CONNECTED = 90, 50, 15
_LEVEL, _AXES, _USABLE = 0.05, 100, 0.75
_ROUNDS = 64


class Near(NamedTuple):
    """The nearest neighbours of every cell, itself first.

    Attributes:
        rows: ``(n, k)`` which cells.
        distances: ``(n, k)`` how far they are, Euclidean.
    """

    rows: np.ndarray
    distances: np.ndarray

    def first(self, k: int) -> "Near":
        """Keep the ``k`` nearest."""
        return Near(self.rows[:, :k], self.distances[:, :k])


def near(embedding: np.ndarray, k: int = _LISI) -> Near:
    """Find the ``k`` nearest cells of each cell, itself included, nearest first; all of them where there are fewer.

    Args:
        embedding: ``(n, d)``.
        k: How many.
    """
    x_nd = np.asarray(embedding, dtype=np.float64) - np.mean(embedding, axis=0)
    rows_nk, _ = Neighbors.of(x_nd).find(x_nd, k)
    # The search works in single precision: the few found are measured again.
    far_nk = np.empty(rows_nk.shape)
    for start in range(0, len(x_nd), 1024):
        some = slice(start, start + 1024)
        far_nk[some] = np.linalg.norm(x_nd[rows_nk[some]] - x_nd[some, None], axis=2)
    far_nk[rows_nk == np.arange(len(x_nd))[:, None]] = -1.0
    order = np.argsort(far_nk, axis=1, kind="stable")
    return Near(np.take_along_axis(rows_nk, order, axis=1), np.maximum(np.take_along_axis(far_nk, order, axis=1), 0.0))


def lisi(neighbours: Near, groups: np.ndarray) -> np.ndarray:
    """``(n,)`` how many groups a cell's neighbourhood effectively holds (Korsunsky et al. 2019, Nat Methods 16:1289).

    The inverse of Simpson's index over the 90 nearest neighbours, weighted by a Gaussian-like kernel of perplexity 30
    (a third of the neighbours). The cell itself is one of the 90 and weighs nothing, as in scib-metrics 0.5.
    """
    kept = neighbours.first(_LISI)
    known, code_n = np.unique(groups, return_inverse=True)
    other_nk = kept.rows != np.arange(len(kept.rows))[:, None]
    weight_nk = _perplexity(kept.distances, other_nk, float(max(kept.rows.shape[1] // 3, 2)))
    share_nc = np.stack([(weight_nk * (code_n[kept.rows] == each)).sum(axis=1) for each in range(len(known))], axis=1)
    return np.asarray(1 / (share_nc**2).sum(axis=1))


def clisi(neighbours: Near, labels: np.ndarray) -> float:
    """Purity of neighbourhoods: ``(L - median LISI of the labels) / (L - 1)``; 1 is best.

    After Luecken et al. 2022 (Nat Methods 19:41).
    """
    many = len(np.unique(labels))
    return float((many - np.median(lisi(neighbours, labels))) / (many - 1))


def ilisi(neighbours: Near, batches: np.ndarray) -> float:
    """Mixing of neighbourhoods: ``(median LISI of the batches - 1) / (B - 1)``; 1 is best.

    After Luecken et al. 2022 (Nat Methods 19:41).
    """
    return float((np.median(lisi(neighbours, batches)) - 1) / (len(np.unique(batches)) - 1))


def graph_connectivity(neighbours: Near, labels: np.ndarray) -> float:
    """Mean over labels of the share of cells in the largest connected part of the label's 15-neighbour graph.

    Connected means both ways along the directed graph. After Luecken et al. 2022 (Nat Methods 19:41).
    """
    kept = neighbours.first(_CONNECTED)
    n, k = kept.rows.shape
    graph = sparse.csr_matrix((np.ones(n * k), kept.rows.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    shares = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        part_n = connected_components(graph[own][:, own], connection="strong")[1]
        shares.append(np.bincount(part_n).max() / len(own))
    return float(np.mean(shares))


def kbet(neighbours: Near, labels: np.ndarray, batches: np.ndarray) -> float | None:
    """Share of neighbourhoods whose batches are as in the whole label, averaged over labels; 1 is best.

    A chi-square test at 0.05 over the ``min(70, max(10, mean batch size / 4))`` nearest cells (and the cell itself) in
    a diffusion map of the label's 50-neighbour graph (Büttner et al. 2019, Nat Methods 16:43, as scib-metrics adapts
    it). Labels of fewer than 10 cells or one batch are skipped; None where none is left. One that falls apart counts as
    0 unless three quarters of it are in parts of three such neighbourhoods.
    """
    graph = connectivities(neighbours.first(_KBET))
    scores = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        code_n = np.unique(batches[own], return_inverse=True)[1]
        if len(own) >= 10 and code_n.max() > 0:
            scores.append(_accepted(graph[own][:, own], code_n))
    return float(np.mean(scores)) if scores else None


def connectivities(neighbours: Near) -> sparse.csr_matrix:
    """``(n, n)`` symmetric weights of a neighbour graph (McInnes et al. 2018, arXiv:1802.03426, section 3.1)."""
    far_nk = neighbours.distances
    n, k = far_nk.shape
    positive_nk = np.where(far_nk > 0, far_nk, np.inf)
    nearest_n1 = np.where(np.isfinite(positive_nk).any(axis=1), positive_nk.min(axis=1), 0.0)[:, None]
    beyond_nk = np.maximum(far_nk - nearest_n1, 0.0)
    width_n1 = _bisect(lambda s_n1: np.exp(-beyond_nk[:, 1:] / s_n1).sum(axis=1, keepdims=True), np.log2(k), n)
    least_n1 = np.where(nearest_n1 > 0, far_nk.mean(axis=1, keepdims=True), far_nk.mean()) * 1e-3
    weight_nk = np.exp(-beyond_nk / np.maximum(np.maximum(width_n1, least_n1), 1e-300))
    weight_nk[neighbours.rows == np.arange(n)[:, None]] = 0.0
    one_nn = sparse.csr_matrix((weight_nk.ravel(), neighbours.rows.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    one_nn.eliminate_zeros()
    return sparse.csr_matrix(one_nn + one_nn.T - one_nn.multiply(one_nn.T))


def _accepted(graph_nn: sparse.csr_matrix, code_n: np.ndarray) -> float:
    k = int(min(70, max(10, np.bincount(code_n)[np.unique(code_n)].mean() // 4)))
    part_n = connected_components(graph_nn, directed=False)[1]
    if part_n.max() > 0:
        usable_n = (np.bincount(part_n) >= 3 * k)[part_n]
        if usable_n.mean() < _USABLE:
            return 0.0
        graph_nn, code_n = graph_nn[usable_n][:, usable_n], np.unique(code_n[usable_n], return_inverse=True)[1]
    rows_nk = near(_diffused(graph_nn), k + 1).rows
    expected_b = np.bincount(code_n) / len(code_n) * rows_nk.shape[1]
    if len(expected_b) < 2:
        return 1.0
    seen_nb = np.stack([(code_n[rows_nk] == each).sum(axis=1) for each in range(len(expected_b))], axis=1)
    statistic_n = ((seen_nb - expected_b) ** 2 / expected_b).sum(axis=1)
    return float((gammaincc((len(expected_b) - 1) / 2, statistic_n / 2) >= _LEVEL).mean())


def _diffused(graph_nn: sparse.csr_matrix) -> np.ndarray:
    """Diffusion map with all numbers of steps summed up (Haghverdi et al. 2016, Nat Methods 13:845)."""
    n = graph_nn.shape[0]
    density = sparse.diags(1 / np.asarray(graph_nn.sum(axis=0)).ravel())
    kernel = density @ graph_nn @ density
    root = sparse.diags(1 / np.sqrt(np.asarray(kernel.sum(axis=0)).ravel()))
    values, vectors_na = eigsh(root @ kernel @ root, k=min(_AXES, n - 1), which="LM", v0=np.ones(n))
    order = np.argsort(-values)
    values, vectors_na = values[order], vectors_na[:, order]
    # The first eigenvalue of a connected graph is 1, whose sum over steps is infinite: it stays as it is.
    step = np.where(np.arange(len(values)) == 0, 1.0, values / np.maximum(1 - values, 1e-8))
    return np.asarray(vectors_na * step)


def _perplexity(far_nk: np.ndarray, other_nk: np.ndarray, perplexity: float) -> np.ndarray:
    """Weights ``exp(-distance / width)`` of each cell's neighbours, summing to 1, with the entropy asked for."""

    def weights(width_n1: np.ndarray) -> np.ndarray:
        # Only differences to the nearest matter, and they cannot all underflow.
        w_nk = np.where(other_nk, np.exp(-beyond_nk / width_n1), 0.0)
        return np.asarray(w_nk / np.maximum(w_nk.sum(axis=1, keepdims=True), 1e-300))

    def entropy(width_n1: np.ndarray) -> np.ndarray:
        w_nk = weights(width_n1)
        return np.asarray(-(w_nk * np.log(np.maximum(w_nk, 1e-300))).sum(axis=1, keepdims=True))

    beyond_nk = np.where(other_nk, far_nk, np.inf)
    beyond_nk = np.where(other_nk, far_nk - beyond_nk.min(axis=1, keepdims=True), 0.0)
    return weights(_bisect(entropy, np.log(perplexity), len(far_nk)))


def _bisect(rising: Callable[[np.ndarray], np.ndarray], wanted: float, n: int) -> np.ndarray:
    """``(n, 1)`` positive widths at which a rising function of them is what is wanted."""
    low_n1, high_n1 = np.zeros((n, 1)), np.full((n, 1), np.inf)
    middle_n1 = np.ones((n, 1))
    for _ in range(_ROUNDS):
        less_n1 = rising(middle_n1) < wanted
        low_n1, high_n1 = np.where(less_n1, middle_n1, low_n1), np.where(less_n1, high_n1, middle_n1)
        middle_n1 = np.where(np.isfinite(high_n1), (low_n1 + high_n1) / 2, np.minimum(middle_n1 * 2, 1e100))
        middle_n1 = np.maximum(middle_n1, 1e-100)
    return middle_n1
