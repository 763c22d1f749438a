"""The linear-Gaussian model ``x = center + loadings z + noise`` in closed form, on whatever was measured."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool
from scipy import linalg

from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS, is_effect, log1p_target
from aivc.data.streaming.normalize import normalize
from aivc.data.streaming.stream import chunks

_ROUNDS, _TOLERANCE = 60, 1e-4


def fit_linear(measurement: Measurement, units: str, dim: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Center ``(f,)``, loadings ``(f, d)`` and noise: the maximum of the likelihood, or EM where something is missing.

    The center of a table of effects is zero, where the control lies.

    Args:
        measurement: Training entities; ``observed`` is respected.
        units: Units to work in.
        dim: Number of axes; at most one less than features and entities are kept.

    Raises:
        DataError: A cell without counts.
        UnitsError: The units cannot be reached.
    """
    measurement.require_table("A linear-Gaussian model")
    x_nf = normalize(measurement, units).dense()
    axes = max(1, min(dim, x_nf.shape[1] - 1, x_nf.shape[0] - 1))
    observed = measurement.observed
    # No effect is the origin: centred on the mean effect, axes would lose the part of it that lies beside them.
    free = not is_effect(units)
    if observed is None or observed.all():
        return _closed_form(x_nf, axes, free=free)
    return _expectation_maximization(x_nf, np.broadcast_to(observed, x_nf.shape), axes, free=free)


def readings(
    measurement: Measurement, features: np.ndarray, center: np.ndarray, units: str, own: int | None = None
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Read the features of a model from any panel, block by block.

    Counts of another panel are scaled to the share of a cell's counts that it holds on average, so that a feature left
    out does not make the others look higher.

    Args:
        measurement: Of any panel.
        features: Of the model, by name.
        center: ``(f,)`` their mean, in ``units``.
        units: Units of the model.
        own: How many of the features, from the first, a cell's total is over; None means all.

    Yields:
        Which rows; their values, dense; which features of the model they are of; and which of these were observed,
        per feature or per row and feature.

    Raises:
        UnitsError: The units cannot be brought to those of the model.
        UnknownNameError: None of the features are present.
    """
    measurement.require_table("A linear-Gaussian model")
    own = len(features) if own is None else own
    index = {name: i for i, name in enumerate(measurement.features)}
    here = np.array([i for i, name in enumerate(features) if name in index], dtype=int)
    if not len(here):
        raise UnknownNameError("feature", str(features[0]), map(str, index), "Are these gene symbols?")
    columns = np.array([index[name] for name in features[here]])
    mine_f = np.isin(np.arange(len(index)), columns)
    observed = mine_f if measurement.observed is None else mine_f & measurement.observed
    whole = np.array_equal(here, np.arange(own)) and observed[..., columns].all()
    shared = not whole and measurement.units == COUNTS and log1p_target(units) is not None
    for rows, block in chunks(normalize(measurement.replace(observed=observed), units)):
        x_nf = block[:, columns]
        dense = np.asarray(x_nf if isinstance(x_nf, np.ndarray) else x_nf.toarray(), dtype=np.float64)
        seen = (observed[rows] if observed.ndim == 2 else observed)[..., columns]
        if shared:
            dense = np.log1p(np.expm1(dense) * share(center[here], seen, levels(center[:own]).sum()))
        yield rows, dense, here, seen


def levels(center: np.ndarray) -> np.ndarray:
    """Average of each feature among a cell's counts, from its mean in ``log1p_cpN``."""
    return np.maximum(np.expm1(center), 0.0)


def share(center: np.ndarray, seen: np.ndarray, total: float) -> np.ndarray:
    """Fraction of a cell's counts that the features seen hold on average: one number, or ``(n, 1)``."""
    return np.asarray(np.sum(levels(center) * seen, axis=-1, keepdims=True) / max(total, 1e-12))


def posterior(
    residual_nf: np.ndarray, seen: np.ndarray, w_fd: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``(n, d)`` and variance ``(n, d)`` of each state given what was measured.

    Args:
        residual_nf: Values less their center.
        seen: ``(f,)`` or ``(n, f)`` True where measured.
        w_fd: Loadings.
        noise: Variance of what the axes leave out.
    """
    if seen.ndim == 1:
        precision = w_fd[seen].T @ w_fd[seen] + noise * np.eye(w_fd.shape[1])
        inverse = np.linalg.inv(precision)
        variance = np.broadcast_to(noise * np.diag(inverse), (len(residual_nf), w_fd.shape[1]))
        return residual_nf[:, seen] @ w_fd[seen] @ inverse, variance
    return _masked_posterior(residual_nf, seen, w_fd, noise)[:2]


def _closed_form(x_nf: np.ndarray, axes: int, *, free: bool) -> tuple[np.ndarray, np.ndarray, float]:
    n, f = x_nf.shape
    center = x_nf.mean(axis=0) if free else np.zeros(f)
    residual_nf = x_nf - center
    variances, axes_fd = _principal(residual_nf, axes)
    left = np.einsum("nf,nf->", residual_nf, residual_nf) / n - variances.sum()
    noise = float(max(left / (f - axes), 1e-8))
    w_fd = axes_fd * np.sqrt(np.maximum(variances - noise, 1e-12))
    return center, w_fd * _signs(w_fd), noise


def _principal(residual_nf: np.ndarray, axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Variance ``(d,)`` and direction ``(f, d)`` of the largest principal components, the largest first."""
    n, f = residual_nf.shape
    # The smaller of the two Gram matrices: a decomposition of the table itself costs many times as much.
    gram = residual_nf.T @ residual_nf if f <= n else residual_nf @ residual_nf.T
    last = len(gram) - 1
    square, vectors = linalg.eigh(gram, subset_by_index=[last - axes + 1, last], overwrite_a=True)
    square, vectors = np.maximum(square[::-1], 0.0), vectors[:, ::-1]
    if f > n:
        vectors = residual_nf.T @ vectors
        vectors /= np.maximum(np.linalg.norm(vectors, axis=0), 1e-300)
    return square / n, vectors


def _expectation_maximization(
    x_nf: np.ndarray, seen_nf: Bool[np.ndarray, "n f"], axes: int, *, free: bool
) -> tuple[np.ndarray, np.ndarray, float]:
    # Ilin & Raiko 2010, section 3: the closed form does not exist when entries are missing.
    counts = np.maximum(seen_nf.sum(axis=0), 1)
    center = np.where(seen_nf, x_nf, 0).sum(axis=0) / counts * free
    residual_nf = np.where(seen_nf, x_nf - center, 0.0)
    _, w_fd, noise = _closed_form(residual_nf, axes, free=free)
    for _ in range(_ROUNDS):
        z_nd, _, second_ndd = _masked_posterior(residual_nf, seen_nf, w_fd, noise)
        before = noise
        shift = np.where(seen_nf, residual_nf - z_nd @ w_fd.T, 0).sum(axis=0) / counts * free
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
