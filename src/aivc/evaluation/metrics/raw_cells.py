"""Cells of a panel brought back to what was counted, for scores that are defined on counts."""

import numpy as np
from scipy import sparse

from aivc.core.units import COUNTS, log1p_target
from aivc.data.streaming.normalize import Block

# Logarithms in single precision miss a count by about a millionth of it.
_SLACK = 3e-6


def counted(units: str) -> bool:
    """Whether values in these units can be brought back to counts, or to shares of a cell."""
    return units == COUNTS or log1p_target(units) is not None


def raw_counts(block: Block, depth_n: np.ndarray | None, units: str) -> sparse.csr_matrix:
    """Cells ``(n, f)`` as counts; as counts per N of ``log1p_cpN`` where their depth is unknown.

    Values below zero, which a model may state, count as none. Cells without any count are left
    out: they have no shares.

    Args:
        block: ``(n, f)`` dense or CSR, in ``units``; left as it is.
        depth_n: ``(n,)`` total counts of each cell, or None.
        units: ``counts`` or ``log1p_cpN``.

    >>> cells = np.log1p(np.array([[1.0, 3.0]]) * 100 / 4)
    >>> raw_counts(cells, np.array([4.0]), "log1p_cp100").toarray().tolist()
    [[1.0, 3.0]]
    """
    counts = sparse.csr_matrix(block, dtype=np.float64, copy=True)
    target = log1p_target(units)
    if target is not None:
        np.expm1(counts.data, out=counts.data)
        if depth_n is not None:
            counts.data *= np.repeat(np.asarray(depth_n, dtype=np.float64) / target, np.diff(counts.indptr))
            _snap(counts.data)
    np.maximum(counts.data, 0.0, out=counts.data)
    filled = np.asarray(counts.sum(axis=1)).ravel() > 0
    return counts if filled.all() else counts[filled]


def _snap(values: np.ndarray) -> None:
    """Undo the rounding of logarithms, so that equal counts are equal again; what is no count stays as it is."""
    nearest = np.rint(values)
    near = np.abs(values - nearest) <= _SLACK * np.maximum(nearest, 1.0)
    np.copyto(values, nearest, where=near)
