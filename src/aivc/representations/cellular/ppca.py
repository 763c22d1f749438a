"""Probabilistic PCA: a closed-form posterior, so a feature that was not measured widens it instead of becoming zero."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float

from aivc.core.contracts import Encoder
from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.units import COUNTS, log1p_target
from aivc.core.ur import UR
from aivc.data.normalize import normalize, profile_units
from aivc.data.stream import chunks

_ROUNDS, _TOLERANCE = 60, 1e-4


@final
@dataclass(frozen=True, eq=False)
class PPCA(Encoder):
    """Linear-Gaussian model ``x = center + loadings z + noise`` (Tipping & Bishop 1999, equations 4 and 6).

    Counts of a smaller panel are scaled to the share of a cell's counts that the panel holds on average, so that a
    feature left out does not make the others look higher.

    Attributes:
        features: ``(f,)`` names it was fitted on.
        center: ``(f,)`` mean, in ``units``.
        loadings: ``(f, d)``; states are standard normal a priori.
        noise: Variance of what the axes leave out, per feature, in squared ``units``.
        units: ``log1p_cpN``, or the units of data that are not counts.
    """

    name: ClassVar[str] = "ppca"
    scale: ClassVar[Scale] = Scale.CELLULAR
    features: np.ndarray
    center: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]
    noise: float
    units: str

    @classmethod
    def fit(cls, measurement: Measurement, *, dim: int = 32, seed: int = 0, units: str | None = None) -> "PPCA":
        """Fit on training entities: the closed-form maximum of the likelihood, or EM where something is missing.

        Args:
            measurement: Counts, intensities, or values in any other units; ``observed`` is respected.
            dim: Number of axes; at most one less than features and entities.
            seed: Not used: the answer is the same for every seed.
            units: Units to work in; None means ``log1p_cpN``, N the median total of these cells.

        Raises:
            DataError: A cell without counts.
        """
        units = units or profile_units(measurement)
        x_nf = normalize(measurement, units).dense()
        axes = max(1, min(dim, x_nf.shape[1] - 1, x_nf.shape[0] - 1))
        observed = measurement.observed
        if observed is None or observed.all():
            return cls(measurement.features, *_closed_form(x_nf, axes), units)
        seen_nf = np.broadcast_to(observed, x_nf.shape)
        return cls(measurement.features, *_expectation_maximization(x_nf, seen_nf, axes), units)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self.loadings.shape[1])

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Posterior mean and variance of each state, from whichever features were measured.

        Raises:
            UnitsError: The units cannot be brought to those of the fit.
            UnknownNameError: None of the features of the fit are present.
        """
        index = {name: i for i, name in enumerate(measurement.features)}
        here = np.array([i for i, name in enumerate(self.features) if name in index], dtype=int)
        if not len(here):
            raise UnknownNameError("feature", str(self.features[0]), map(str, index), "Are these gene symbols?")
        columns = np.array([index[name] for name in self.features[here]])
        own_f = np.isin(np.arange(len(index)), columns)
        observed = own_f if measurement.observed is None else own_f & measurement.observed
        partial = len(here) < len(self.features) or not observed[..., columns].all()
        shared = partial and measurement.units == COUNTS and log1p_target(self.units) is not None
        z_nd, variance_nd = np.empty((len(measurement), self.dim)), np.empty((len(measurement), self.dim))
        for rows, block in chunks(normalize(measurement.replace(observed=observed), self.units)):
            x_nf = block[:, columns]
            dense = np.asarray(x_nf if isinstance(x_nf, np.ndarray) else x_nf.toarray(), dtype=np.float64)
            seen = (observed[rows] if observed.ndim == 2 else observed)[..., columns]
            dense = np.log1p(np.expm1(dense) * self._share(here, seen)) if shared else dense
            z_nd[rows], variance_nd[rows] = self._posterior(dense, here, seen)
        return UR(z_nd, self.writes, measurement.entities, variance_nd, measurement.mass)

    def _share(self, here: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Fraction of a cell's counts that the features seen hold on average: one number, or ``(n, 1)``."""
        level_f = np.maximum(np.expm1(self.center), 0.0)
        return np.asarray(np.sum(level_f[here] * seen, axis=-1, keepdims=True) / max(level_f.sum(), 1e-12))

    def _posterior(self, x_nf: np.ndarray, here: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w_fd, residual_nf = self.loadings[here], x_nf - self.center[here]
        if seen.ndim == 1:
            precision = w_fd[seen].T @ w_fd[seen] + self.noise * np.eye(self.dim)
            inverse = np.linalg.inv(precision)
            variance = np.broadcast_to(self.noise * np.diag(inverse), (len(x_nf), self.dim))
            return residual_nf[:, seen] @ w_fd[seen] @ inverse, variance
        return _masked_posterior(residual_nf, seen, w_fd, self.noise)[:2]


def _closed_form(x_nf: np.ndarray, axes: int) -> tuple[np.ndarray, np.ndarray, float]:
    n, f = x_nf.shape
    center = x_nf.mean(axis=0)
    _, singular, axes_df = np.linalg.svd(x_nf - center, full_matrices=False)
    variances = singular**2 / n
    noise = float(max(variances[axes:].sum() / (f - axes), 1e-8))
    w_fd = axes_df[:axes].T * np.sqrt(np.maximum(variances[:axes] - noise, 1e-12))
    return center, w_fd * _signs(w_fd), noise


def _expectation_maximization(
    x_nf: np.ndarray, seen_nf: Bool[np.ndarray, "n f"], axes: int
) -> tuple[np.ndarray, np.ndarray, float]:
    # Ilin & Raiko 2010, section 3: the closed form does not exist when entries are missing.
    counts = np.maximum(seen_nf.sum(axis=0), 1)
    center = np.where(seen_nf, x_nf, 0).sum(axis=0) / counts
    residual_nf = np.where(seen_nf, x_nf - center, 0.0)
    _, w_fd, noise = _closed_form(residual_nf, axes)
    for _ in range(_ROUNDS):
        z_nd, _, second_ndd = _masked_posterior(residual_nf, seen_nf, w_fd, noise)
        before = noise
        shift = np.where(seen_nf, residual_nf - z_nd @ w_fd.T, 0).sum(axis=0) / counts
        center, residual_nf = center + shift, np.where(seen_nf, residual_nf - shift, 0.0)
        gram_fdd = (seen_nf.T @ second_ndd.reshape(len(z_nd), -1)).reshape(-1, axes, axes) + 1e-9 * np.eye(axes)
        w_fd = np.linalg.solve(gram_fdd, (residual_nf.T @ z_nd)[..., None])[..., 0]
        error = (residual_nf**2).sum() - 2 * ((residual_nf.T @ z_nd) * w_fd).sum()
        error += np.einsum("fd,fde,fe->", w_fd, gram_fdd, w_fd)
        noise = float(max(error / seen_nf.sum(), 1e-8))
        if abs(before - noise) < _TOLERANCE * before:
            break
    return center, w_fd * _signs(w_fd), noise


def _masked_posterior(
    residual_nf: np.ndarray, seen_nf: np.ndarray, w_fd: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean ``(n d)``, variance ``(n d)`` and second moment ``(n d d)`` of each state given what was measured."""
    n, d = len(residual_nf), w_fd.shape[1]
    outer_fdd = np.einsum("fd,fe->fde", w_fd, w_fd).reshape(len(w_fd), -1)
    precision_ndd = (seen_nf.astype(float) @ outer_fdd).reshape(n, d, d) + noise * np.eye(d)
    inverse_ndd = np.linalg.inv(precision_ndd)
    z_nd = np.einsum("nde,ne->nd", inverse_ndd, np.where(seen_nf, residual_nf, 0.0) @ w_fd)
    second_ndd = noise * inverse_ndd + np.einsum("nd,ne->nde", z_nd, z_nd)
    return z_nd, noise * np.einsum("ndd->nd", inverse_ndd), second_ndd


def _signs(w_fd: np.ndarray) -> np.ndarray:
    strongest = w_fd[np.abs(w_fd).argmax(axis=0), np.arange(w_fd.shape[1])]
    return np.where(strongest < 0, -1.0, 1.0)
