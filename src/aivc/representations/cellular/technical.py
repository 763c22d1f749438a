"""Factor analysis without its technical part: batches are brought together where they hold the same cells."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float, Int

from aivc.core.contracts import Encoder
from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.core.ur import UR
from aivc.representations.cellular.technical_shifts import Shifts, fit_shifts

_FEWEST, _CLUSTERS, _JUDGED = 20, (1, 8, 16), 3000
_KEPT, _MIXED = 15, 30


@final
@dataclass(frozen=True, eq=False)
class FactorAnalysisBatches(Encoder):
    """``z = biological part + shift of the batch``: the linear-Gaussian state less what only tells batches apart.

    The shift lies along at most 8 technical axes, is estimated from mutual nearest neighbours between batches of
    the column ``batch``, and may differ between clusters, smoothly. How finely is chosen on held-out cells without
    labels: the best mixing that disturbs the neighbours within a batch no more than the posterior's own noise would;
    where nothing helps, there are no technical axes. With one batch, or none, it is exactly ``factor-analysis``.

    A cell of a batch never seen, or of none, gets the expectation over batches: the axes are shrunk by how much of
    their variance is technical, and its own variance says that the shift is unknown.

    Attributes:
        base: ``factor-analysis``, which encodes states with their shift.
        size: ``(d,)`` standard deviation of its states a priori.
        batches: ``(B,)`` names of the batches whose shift is known.
        axes: ``(d, t)`` technical axes.
        overall: ``(B, t)`` shift of each batch.
        local: ``(K, B, t)`` what each cluster adds.
        centers: ``(K, d)`` clusters.
        width: Variance of a cluster's kernel.
        doubt: ``(K, B)`` one over how many cells a shift is estimated from.
        spread: ``(t,)`` variance of cells within a cluster.
        gain: ``(t, t)`` expected shift per state of a batch never seen.
        unknown: ``(t,)`` variance of the shift of a batch never seen, given the state.
    """

    name: ClassVar[str] = "factor-analysis-batches"
    scale: ClassVar[Scale] = Scale.CELLULAR
    base: Encoder
    size: Float[np.ndarray, " d"]
    batches: np.ndarray
    axes: Float[np.ndarray, "d t"]
    overall: Float[np.ndarray, "B t"]
    local: Float[np.ndarray, "K B t"]
    centers: Float[np.ndarray, "K d"]
    width: float
    doubt: Float[np.ndarray, "K B"]
    spread: Float[np.ndarray, " t"]
    gain: Float[np.ndarray, "t t"]
    unknown: Float[np.ndarray, " t"]

    @classmethod
    def fit(
        cls,
        measurement: Measurement,
        *,
        dim: int = 32,
        seed: int = 0,
        units: str | None = None,
    ) -> "FactorAnalysisBatches":
        """Fit on training entities: the states in closed form, then the shifts.

        Args:
            measurement: As for ``factor-analysis``; batches are in the column ``batch``. Those of fewer than 20 cells
                count as never seen.
            dim: Number of axes; at most one less than features and entities.
            seed: Draws the cells that shifts are estimated and judged on, and the starts of clusters.
            units: Units to work in; None means ``log1p_cpN``, N the median total of these cells.

        Raises:
            DataError: A cell without counts.
        """
        base = ENCODERS.load("factor-analysis").fit(measurement, dim=dim, units=units)
        batch_n = _batches(measurement)
        known, count = np.unique(batch_n[batch_n != ""], return_counts=True)
        batches = known[count >= _FEWEST]
        shifts = None
        if len(batches) > 1:
            seen = np.isin(batch_n, batches)
            ur = base.encode(measurement.take(seen))
            code_n = np.searchsorted(batches, batch_n[seen])
            shifts = _chosen(ur.values, np.sqrt(np.asarray(ur.variance)), code_n, seed)
        if shifts is None:
            batches, shifts = known[:0], _none(base.dim)
        gain, unknown = _expected(shifts, base.size)
        return cls(base, base.size, batches.astype(object), *shifts, gain, unknown)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.base.dim

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Biological part of each state, and its variance.

        Raises:
            UnitsError: The units cannot be brought to those of the fit.
            UnknownNameError: None of the features of the fit are present.
        """
        ur = self.base.encode(measurement)
        z_nd, variance_nd = ur.values, np.array(ur.variance)
        if self.axes.shape[1]:
            shift_nd, extra_nd = self._shift(z_nd, variance_nd, _batches(measurement))
            z_nd, variance_nd = z_nd - shift_nd, variance_nd + extra_nd
        return UR(z_nd, self.writes, measurement.entities, variance_nd, measurement.mass)

    def _shift(self, y_nd: np.ndarray, variance_nd: np.ndarray, batch_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # A state read from few features is drawn to the prior's mean, and so is the shift in it.
        known_nd = 1 - variance_nd / self.size**2
        known_nd = np.minimum(known_nd / np.maximum(1 - _certain(self.size), 1e-12), 1.0)
        shift_nd = y_nd @ self.axes @ self.gain.T @ self.axes.T
        extra_nd = known_nd**2 * (self.unknown @ (self.axes**2).T)
        shifts = Shifts(self.axes, self.overall, self.local, self.centers, self.width, self.doubt, self.spread)
        for code, batch in enumerate(self.batches):
            own = batch_n == batch
            if own.any():
                shift_nd[own], extra_nd[own] = shifts.along(y_nd[own], code, known_nd[own])
        return shift_nd, extra_nd


def _batches(measurement: Measurement) -> np.ndarray:
    """``(n,)`` batch of each entity as text, empty where none is given."""
    if "batch" not in measurement.entities:
        return np.full(len(measurement), "", dtype=object)
    column = measurement.entities["batch"]
    return np.where(column.isna(), "", column.astype(str)).astype(object)


def _certain(size_d: np.ndarray) -> np.ndarray:
    """``(d,)`` share of the prior variance that is left where every feature is observed, and fits as usual."""
    return np.asarray(1 / (1 + size_d**2))


def _none(dim: int) -> Shifts:
    empty = np.zeros((1, 0))
    return Shifts(np.zeros((dim, 0)), empty[:0], np.zeros((1, 0, 0)), np.zeros((1, dim)), 1.0, empty, np.zeros(0))


def _expected(shifts: Shifts, size_d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a state says of the shift of a batch never seen: both parts are normal, of the variances found."""
    if not shifts.axes.shape[1]:
        return np.zeros((0, 0)), np.zeros(0)
    whole_tt = shifts.axes.T @ np.diag(size_d**2) @ shifts.axes
    shift_kbt = shifts.overall + shifts.local
    technical_tt = np.einsum("kbt,kbu->tu", shift_kbt, shift_kbt) / shift_kbt[..., 0].size
    # The prior of all batches holds their shifts already, and is counted as biology all the same: so no more than half
    # of an axis is ever taken out of a batch that nobody has seen.
    gain_tt = technical_tt @ np.linalg.inv(whole_tt + technical_tt)
    return gain_tt, np.maximum(np.diag(technical_tt - gain_tt @ technical_tt), 0.0)


def _chosen(y_nd: np.ndarray, noise_nd: np.ndarray, code_n: Int[np.ndarray, " n"], seed: int) -> Shifts | None:
    """Fit on half of the cells, judge on the others, and fit the best again on all; None where nothing helps."""
    draw = np.random.default_rng(seed)
    half_n = np.zeros(len(code_n), dtype=bool)
    for code in range(code_n.max() + 1):
        own = draw.permutation(np.flatnonzero(code_n == code))
        half_n[own[: len(own) // 2]] = True
    asked = draw.permutation(np.flatnonzero(~half_n))[:_JUDGED]
    before_nd, own_n = y_nd[asked], code_n[asked]
    least = _preserved(before_nd, before_nd + draw.normal(size=before_nd.shape) * noise_nd[asked], own_n)
    mixed_n, best, most = _mixing(before_nd, own_n), 0, 0.0
    for clusters in (each for each in _CLUSTERS if each == 1 or 10 * each * (code_n.max() + 1) <= len(code_n)):
        shifts = fit_shifts(y_nd[half_n], code_n[half_n], clusters, np.random.default_rng(seed))
        if shifts is None:
            continue
        after_nd = _corrected(before_nd, own_n, shifts)
        gain_n = _mixing(after_nd, own_n) - mixed_n
        gain = float(gain_n.mean())
        beyond_chance = gain > 2 * float(gain_n.std()) / np.sqrt(len(gain_n))
        if beyond_chance and gain > most and _preserved(before_nd, after_nd, own_n) >= least:
            best, most = clusters, gain
    return fit_shifts(y_nd, code_n, best, np.random.default_rng(seed)) if best else None


def _corrected(y_nd: np.ndarray, code_n: np.ndarray, shifts: Shifts) -> np.ndarray:
    after_nd = y_nd.copy()
    for code in np.unique(code_n):
        own = code_n == code
        after_nd[own] -= shifts.along(y_nd[own], int(code), np.ones_like(y_nd[own]))[0]
    return after_nd


def _mixing(y_nd: np.ndarray, code_n: np.ndarray) -> np.ndarray:
    """``(n,)`` effective number of batches among the nearest cells of each."""
    rows_nk = _nearest(y_nd, _MIXED)
    share_nb = np.stack([(code_n[rows_nk] == code).mean(axis=1) for code in np.unique(code_n)], axis=1)
    return np.asarray(1 / (share_nb**2).sum(axis=1))


def _preserved(before_nd: np.ndarray, after_nd: np.ndarray, code_n: np.ndarray) -> float:
    """Share of each cell's nearest cells of its own batch that stay so."""
    kept: list[Any] = []
    for code in np.unique(code_n):
        own = np.flatnonzero(code_n == code)
        if len(own) < 2:
            continue
        one, two = _nearest(before_nd[own], _KEPT), _nearest(after_nd[own], _KEPT)
        kept.extend((one[:, :, None] == two[:, None]).any(axis=2).mean(axis=1))
    return float(np.mean(kept))


def _nearest(y_nd: np.ndarray, k: int) -> np.ndarray:
    square_n = (y_nd**2).sum(axis=1)
    far_nn = square_n[:, None] + square_n - 2 * y_nd @ y_nd.T
    np.fill_diagonal(far_nn, np.inf)
    k = min(k, len(y_nd) - 1)
    return np.argpartition(far_nn, k - 1, axis=1)[:, :k]
