"""Sums over groups of cells that take no more memory than they have to: sparse where most of a large table is zero."""

from typing import TypeAlias, final

import numpy as np
from scipy import sparse

Table: TypeAlias = np.ndarray | sparse.csr_matrix

# Tables of fewer values are dense from the start, which is faster; so are those of which this share is not zero.
_LARGE, _FULL = 50_000_000, 0.4
_ROWS = 256


@final
class GroupSums:
    """Adds up blocks of cells by group: dense in small tables, sparse in large ones until they fill up.

    Attributes:
        shape: Number of groups and of features.
    """

    def __init__(self, groups: int, features: int) -> None:
        self.shape = (groups, features)
        self._dense = None if groups * features > _LARGE else np.zeros(self.shape)
        self._sparse = sparse.csr_matrix(self.shape)
        self._waiting: list[sparse.csr_matrix] = []

    def add(self, codes_n: np.ndarray, block: Table) -> None:
        """Add the rows of a block, each to its group."""
        if self._dense is None and isinstance(block, np.ndarray):
            self._fill()
        if self._dense is not None:
            add_by_group(self._dense, codes_n, block, None)
            return
        where = (np.ones(len(codes_n)), codes_n, np.arange(len(codes_n) + 1))
        indicator = sparse.csc_matrix(where, shape=(self.shape[0], len(codes_n)))
        self._waiting.append(sparse.csr_matrix(indicator.tocsr() @ block))
        # To add to a large sparse table is to write it anew, so several blocks are added at once.
        if sum(each.nnz for each in self._waiting) > self._sparse.nnz / 2:
            self._gather()

    def table(self) -> Table:
        """``(p, f)`` the sums."""
        self._gather()
        return self._sparse if self._dense is None else self._dense

    def _gather(self) -> None:
        if self._waiting:
            together = self._waiting.pop(0)
            while self._waiting:
                together = together + self._waiting.pop(0)
            self._sparse = sparse.csr_matrix(self._sparse + together)
        if self._dense is None and self._sparse.nnz > _FULL * self.shape[0] * self.shape[1]:
            self._fill()

    def _fill(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._dense = self._sparse.toarray()
        self._sparse = sparse.csr_matrix(self.shape)
        for each in waiting:
            self._dense += each


def moments(total: Table, square: Table, cells_p: np.ndarray) -> tuple[Table, Table]:
    """Means and unbiased variances of groups, from sums and sums of squares, whose memory they take over.

    Args:
        total: ``(p, f)`` sums of values.
        square: ``(p, f)`` sums of squares.
        cells_p: ``(p,)`` cells of each group; the variance of one cell is NaN.
    """
    free_p = np.where(cells_p > 1, cells_p - 1, np.nan)
    if isinstance(total, np.ndarray) and isinstance(square, np.ndarray):
        for start in range(0, len(total), _ROWS):
            rows = slice(start, start + _ROWS)
            mean = total[rows] / cells_p[rows, None]
            square[rows] = np.maximum(square[rows] - mean * total[rows], 0) / free_p[rows, None]
            total[rows] = mean
        return total, square
    total, square = sparse.csr_matrix(total), sparse.csr_matrix(square)
    mean = total.copy()
    mean.data /= np.repeat(cells_p, np.diff(mean.indptr))
    spread = sparse.csr_matrix(square - mean.multiply(total))
    spread.data = np.maximum(spread.data, 0) / np.repeat(free_p, np.diff(spread.indptr))
    single = np.flatnonzero(cells_p <= 1)
    if len(single) * total.shape[1] > _FULL * total.shape[0] * total.shape[1]:
        spread = spread.toarray()
        spread[single] = np.nan
        return mean, spread
    unknown = (np.full(len(single) * total.shape[1], np.nan), np.tile(np.arange(total.shape[1]), len(single)))
    pointer = np.concatenate([[0], np.cumsum(np.where(cells_p > 1, 0, total.shape[1]))])
    return mean, sparse.csr_matrix(spread + sparse.csr_matrix((*unknown, pointer), shape=total.shape))


def dense_rows(table: Table, rows: np.ndarray | slice) -> np.ndarray:
    """Some rows of a table: positions, a slice, or True per row."""
    chosen = table[rows]
    return chosen if isinstance(chosen, np.ndarray) else chosen.toarray()


def add_by_group(total_pf: np.ndarray, codes_n: np.ndarray, block: Table, weight_n: np.ndarray | None) -> None:
    """Add to the totals the product of the group indicator ``(p, n)`` and a block ``(n, f)``."""
    present, local_n = np.unique(codes_n, return_inverse=True)
    shape = (len(present), total_pf.shape[1])
    if not isinstance(block, np.ndarray) and block.nnz > shape[0] * shape[1]:
        total_pf[present] += _gathered(local_n, block, weight_n, shape)
        return
    weights = np.ones(len(codes_n)) if weight_n is None else weight_n
    indicator = sparse.csc_matrix((weights, local_n, np.arange(len(codes_n) + 1)), shape=(len(present), len(codes_n)))
    added = indicator.tocsr() @ block
    if isinstance(added, np.ndarray):
        total_pf[present] += added
    else:
        total_pf[np.repeat(present, np.diff(added.indptr)), added.indices] += added.data


def _gathered(
    local_n: np.ndarray, block: sparse.csr_matrix, weight_n: np.ndarray | None, shape: tuple[int, int]
) -> np.ndarray:
    # Entries of one group and feature share a coordinate, and making a COO matrix dense adds those up: where most of
    # the result is not zero, that is several times faster than multiplying two sparse matrices.
    per_row = np.diff(block.indptr)
    data = block.data.astype(np.float64)
    if weight_n is not None:
        data *= np.repeat(weight_n, per_row)
    where = (np.repeat(local_n.astype(np.int32), per_row), block.indices)
    return sparse.coo_matrix((data, where), shape=shape).toarray()
