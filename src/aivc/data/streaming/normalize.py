"""From what was counted to what can be compared: one way, stated in the units, never undone."""

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from scipy import sparse

from aivc.core.errors import DataError, UnitsError
from aivc.core.measurement import Measurement, StoredRows
from aivc.core.units import COUNTS, INTENSITY, LOG_INTENSITY, log1p_target, log1p_units, parse_units, require_units

Block: TypeAlias = np.ndarray | sparse.csr_matrix

_CHUNK = 16384


@final
@dataclass(frozen=True, eq=False)
class NormalizedRows:
    """Rows on disk, normalized as they are read.

    Attributes:
        source: Rows in the units they were measured in.
        target: N of ``log1p_cpN``, or None for intensities.
        observed: ``(f,)`` or ``(n, f)`` True where measured; None means everywhere.
    """

    source: StoredRows
    target: float | None
    observed: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of entities and features."""
        return self.source.shape

    def rows(self, start: int, stop: int) -> Block:
        """Normalized rows ``start`` to ``stop``."""
        seen = self.observed[start:stop] if self.observed is not None and self.observed.ndim == 2 else self.observed
        return normalize_block(self.source.rows(start, stop), self.target, seen)


def normalize(measurement: Measurement, units: str) -> Measurement:
    """Bring values to other units; values on disk stay there and are normalized as they are read.

    Counts become ``log1p_cpN``: the natural log of ``1 + count * N / total``, where the total of an entity is over all
    observed features of the measurement, so normalize before selecting features. Intensities become
    ``log_intensity``: the natural log of ``1 + intensity``. What was not observed is not read and comes out as 0. The
    same units change nothing. Values come out as float32; CSR stays CSR.

    Raises:
        UnitsError: No other way leads from the units of the measurement to the wanted ones.
        DataError: An entity has a total of zero, a value is negative or not finite, or values have more than two axes.

    >>> import pandas as pd
    >>> cells = Measurement(np.array([[1.0, 3.0]]), np.array(["A", "B"]), pd.DataFrame(index=["c1"]), "counts")
    >>> normalize(cells, "log1p_cp4").values.round(2).tolist()
    [[0.6899999976158142, 1.3899999856948853]]
    """
    measurement.require_table("Normalization")
    units = parse_units(units)
    if units == measurement.units:
        return measurement
    target = require_path(measurement.units, units)
    values = measurement.values
    seen = measurement.observed
    changed = (
        NormalizedRows(values, target, seen)
        if isinstance(values, StoredRows)
        else normalize_block(values, target, seen)
    )
    step = {"from": measurement.units, "to": units}
    steps = [*measurement.provenance.get("normalized", []), step]
    return measurement.replace(values=changed, units=units, provenance={**measurement.provenance, "normalized": steps})


def profile_units(measurement: Measurement) -> str:
    """Units in which mean profiles are compared: ``log1p_cpN`` for counts, with their median total as N.

    Intensities are compared in ``log_intensity``, and all else in the units it has.
    """
    if measurement.units == COUNTS:
        return log1p_units(median_total(measurement))
    return LOG_INTENSITY if measurement.units == INTENSITY else measurement.units


def require_path(got: str, wanted: str) -> float | None:
    """Return the target N that leads from counts to the wanted units, None where intensities are only logged.

    Raises:
        UnitsError: There is no such way.
    """
    target = log1p_target(wanted)
    if got == COUNTS and target is not None:
        return target
    if got == INTENSITY and wanted == LOG_INTENSITY:
        return None
    raise UnitsError(
        f"Values in {got} cannot be brought to {wanted}: normalization is one-way, from counts to log1p_cpN and from "
        f"intensity to {LOG_INTENSITY}. Start from the original values, or ask for {got}."
    )


def normalize_block(block: Block, target: float | None, observed: np.ndarray | None = None) -> Block:
    """Normalize some rows: ``log1p(count * target / total)``, or ``log1p(intensity)`` where the target is None.

    Args:
        block: ``(n, f)`` dense or CSR; left as it is.
        target: Counts per entity after scaling.
        observed: ``(f,)`` or ``(n, f)`` True where measured: totals are over these, and the rest becomes 0.

    Raises:
        DataError: A total is zero, or a value is negative or not finite.
    """
    block = _only(block, observed)
    _require_sound(block)
    if target is None:
        return _log1p(block, None)
    total_n = _totals(block)
    if empty := int((total_n == 0).sum()):
        raise DataError(
            [
                f"{empty} of {len(total_n)} entities have no counts at all, so they have no profile. "
                "Leave them out first: measurement.take(totals > 0)."
            ]
        )
    return _log1p(block, target / total_n)


def median_total(measurement: Measurement, rows: np.ndarray | None = None) -> float:
    """Return the median total count per entity over what was observed, read block by block.

    Args:
        measurement: In counts.
        rows: Positions, or True per entity, of the entities to use; None means all. Give training entities only when
            the number becomes the target of a normalization.

    Raises:
        UnitsError: The measurement is not in counts.
        DataError: There are no entities to take the median of.
    """
    require_units("The median total", COUNTS, measurement.units, "Start from the counts.")
    total_n = totals(measurement)
    chosen = total_n if rows is None else total_n[rows]
    if not len(chosen):
        raise DataError(["A median total needs at least one entity, got none. Choose other rows."])
    return float(np.median(chosen))


def totals(measurement: Measurement) -> np.ndarray:
    """``(n,)`` sum of each entity's values over what was observed, read block by block.

    Raises:
        DataError: Values have more than two axes.
    """
    measurement.require_table("A total")
    total_n, observed = np.zeros(len(measurement)), measurement.observed
    for start in range(0, len(measurement), _CHUNK):
        stop = min(start + _CHUNK, len(measurement))
        seen = observed[start:stop] if observed is not None and observed.ndim == 2 else observed
        total_n[start:stop] = _totals(_only(measurement.block(start, stop), seen))
    return total_n


def _only(block: Block, observed: np.ndarray | None) -> Block:
    """Put 0 where nothing was observed, whatever stands there."""
    if observed is None or observed.all():
        return block
    if isinstance(block, np.ndarray):
        return np.where(observed, block, np.zeros(1, dtype=block.dtype))
    row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    seen = observed[block.indices] if observed.ndim == 1 else observed[row, block.indices]
    data = np.where(seen, block.data, np.zeros(1, dtype=block.data.dtype))
    return sparse.csr_matrix((data, block.indices, block.indptr), shape=block.shape)


def _totals(block: Block) -> np.ndarray:
    return np.asarray(block.sum(axis=1, dtype=np.float64)).ravel()


def _require_sound(block: Block) -> None:
    values: np.ndarray = block if isinstance(block, np.ndarray) else block.data
    if values.size and not (np.isfinite(values).all() and values.min() >= 0):
        bad = int((~(np.isfinite(values) & (values >= 0))).sum())
        raise DataError(
            [
                f"{bad} values are negative, infinite or NaN, which counts and intensities never are. "
                "Put 0 where nothing was measured and say so in `observed`."
            ]
        )


def _log1p(block: Block, factor_n: np.ndarray | None) -> Block:
    if isinstance(block, np.ndarray):
        scaled = block if factor_n is None else block * factor_n[:, None]
        return np.log1p(scaled, dtype=np.float64).astype(np.float32)
    values = block.data.astype(np.float32)
    if factor_n is not None:
        values *= np.repeat(factor_n.astype(np.float32), np.diff(block.indptr))
    np.log1p(values, out=values)
    return sparse.csr_matrix((values, block.indices, block.indptr), shape=block.shape)
