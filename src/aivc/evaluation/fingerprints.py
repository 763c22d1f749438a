"""A number for what a row holds, so that a copied cell is found under whatever name it goes."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, UInt64
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.data.normalize import Block
from aivc.data.stream import chunks

# Two cells that share this much are the same cell: chance would need some 2^40 pairs.
ENOUGH_BITS = 40.0
# What a number that is not whole tells: less than its digits, for normalized counts repeat.
_FRACTION_BITS = 5.0


@final
@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What rows hold, in a number each, whatever the order of rows and features.

    Attributes:
        marks: ``(n,)`` equal where rows hold the same non-zero values of the same features.
        telling: ``(n,)`` False where a row holds so little that another may equal it by chance.
    """

    marks: UInt64[np.ndarray, " n"]
    telling: Bool[np.ndarray, " n"]

    @classmethod
    def of(cls, measurement: Measurement, features: np.ndarray | None = None) -> "Fingerprints":
        """Take the fingerprints of every row.

        Args:
            measurement: In memory or on disk; what is missing (NaN) counts as zero.
            features: Names to look at; None takes all.
        """
        marks_n = np.zeros(len(measurement), dtype=np.uint64)
        bits_n = np.zeros(len(measurement))
        name_f = pd.util.hash_array(np.array([str(name) for name in measurement.features], dtype=object))
        used_f = np.ones(len(name_f), dtype=bool) if features is None else np.isin(measurement.features, features)
        for where, block in chunks(measurement):
            marks_n[where], bits_n[where] = _marks(block, name_f, used_f)
        return cls(marks_n, bits_n >= ENOUGH_BITS)


def _marks(block: Block, name_f: np.ndarray, used_f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = sparse.csr_matrix(block)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    # The same number may be kept in single or in double precision.
    value_m = rows.data.astype(np.float32) + np.float32(0)
    kept_m = used_f[rows.indices] & (value_m != 0) & ~np.isnan(value_m)
    mark_m = _mixed(name_f[rows.indices] ^ _mixed(value_m.view(np.uint32).astype(np.uint64)))
    bits_m = np.where(value_m == np.floor(value_m), np.log2(1 + np.abs(value_m)), _FRACTION_BITS)
    return _row_sums(np.where(kept_m, mark_m, np.uint64(0)), rows.indptr), _row_sums(
        np.where(kept_m, bits_m, 0.0).astype(np.float64), rows.indptr
    )


def _row_sums(value_m: np.ndarray, pointer: np.ndarray) -> np.ndarray:
    # Sums of marks wrap around 2^64, and their differences wrap back.
    total = np.concatenate([np.zeros(1, value_m.dtype), np.cumsum(value_m, dtype=value_m.dtype)])
    return np.asarray(total[pointer[1:]] - total[pointer[:-1]])


def _mixed(mark_m: np.ndarray) -> np.ndarray:
    """Scatter 64 bits, so that near numbers give far ones."""
    mark_m = mark_m + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mark_m = (mark_m ^ (mark_m >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mark_m ^ (mark_m >> np.uint64(31)))
