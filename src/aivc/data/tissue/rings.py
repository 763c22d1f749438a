"""Rings of neighbours at growing distance: who is one, two, three steps away, and their mean."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

_BLOCK = 50_000


def shells(links: sparse.csr_matrix, reach: int, rows: np.ndarray | None = None) -> list[sparse.csr_matrix]:
    """Say which entities are exactly 1, …, ``reach`` steps away.

    Args:
        links: ``(n, n)`` who is whose neighbour; weights do not matter.
        reach: Largest number of steps.
        rows: Positions of the entities asked for; all by default.

    Returns:
        For each number of steps ``(m, n)`` CSR of ones.
    """
    step = sparse.csr_matrix((np.ones(links.nnz, dtype=np.float32), links.indices, links.indptr), shape=links.shape)
    n = links.shape[0]
    rows = np.arange(n) if rows is None else rows
    here = sparse.csr_matrix((np.ones(len(rows), np.float32), (np.arange(len(rows)), rows)), shape=(len(rows), n))
    seen, last, found = here, here, []
    for _ in range(reach):
        last = _ones(last @ step)
        last = sparse.csr_matrix(last - last.multiply(seen))
        last.eliminate_zeros()
        seen = _ones(seen + last)
        found.append(last)
    return found


def shell_means(
    links: sparse.csr_matrix, values: np.ndarray, reach: int, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Average what surrounds each entity, shell by shell, in blocks of rows.

    Args:
        links: ``(n, n)`` who is whose neighbour.
        values: ``(n, d)`` of each entity.
        reach: How many shells.
        rows: ``(m,)`` positions of the entities asked for; all ``n`` by default.

    Returns:
        ``(m, reach, d)`` means, 0 of a shell without anyone; and ``(m, reach)`` how many are in each shell.
    """
    rows = np.arange(len(values)) if rows is None else rows
    means, counts = np.zeros((len(rows), reach, values.shape[1])), np.zeros((len(rows), reach))
    for block in _blocks(len(rows)):
        for place, shell in enumerate(shells(links, reach, rows[block])):
            counts[block, place] = np.diff(shell.indptr)
            means[block, place] = (shell @ values) / np.maximum(counts[block, place], 1)[:, None]
    return means, counts


def _ones(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix(matrix)
    matrix.data[:] = 1
    return matrix


def _blocks(n: int) -> Iterator[np.ndarray]:
    return (np.arange(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK))
