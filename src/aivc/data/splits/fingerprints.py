"""A number for what a row holds, so that a copied cell is found under whatever name it goes."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, UInt64
from scipy import sparse

from aivc.core.measurement import CONTROL, Measurement
from aivc.core.provenance import Provenance
from aivc.data.splits.split import column, names_digest
from aivc.data.streaming.normalize import Block
from aivc.data.streaming.stream import Progress, chunks

# Where a measurement says what its features were chosen on.
CHOSEN = "features_chosen_on"

# Two cells that share this much are the same cell: chance would need some 2^40 pairs.
ENOUGH_BITS = 40.0
# What a number that is not whole tells: less than its digits, for normalized counts repeat.
_FRACTION_BITS = 5.0
_AT_ONCE = 1 << 19


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
    def of(
        cls, measurement: Measurement, features: np.ndarray | None = None, *, progress: Progress | None = None
    ) -> "Fingerprints":
        """Take the fingerprints of every row.

        Args:
            measurement: In memory or on disk; what is missing (NaN) counts as zero.
            features: Names to look at, or their hashes (`feature_hashes`); None takes all.
            progress: Called with how many rows are done.

        Raises:
            DataError: Values have more than two axes.
        """
        measurement.require_table("A fingerprint")
        marks_n = np.zeros(len(measurement), dtype=np.uint64)
        bits_n = np.zeros(len(measurement))
        name_f = feature_hashes(measurement.features)
        used_f = np.ones(len(name_f), dtype=bool)
        if features is not None:
            used_f = np.isin(name_f, features if features.dtype == np.uint64 else feature_hashes(features))
        for where, block in chunks(measurement):
            marks_n[where], bits_n[where] = row_marks(block, name_f, used_f)
            if progress is not None:
                progress("fingerprints", where.stop, len(measurement))
        return cls(marks_n, bits_n >= ENOUGH_BITS)

    def named(self, measurement: Measurement) -> UInt64[np.ndarray, " n"]:
        """Marks, with name and labels in place of what a row holds where that tells too little."""
        silent = np.flatnonzero(~self.telling)
        marks_n = self.marks.copy()
        names, texts = measurement.entities.index[silent], measurement.perturbations[silent]
        labels = zip(names, measurement.contexts[silent], texts, strict=True)
        marks_n[silent] = _hashes(["\n".join(map(str, each)) for each in labels])
        return marks_n


def feature_hashes(features: np.ndarray) -> UInt64[np.ndarray, " f"]:
    """A number for the name of each feature."""
    return _hashes([str(name) for name in features])


def _hashes(texts: list[str]) -> np.ndarray:
    return np.asarray(pd.util.hash_array(np.array(texts, dtype=object)), dtype=np.uint64)


def provenance_of(
    measurement: Measurement,
    rows: np.ndarray | None = None,
    *,
    marks: UInt64[np.ndarray, " n"] | None = None,
    split: str = "",
    fold: int | None = None,
    progress: Progress | None = None,
) -> Provenance:
    """Write down which entities something is made from.

    Args:
        measurement: In memory or on disk.
        rows: ``(n,)`` True for the entities that are used; None means all.
        marks: From `Fingerprints.named`, where they were taken before.
        split: Digest of the split it is made for.
        fold: Which fold of it.
        progress: Called with how far it is.

    >>> from aivc.data.synthetic import synthetic_screen
    >>> cells, _ = synthetic_screen(perturbations=2, features=60, cells=4, controls=4)
    >>> provenance_of(cells).perturbations
    ('ko:G0001', 'ko:G0002')
    """
    used = np.ones(len(measurement), dtype=bool) if rows is None else rows
    marks_n = Fingerprints.of(measurement, progress=progress).named(measurement) if marks is None else marks
    context_m, text_m = measurement.contexts[used].astype(str), measurement.perturbations[used].astype(str)
    perturbed = used & (measurement.perturbations.astype(str) != CONTROL)
    return Provenance(
        source=source_of(measurement),
        entities=int(used.sum()),
        marks=marks_n[used],
        features=feature_hashes(measurement.features),
        units=measurement.units,
        pairs=tuple(set(zip(context_m, text_m, strict=True))),
        donors=tuple(set(column(measurement, "donor")[perturbed]) - {""}),
        batches=tuple(set(column(measurement, "batch")[perturbed]) - {""}),
        data_digest=names_digest(measurement.entities.index[used]),
        split=split,
        fold=fold,
        expression=True,
    )


def source_of(measurement: Measurement) -> str:
    """Name of the dataset or file; empty where nobody said."""
    return str(measurement.provenance.get("dataset") or measurement.provenance.get("file") or "")


def keep_features(measurement: Measurement, features: np.ndarray, *, on: Measurement) -> Measurement:
    """Keep some features, and write down which entities they were chosen on, so that a leak can be found.

    Args:
        measurement: Any data.
        features: Names, such as the most variable ones.
        on: The entities that decided which.

    Raises:
        UnknownNameError: A feature is absent.
    """
    kept = measurement.select(features)
    return kept.replace(provenance={**kept.provenance, CHOSEN: provenance_of(on).to_json()})


def row_marks(block: Block, name_f: np.ndarray, used_f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Marks of the rows of a block, and how many bits they hold.

    Args:
        block: ``(n, f)`` dense or CSR.
        name_f: From `feature_hashes`.
        used_f: Features to look at.
    """
    # A few rows at a time, which stay in fast memory.
    step = max(1, _AT_ONCE // max(block.shape[1], 1))
    pieces = [_few_marks(block[i : i + step], name_f, used_f) for i in range(0, block.shape[0], step)]
    return np.concatenate([marks for marks, _ in pieces]), np.concatenate([bits for _, bits in pieces])


def _few_marks(block: Block, name_f: np.ndarray, used_f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = sparse.csr_matrix(block)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    # The same number may be kept in single or in double precision.
    value_m = rows.data.astype(np.float32) + np.float32(0)
    kept_m = used_f[rows.indices] & (value_m != 0) & ~np.isnan(value_m)
    known, value_m = _of_values(value_m)
    mark_m = _mixed(name_f[rows.indices] ^ known)
    mark_m[~kept_m] = 0
    value_m[~kept_m] = 0
    return _row_sums(mark_m, rows.indptr), _row_sums(value_m, rows.indptr)


def _of_values(value_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scattered bits of each value, and how many bits it tells."""
    # Most counts are small: what they give is looked up.
    place_m = np.where((value_m >= 0) & (value_m < len(_SMALL)), value_m, 0).astype(np.intp)
    answer_m, bits_m = _SMALL_MARKS[place_m], _SMALL_BITS[place_m]
    if len(other := np.flatnonzero(value_m != _SMALL[place_m])):
        value_o = value_m[other]
        answer_m[other] = _mixed(value_o.view(np.uint32).astype(np.uint64))
        with np.errstate(invalid="ignore"):
            whole_o = value_o == np.floor(value_o)
            bits_m[other] = np.where(whole_o, np.log2(1 + np.abs(value_o)), _FRACTION_BITS)
    return answer_m, bits_m


def _row_sums(value_m: np.ndarray, pointer: np.ndarray) -> np.ndarray:
    # Sums of marks wrap around 2^64, and their differences wrap back.
    total = np.concatenate([np.zeros(1, value_m.dtype), np.cumsum(value_m, dtype=value_m.dtype)])
    return np.asarray(total[pointer[1:]] - total[pointer[:-1]])


def _mixed(mark_m: np.ndarray) -> np.ndarray:
    """Scatter 64 bits, so that near numbers give far ones."""
    mark_m = mark_m + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mark_m ^= mark_m >> np.uint64(shift)
        mark_m *= np.uint64(factor)
    mark_m ^= mark_m >> np.uint64(31)
    return np.asarray(mark_m)


_SMALL = np.arange(256, dtype=np.float32)
_SMALL_MARKS = _mixed(_SMALL.view(np.uint32).astype(np.uint64))
_SMALL_BITS = np.log2(1 + _SMALL.astype(np.float64))
