"""What else would be read from a cell in this state: its surface protein, its open chromatin, its age, one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar, NamedTuple, final

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.units import ARBITRARY, LOG_INTENSITY, log1p_target
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.instruments.decoders.kernel_map import KernelMap
from aivc.instruments.decoders.readout_errors import LEVELS, error_sizes, patterns, thresholds
from aivc.instruments.decoders.ridge import (
    HeldOutRows,
    decompose,
    folds_of_groups,
    leave_folds_out,
    leave_one_out,
    penalty_grid,
    solve,
    split_folds,
)

_KERNELS = ("linear", "gaussian")
# A curve must earn its place: this much of the variance explained, or left, whichever is less.
_EARNED, _LEAST = 0.03, 0.01
_LANDMARKS, _FOLDS, _MOST = 500, 20, 20_000
# Curve and line are compared on fewer cells and readouts than the chosen one is fitted on.
_PILOT_CELLS, _PILOT_READOUTS = 4000, 64
_FEWEST = 4
_FAR, _OUT, _EDGE = 0.99, 0.5, 0.1
_CELL = "cell"


class CellIntervals(NamedTuple):
    """What is expected of each cell, and what holds it.

    Attributes:
        mean: ``(n, f)`` expected readouts.
        low: ``(n, f)`` lower ends.
        high: ``(n, f)`` upper ends.
    """

    mean: Float[np.ndarray, "n f"]
    low: Float[np.ndarray, "n f"]
    high: Float[np.ndarray, "n f"]


@final
@dataclass(frozen=True, eq=False)
class CellReadout(Decoder):
    """Ridge regression of any readouts on the state, with intervals for single cells.

    Counts are predicted as ``log1p_cpN``, which for chromatin is the log of the share of a cell's fragments; a readout
    that is 0 or 1 as its probability; others as they are. Each readout has the penalty with the least error on donors
    (else batches, else cells) left out. A curve (Gaussian kernel) replaces the line only if it has less error there.

    Intervals are split-conformal (Vovk, Gammerman & Shafer 2005), for each readout by itself, from errors on what was
    left out. Errors are measured in units of their expected size, whose square is the noise of the readout plus slope²
    times the variance of the state (errors in inputs), so that a state of which less is known has a wider interval.
    Where donors or batches were left out, each has the same weight, and the one asked about counts as one more, beyond
    all (Dunn, Wasserman & Ramdas 2023); with fewer than ``1 / (1 - level)`` of them this holds nothing, or only what is
    as wide as the largest error. Then, and whenever it is narrower, the interval is the widest of those that would have
    held ``level`` of one of them: of ``g + 1`` donors alike, one is expected to have a wider one. Where cells were left
    out, the promise is about cells of the same donors. The promise is marginal, and of one cell, not of a mean of
    cells, for which `Prediction.interval` says NaN.

    Attributes:
        reads: Space it was fitted on.
        features: ``(f,)`` names of the readouts.
        units: Of the readouts.
        modality: Of the measurement it was fitted on.
        center: ``(d,)`` mean state, and
        width: ``(d,)`` standard deviation, of training.
        kernel: ``linear`` or ``gaussian``.
        size: See `KernelMap`, as the two that follow.
        landmarks: ``(m, d)``.
        whiten: ``(m, r)``.
        slopes: ``(q, f)`` on the kernel's features and
        intercept: ``(f,)`` the expected readout.
        tilt: ``(d, f)`` slopes of the straight line, per standard deviation of the state; for the intervals.
        noise: ``(f,)`` residual variance: of the error that the variance of the state does not explain.
        penalty: ``(f,)`` chosen.
        skill: ``(f,)`` fraction of variance explained on what was left out.
        bounds: ``(2, f)`` between which readouts lie.
        thresholds: ``(99, f)`` half-widths in units of the expected error, for levels 0.01 to 0.99.
        units_left_out: ``(f,)`` what was left out together: ``donor``, ``batch``, ``group`` or ``cell``.
        precision: ``(d, d)`` inverse covariance of the standardized states.
        far: Distance from the mean that 99 % of the training states keep within.
    """

    name: ClassVar[str] = "cell-readout"
    reads: Space
    features: np.ndarray
    units: str
    modality: str
    center: Float[np.ndarray, " d"]
    width: Float[np.ndarray, " d"]
    kernel: str
    size: float
    landmarks: Float[np.ndarray, "m d"]
    whiten: Float[np.ndarray, "m r"]
    slopes: Float[np.ndarray, "q f"]
    intercept: Float[np.ndarray, " f"]
    tilt: Float[np.ndarray, "d f"]
    noise: Float[np.ndarray, " f"]
    penalty: Float[np.ndarray, " f"]
    skill: Float[np.ndarray, " f"]
    bounds: Float[np.ndarray, "2 f"]
    thresholds: Float[np.ndarray, "l f"]
    units_left_out: np.ndarray
    precision: Float[np.ndarray, "d d"]
    far: float

    @classmethod
    def fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        groups: Sequence[object] | np.ndarray | None = None,
        kernels: Sequence[str] = _KERNELS,
    ) -> "CellReadout":
        """Fit on cells that have both a state and readouts; ``observed`` is respected, for each readout by itself.

        Args:
            ur: States of the training cells.
            measurement: Their readouts, row by row, of one modality.
            seed: Draws the landmarks of the curve, and the cells where there are more than 20,000.
            units: Of the readouts; None lets the decoder choose.
            groups: ``(n,)`` labels of what is left out together; None takes the column ``donor`` where it holds two
                or more, else ``batch`` likewise, and leaves out cells otherwise. A readout that a single group has
                leaves out cells. More than 20 groups are left out several at a time.
            kernels: Which to choose among, simplest first: ``linear``, ``quadratic``, ``gaussian``.

        Raises:
            DataError: A readout measured in fewer than four cells, values that are not finite, a blank group, or
                numbers of rows that differ.
        """
        group_n, unit = _groups(ur, groups)
        measurement.require_table(cls.name)
        if problems := _problems(ur, measurement, group_n):
            raise DataError(problems)
        units = units or profile_units(measurement)
        y_nf, rng = _readouts(measurement, units), np.random.default_rng(seed)
        rows = np.sort(rng.permutation(np.flatnonzero(np.isfinite(y_nf).any(axis=1)))[:_MOST])
        y_nf, group_n = y_nf[rows], group_n[rows]
        if problems := _too_few(y_nf, measurement.features):
            raise DataError(problems)
        z_nd = ur.values[rows].astype(np.float64)
        center_d, width_d = z_nd.mean(axis=0), z_nd.std(axis=0)
        width_d = np.where(width_d > 1e-9, width_d, 1.0)
        x_nd = (z_nd - center_d) / width_d
        state_nd = np.zeros_like(x_nd) if ur.variance is None else ur.variance[rows] / width_d**2
        line = _fit(x_nd, y_nf, group_n)
        chosen = _chosen(x_nd, y_nf, group_n, kernels, seed)
        found = line if chosen.kernel == "linear" else _fit(chosen(x_nd), y_nf, group_n)
        bounds_2f = _bounds(y_nf, units)
        error_nf = np.abs(y_nf - np.clip(found.predicted, *bounds_2f))
        noise_f, scale_nf = error_sizes(error_nf, state_nd @ line.slopes**2)
        thresholds_lf, alone_f = thresholds(error_nf / scale_nf, group_n)
        precision_dd, far = _reach(x_nd)
        return cls(
            ur.space,
            measurement.features,
            units,
            measurement.modality,
            center_d,
            width_d,
            chosen.kernel,
            chosen.size,
            chosen.landmarks,
            chosen.whiten,
            found.slopes,
            found.intercept,
            line.slopes,
            noise_f,
            found.penalty,
            1 - np.nanmean(error_nf**2, axis=0) / np.maximum(np.nanvar(y_nf, axis=0), 1e-12),
            bounds_2f,
            thresholds_lf,
            np.where(alone_f, _CELL, unit).astype(object),
            precision_dd,
            far,
        )

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Read cells out: one draw, without the noise of a measurement, and its mean; see `intervals` for the rest.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        mean_nf, _ = self.predict(ur)
        read = Measurement(mean_nf, self.features, ur.entities, self.units, self.modality, ur.space.scale)
        unseen = float((_distance(self._standard(ur), self.precision) > self.far).mean())
        verdict = Applicability.OUT if unseen > _OUT else Applicability.EDGE if unseen > _EDGE else Applicability.IN
        return Prediction((read,), (self.name,), verdict, (ur.mass @ mean_nf / ur.mass.sum())[None], self.units)

    def intervals(self, ur: UR, level: float = 0.9) -> CellIntervals:
        """Say what is expected of each cell, and between which values it lies with probability ``level``.

        Raises:
            SpaceError: ``ur`` lives in another space.
            ValueError: The level is not between 0 and 0.99.
        """
        if not 0 < level <= LEVELS[-1]:
            raise ValueError(f"A level lies between 0 and {LEVELS[-1]}, got {level}. Ask for intervals(ur, 0.9).")
        mean_nf, scale_nf = self.predict(ur)
        half_nf = scale_nf * self.thresholds[int(np.searchsorted(LEVELS, level - 1e-9))]
        low_f, high_f = self.bounds
        return CellIntervals(mean_nf, np.maximum(mean_nf - half_nf, low_f), np.minimum(mean_nf + half_nf, high_f))

    def predict(self, ur: UR) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(n, f)`` expected readouts, and ``(n, f)`` the expected size of their errors, not yet calibrated.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        self.reads.require(ur.space, self.name)
        mean_nf = self._map(self._standard(ur)) @ self.slopes + self.intercept
        state_nd = np.zeros_like(ur.values) if ur.variance is None else ur.variance / self.width**2
        return np.clip(mean_nf, *self.bounds), np.sqrt(self.noise + state_nd @ self.tilt**2)

    def _standard(self, ur: UR) -> np.ndarray:
        return (ur.values - self.center) / self.width

    @cached_property
    def _map(self) -> KernelMap:
        return KernelMap(*(getattr(self, item.name) for item in fields(KernelMap)))


class _FittedReadouts(NamedTuple):
    slopes: np.ndarray
    intercept: np.ndarray
    penalty: np.ndarray
    predicted: np.ndarray


def _fit(x_nq: np.ndarray, y_nf: np.ndarray, group_n: np.ndarray) -> _FittedReadouts:
    """Fit all readouts, and predict each row without its group; NaN where a readout was not measured."""
    (n, f), q = y_nf.shape, x_nq.shape[1]
    found = _FittedReadouts(np.zeros((q, f)), np.zeros(f), np.zeros(f), np.full((n, f), np.nan))
    for columns, rows in patterns(y_nf):
        spectrum, target_nf = decompose(x_nq[rows]), y_nf[np.ix_(rows, columns)]
        said = _left_out(x_nq[rows], target_nf, group_n[rows])
        found.slopes[:, columns], found.intercept[columns] = solve(spectrum, target_nf, said.penalty)
        found.penalty[columns], found.predicted[np.ix_(rows, columns)] = said.penalty, said.predicted
    return found


def _left_out(x_nq: np.ndarray, y_nf: np.ndarray, group_n: np.ndarray) -> HeldOutRows:
    spectrum = decompose(x_nq)
    grid, groups = penalty_grid(spectrum), len(np.unique(group_n))
    if groups in (1, len(group_n)):
        return leave_one_out(spectrum, y_nf, grid)
    return leave_folds_out(split_folds(x_nq, folds_of_groups(group_n, _FOLDS)), y_nf, grid)


def _chosen(x_nd: np.ndarray, y_nf: np.ndarray, group_n: np.ndarray, kernels: Sequence[str], seed: int) -> KernelMap:
    """Choose the simplest kernel that none beats on what was left out."""
    rng, best, least = np.random.default_rng(seed), None, np.inf
    rows = np.sort(rng.permutation(len(x_nd))[:_PILOT_CELLS])
    columns = np.sort(rng.permutation(y_nf.shape[1])[:_PILOT_READOUTS])
    y_nf = y_nf[np.ix_(rows, columns)]
    y_nf = y_nf[:, np.isfinite(y_nf).sum(axis=0) >= _FEWEST]
    for kernel in kernels:
        tried = KernelMap.fit(x_nd, kernel, landmarks=_LANDMARKS, seed=seed)
        if len(kernels) == 1 or not y_nf.size:
            return tried
        error_nf = y_nf - _fit(tried(x_nd[rows]), y_nf, group_n[rows]).predicted
        share = float((np.nanmean(error_nf**2, axis=0) / np.maximum(np.nanvar(y_nf, axis=0), 1e-12)).mean())
        if best is None or share < least - _EARNED * min(least, max(1 - least, _LEAST)):
            best, least = tried, share
    assert best is not None
    return best


def _reach(x_nd: np.ndarray) -> tuple[np.ndarray, float]:
    covariance_dd = x_nd.T @ x_nd / len(x_nd) + 1e-6 * np.eye(x_nd.shape[1])
    precision_dd = np.asarray(np.linalg.inv(covariance_dd))
    return precision_dd, float(np.quantile(_distance(x_nd, precision_dd), _FAR))


def _distance(x_nd: np.ndarray, precision_dd: np.ndarray) -> np.ndarray:
    return np.asarray(((x_nd @ precision_dd) * x_nd).sum(axis=1))


def _bounds(y_nf: np.ndarray, units: str) -> np.ndarray:
    never_negative = log1p_target(units) is not None or units == LOG_INTENSITY
    low_f = np.full(y_nf.shape[1], 0.0 if never_negative else -np.inf)
    high_f = np.full(y_nf.shape[1], np.inf)
    yes_or_no_f = (np.isnan(y_nf) | (y_nf == 0) | (y_nf == 1)).all(axis=0) & (units == ARBITRARY)
    return np.array([np.where(yes_or_no_f, 0.0, low_f), np.where(yes_or_no_f, 1.0, high_f)])


def _readouts(measurement: Measurement, units: str) -> np.ndarray:
    """``(n, f)`` in the units wanted; NaN where not observed."""
    y_nf = np.full((len(measurement), len(measurement.features)), np.nan)
    seen_nf = _seen(measurement)
    # A cell that was not measured has no counts, and no profile.
    rows = np.flatnonzero(seen_nf.any(axis=1))
    y_nf[rows] = normalize(measurement.take(rows), units).dense()
    return np.where(seen_nf, y_nf, np.nan)


def _seen(measurement: Measurement) -> np.ndarray:
    shape = (len(measurement), len(measurement.features))
    return np.broadcast_to(True if measurement.observed is None else measurement.observed, shape)


def _groups(ur: UR, groups: Sequence[object] | np.ndarray | None) -> tuple[np.ndarray, str]:
    """``(n,)`` labels of what is left out together, blank where there is none, and what it is."""
    units = [unit for unit in ("donor", "batch") if unit in ur.entities and ur.entities[unit].nunique() > 1]
    if groups is None and not units:
        return np.array([str(i) for i in range(len(ur))], dtype=object), _CELL
    labels = pd.Series(list(ur.entities[units[0]] if groups is None else groups), dtype=object)
    names = labels.astype(str).where(labels.notna(), "").to_numpy(dtype=object)
    return names, units[0] if groups is None else "group"


def _problems(ur: UR, measurement: Measurement, group_n: np.ndarray) -> list[str]:
    if {len(ur), len(measurement)} != {len(group_n)}:
        return [
            f"Row i of the UR represents row i of the measurement and of the groups, got {len(ur)}, {len(measurement)} "
            f"and {len(group_n)} rows. Align them."
        ]
    problems = []
    if blank := sum(not label.strip() for label in group_n):
        problems.append(f"{blank} cells have no group. Name the donor or batch of each, or leave those cells out.")
    if bad := int((~np.isfinite(measurement.dense()) & _seen(measurement)).sum()):
        problems.append(f"{bad} values are NaN or infinite. Put 0 there, and False in `observed`.")
    return problems


def _too_few(y_nf: np.ndarray, features: np.ndarray) -> list[str]:
    count_f = np.isfinite(y_nf).sum(axis=0)
    found = []
    if len(names := features[count_f == 0]):
        found.append(f"{len(names)} readouts were never measured, such as {names[0]}. Leave them out: select(…).")
    if len(names := features[(count_f > 0) & (count_f < _FEWEST)]):
        found.append(
            f"{len(names)} readouts were measured in fewer than {_FEWEST} cells, such as {names[0]}. "
            "Leave them out: select(…), or measure more."
        )
    return found
