"""Counts that came as floats: what rounding moved is put back, and what a model expects is read as counts."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import sparse

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement, StoredRows, Values
from aivc.core.units import COUNTS, EXPECTED_COUNTS

# How far rounding moves a count: what logs and back, or scaling and back, do in single precision.
_OFF, _SHARE = 1e-3, 3e-6
# Below zero by more than this, or by more than this share of all counts, no expectation is meant.
_LOWEST, _BELOW = -1.0, 0.01
_BLOCK = 16384
# Of one feature in one entity; whole wells and bulk samples stay far below.
MOST_COUNTS = 2.0**31
_NO_NOISE = (
    "Expected counts have no counting noise, so their logs lie above those of counted cells, most where counts are "
    "few. Draw counts from them (Poisson) to compare alike."
)


def off_whole(values: np.ndarray) -> np.ndarray:
    """Where values are no whole numbers, nor off by as little as rounding moves them.

    Args:
        values: Finite numbers, of any shape.

    >>> off_whole(np.array([3.0, 2.99998, 2.9])).tolist()
    [False, False, True]
    """
    nearest = np.rint(values)
    return np.asarray(np.abs(values - nearest) > _OFF + _SHARE * np.abs(nearest))


@final
@dataclass(frozen=True, eq=False)
class CountRows:
    """Rows on disk, as counts.

    Attributes:
        source: The rows as they lie there.
        expected: Whether they are expectations, of which only what lies below zero is changed.
    """

    source: StoredRows
    expected: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of entities and features."""
        return self.source.shape

    def rows(self, start: int, stop: int) -> sparse.csr_matrix | np.ndarray:
        """Rows ``start`` to ``stop``."""
        return _counted(self.source.rows(start, stop), expected=self.expected)


def whole_counts(values: Values) -> Values:
    """Read counts that rounding moved as the nearest whole numbers; other values are left for the check to find."""
    return CountRows(values, expected=False) if isinstance(values, StoredRows) else _counted(values, expected=False)


def _counted(block: sparse.csr_matrix | np.ndarray, *, expected: bool) -> sparse.csr_matrix | np.ndarray:
    flat = block if isinstance(block, np.ndarray) else block.data
    if expected:
        changed = np.maximum(flat, 0)
    else:
        nearest = np.rint(flat)
        if np.array_equal(nearest, flat):
            return block
        changed = np.where(np.isfinite(flat) & ~off_whole(flat), nearest, flat)
    if isinstance(block, np.ndarray):
        return changed
    made = sparse.csr_matrix((changed, block.indices.copy(), block.indptr.copy()), shape=block.shape)
    made.eliminate_zeros()
    return made


def unmeasurable(units: str) -> list[str]:
    """Refuse units that only predictions have."""
    said = (
        'expected_counts are what a model predicts, and these are measured cells. Write units = "counts"; corrected '
        "counts (SoupX, CellBender, decontX) are rounded first."
    )
    return [said] if units == EXPECTED_COUNTS else []


def rounding_note(count: int) -> list[str]:
    """Say that counts which rounding moved are read as whole numbers, where there are any."""
    said = f"{count} counts miss a whole number by as little as rounding does: they are read as the nearest one."
    return [said] if count else []


def expectation_findings(count: int, lowest: float, share: float) -> tuple[list[str], list[str]]:
    """Say how expected counts are read, above all those below zero.

    Args:
        count: Of values below zero.
        lowest: Of all values.
        share: Sum of the values below zero by the sum of those above.

    Returns:
        Problems, and notes.
    """
    if lowest < _LOWEST or share > _BELOW:
        return [
            f"{count} expected counts are below zero, down to {lowest:.3g}, which is {100 * share:.2g} % of all "
            "counts: more than a model misses zero by. Declare the right units: effects such as log2fc, log1p_cpN if "
            "these are logs, arbitrary where values are centered."
        ], []
    said = f"{count} expected counts are below zero, down to {lowest:.3g}: they are read as zero."
    return [], [*([said] if count else []), _NO_NOISE]


def from_expected(predicted: Measurement) -> Measurement:
    """Read expected counts as counts, those below zero as zero; other units are left as they are.

    Raises:
        DataError: Too much lies below zero, or a value is no number.
    """
    if predicted.units != EXPECTED_COUNTS:
        return predicted
    predicted.require_table("Expected counts")
    count, lowest, below, above = 0, 0.0, 0.0, 0.0
    for start in range(0, len(predicted), _BLOCK):
        block = predicted.block(start, min(start + _BLOCK, len(predicted)))
        flat = np.asarray(block if isinstance(block, np.ndarray) else block.data, dtype=np.float64)
        if not np.isfinite(flat).all():
            raise DataError(
                ["Expected counts are NaN or infinite. A prediction is finite everywhere: mend the output."]
            )
        count, lowest = count + int((flat < 0).sum()), min(lowest, float(flat.min(initial=0)))
        below, above = below - float(flat[flat < 0].sum()), above + float(flat[flat > 0].sum())
    problems, notes = expectation_findings(count, lowest, below / max(above, 1e-300))
    if problems:
        raise DataError(problems)
    values = predicted.values
    changed = CountRows(values, expected=True) if isinstance(values, StoredRows) else _counted(values, expected=True)
    said = [*predicted.provenance.get("notes", []), *notes]
    return predicted.replace(values=changed, units=COUNTS, provenance={**predicted.provenance, "notes": said})
