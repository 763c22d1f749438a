"""What would be read from a molecule never measured: activity, stability, half-life, from its vector alone."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar, NamedTuple, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.instruments.decoders.kernel_map import KERNELS, KernelMap
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

# A richer kernel must earn its place: this much less error on molecules not seen.
_EARNED = 0.99
_BORROWED = 5
# Kernels are compared on fewer landmarks than the chosen one is fitted on.
_PILOT = 1000


class CrossFit(NamedTuple):
    """A fitted readout, and what it would have said of each training molecule without having seen it.

    Attributes:
        decoder: Fitted on all rows.
        predicted: ``(n, f)`` predicted without the row, or without its group; NaN where it was never left out.
        spread: ``(n, f)`` expected size of the error, likewise.
        measured: ``(n, f)`` in the units of the decoder; NaN where not observed.
    """

    decoder: "KernelReadout"
    predicted: Float[np.ndarray, "n f"]
    spread: Float[np.ndarray, "n f"]
    measured: Float[np.ndarray, "n f"]


@final
@dataclass(frozen=True, eq=False)
class KernelReadout(Decoder):
    """Kernel ridge regression of any number of readouts on the vectors of molecules.

    Kernel and penalties are those with the least error on molecules left out: one by one, or by group where the
    question is about molecules of another group. A second regression, of the log of the errors on molecules left out,
    says where errors are large; it is used only where it describes them better than one size for all.

    Attributes:
        reads: Space it was fitted on.
        features: ``(f,)`` names of the readouts.
        units: Of the readouts.
        modality: Of the measurement it was fitted on.
        kernel: Chosen one of `KERNELS`.
        size: See `KernelMap`.
        landmarks: ``(m, d)`` see `KernelMap`.
        whiten: ``(m, r)`` see `KernelMap`.
        slopes: ``(q, f)`` on the kernel's features and
        intercept: ``(f,)`` the prediction.
        spread_slopes: ``(q, f)`` likewise, of the log of the expected error, and
        spread_intercept: ``(f,)``, clipped to
        spread_range: ``(2, f)`` what was seen in training.
        penalty: ``(f,)`` chosen.
        skill: ``(f,)`` fraction of variance explained on molecules left out.
    """

    name: ClassVar[str] = "kernel-readout"
    reads: Space
    features: np.ndarray
    units: str
    modality: str
    kernel: str
    size: float
    landmarks: Float[np.ndarray, "m d"]
    whiten: Float[np.ndarray, "m r"]
    slopes: Float[np.ndarray, "q f"]
    intercept: Float[np.ndarray, " f"]
    spread_slopes: Float[np.ndarray, "q f"]
    spread_intercept: Float[np.ndarray, " f"]
    spread_range: Float[np.ndarray, "2 f"]
    penalty: Float[np.ndarray, " f"]
    skill: Float[np.ndarray, " f"]

    @classmethod
    def fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        kernels: Sequence[str] = KERNELS,
        groups: Sequence[object] | np.ndarray | None = None,
    ) -> "KernelReadout":
        """Fit on training molecules; see `cross_fit`, which returns more."""
        return cls.cross_fit(ur, measurement, seed=seed, units=units, kernels=kernels, groups=groups).decoder

    @classmethod
    def cross_fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        kernels: Sequence[str] = KERNELS,
        groups: Sequence[object] | np.ndarray | None = None,
        landmarks: int = 2000,
    ) -> CrossFit:
        """Fit, and predict each training molecule without having seen it.

        Args:
            ur: Vectors of the training molecules.
            measurement: Readouts, row by row.
            seed: For the landmarks.
            units: Of the readouts; None lets the decoder choose.
            kernels: Which of `KERNELS` to choose among, simplest first.
            groups: ``(n,)`` labels of what is left out together; None leaves molecules out one by one.
            landmarks: At most so many for the kernel that is chosen; as many molecules are represented exactly.

        Raises:
            DataError: Fewer than four molecules, a readout with fewer than four values, or groups of another length.
        """
        measurement.require_table(cls.name)
        units = units or profile_units(measurement)
        y_nf = _observed(normalize(measurement, units))
        fold_n = None if groups is None else folds_of_groups(groups)
        if problems := _problems(y_nf, fold_n, len(ur)):
            raise DataError(problems)
        best = _best(ur.values, y_nf, fold_n, kernels, landmarks, seed)
        decoder = cls(
            ur.space,
            measurement.features,
            units,
            measurement.modality,
            best.map.kernel,
            best.map.size,
            best.map.landmarks,
            best.map.whiten,
            *best.arrays,
        )
        return CrossFit(decoder, best.predicted, best.spread, y_nf)

    @classmethod
    def fit_beyond(
        cls, ur: UR, measurement: Measurement, beyond: np.ndarray, *, seed: int = 0, kernels: Sequence[str] = KERNELS
    ) -> CrossFit:
        """Fit on all rows, and predict those that stand for a question beyond training from a fit on the others.

        Kernel and penalties are chosen one by one in both fits; these predictions are for calibration only.

        Args:
            ur: Vectors of the training molecules.
            measurement: Readouts, row by row.
            beyond: ``(n,)`` True for molecules as far from the others as those asked about are from all: variants with
                the most changes, the newest family, the strongest readouts.
            seed: For the landmarks.
            kernels: Which of `KERNELS` to choose among.

        Raises:
            DataError: Too few molecules on either side.
        """
        whole = cls.cross_fit(ur, measurement, seed=seed, kernels=kernels)
        near = cls.fit(ur.take(~beyond), measurement.take(~beyond), seed=seed, kernels=kernels)
        predicted_nf, spread_nf = (np.full(whole.measured.shape, np.nan) for _ in range(2))
        predicted_nf[beyond], spread_nf[beyond] = near.predict(ur.take(beyond))
        return CrossFit(whole.decoder, predicted_nf, spread_nf, whole.measured)

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Read molecules out: one draw, without the noise of a measurement, and its mean.

        Molecules whose vectors are all zero, so that nothing is known of them, make the answer a default.
        """
        mean_nf, _ = self.predict(ur)
        read = Measurement(mean_nf, self.features, ur.entities, self.units, self.modality, ur.space.scale)
        known = bool(ur.values.any(axis=1).all())
        verdict = Applicability.EDGE if known else Applicability.OUT
        return Prediction((read,), (self.name,), verdict, mean_nf.mean(axis=0)[None], self.units)

    def predict(self, ur: UR) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(n, f)`` expected readouts, and ``(n, f)`` the expected size of their errors, not yet calibrated.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        self.reads.require(ur.space, self.name)
        mapped_nq = self._map(ur.values)
        log_nf = np.clip(mapped_nq @ self.spread_slopes + self.spread_intercept, *self.spread_range)
        return mapped_nq @ self.slopes + self.intercept, np.exp(log_nf)

    @cached_property
    def _map(self) -> KernelMap:
        return KernelMap(*(getattr(self, item.name) for item in fields(KernelMap)))


class _Fitted(NamedTuple):
    map: KernelMap
    arrays: tuple[np.ndarray, ...]
    predicted: np.ndarray
    spread: np.ndarray
    score: float


def _best(
    x_nd: np.ndarray, y_nf: np.ndarray, fold_n: np.ndarray | None, kernels: Sequence[str], landmarks: int, seed: int
) -> _Fitted:
    few, best = min(_PILOT, landmarks), None
    for kernel in kernels:
        tried = _fit(x_nd, y_nf, fold_n, KernelMap.fit(x_nd, kernel, landmarks=few, seed=seed))
        if best is None or tried.score < _EARNED * best.score:
            best = tried
    assert best is not None
    if best.map.kernel == "linear" or min(landmarks, len(x_nd)) == few:
        return best
    return _fit(x_nd, y_nf, fold_n, KernelMap.fit(x_nd, best.map.kernel, landmarks=landmarks, seed=seed))


def _fit(x_nd: np.ndarray, y_nf: np.ndarray, fold_n: np.ndarray | None, kernel: KernelMap) -> _Fitted:
    mapped_nq, f = kernel(x_nd), y_nf.shape[1]
    predicted_nf, spread_nf = np.full(y_nf.shape, np.nan), np.full(y_nf.shape, np.nan)
    pieces: list[tuple[np.ndarray, ...]] = [()] * f
    for columns, rows in _patterns(y_nf):
        folds = None if fold_n is None else fold_n[rows]
        here = _fit_complete(mapped_nq[rows], y_nf[np.ix_(rows, columns)], folds)
        predicted_nf[np.ix_(rows, columns)], spread_nf[np.ix_(rows, columns)] = here.predicted, here.spread
        for at, column in enumerate(columns):
            pieces[column] = tuple(array[..., at] for array in here.arrays)
    arrays = tuple(np.stack(parts, axis=-1) for parts in zip(*pieces, strict=True))
    return _Fitted(kernel, arrays, predicted_nf, spread_nf, float((1 - arrays[-1]).mean()))


class _Complete(NamedTuple):
    arrays: tuple[np.ndarray, ...]
    predicted: np.ndarray
    spread: np.ndarray


def _fit_complete(x_nq: np.ndarray, y_nf: np.ndarray, fold_n: np.ndarray | None) -> _Complete:
    spectrum = decompose(x_nq)
    grid = penalty_grid(spectrum)
    folds = () if fold_n is None else split_folds(x_nq, fold_n)

    def held_out(target_nf: np.ndarray) -> HeldOutRows:
        return leave_folds_out(folds, target_nf, grid) if folds else leave_one_out(spectrum, target_nf, grid)

    said = held_out(y_nf)
    error_nf = np.abs(y_nf - said.predicted)
    # Readouts share units: one that was hardly ever seen to vary borrows the size of the errors from all.
    size_f = (error_nf.sum(axis=0) + _BORROWED * error_nf.mean() + 1e-12) / (len(error_nf) + _BORROWED)
    # Errors of nearly nothing have logarithms without bound; a hundredth of the mean says as much.
    log_nf = np.log(np.maximum(error_nf, 0.01 * size_f))
    log_said = held_out(log_nf)
    range_2f = np.quantile(log_nf, [0.1, 0.99], axis=0)
    flat_nf = np.broadcast_to(np.log(size_f), error_nf.shape)
    bent_nf = np.clip(log_said.predicted, *range_2f)
    shift_f = np.log((error_nf / np.exp(bent_nf)).mean(axis=0) + 1e-12)
    useful_f = (bent_nf + shift_f - flat_nf).mean(axis=0) < 0
    slopes_qf, intercept_f = solve(spectrum, y_nf, said.penalty)
    bend_qf, bend_f = solve(spectrum, log_nf, log_said.penalty)
    bend_qf, bend_f = np.where(useful_f, bend_qf, 0.0), np.where(useful_f, bend_f, np.log(size_f))
    range_2f = np.where(useful_f, range_2f, np.log(size_f))
    skill_f = 1 - said.error / np.maximum(y_nf.var(axis=0), 1e-12)
    spread_nf = np.exp(np.where(useful_f, bent_nf, flat_nf))
    arrays = slopes_qf, intercept_f, bend_qf, bend_f, range_2f, said.penalty, skill_f
    return _Complete(arrays, said.predicted, spread_nf)


def _observed(measurement: Measurement) -> np.ndarray:
    y_nf = measurement.dense()
    if measurement.observed is not None:
        y_nf = np.where(np.broadcast_to(measurement.observed, y_nf.shape), y_nf, np.nan)
    return y_nf


def _problems(y_nf: np.ndarray, fold_n: np.ndarray | None, n: int) -> list[str]:
    problems = []
    if len(y_nf) != n:
        problems.append(f"Row i of the UR represents row i of the measurement, got {n} and {len(y_nf)}. Align them.")
    if len(y_nf) < 4 or (np.isfinite(y_nf).sum(axis=0) < 4).any():
        problems.append("Each readout needs four measured molecules or more. Measure more, or drop the readout.")
    if fold_n is not None and (len(fold_n) != len(y_nf) or len(np.unique(fold_n)) < 2):
        problems.append(
            f"Groups are one label per molecule, of two groups or more; got {len(fold_n)} labels for {len(y_nf)} "
            "molecules. Label every row, or leave groups out."
        )
    return problems


def _patterns(y_nf: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Readouts that were measured on the same molecules, with those molecules."""
    seen_fn = np.isfinite(y_nf).T
    patterns, which_f = np.unique(seen_fn, axis=0, return_inverse=True)
    return [(np.flatnonzero(which_f.ravel() == i), np.flatnonzero(rows)) for i, rows in enumerate(patterns)]
