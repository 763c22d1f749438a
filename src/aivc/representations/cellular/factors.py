"""Factor analysis: loadings and a noise for each feature, and states that are read with a noise of each cell's own."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.state import State
from aivc.data.streaming.normalize import normalize
from aivc.representations.cellular.gaussian import fit_linear

_ROUNDS, _TOLERANCE = 20, 1e-4
# A feature's noise is at least this share of the usual one: a gene silent in training must not shout in a new cell.
_LEAST = 0.02
# Rounds, and how many well-fitting features every cell is taken to have beside its own, when its noise is estimated.
_CELL_ROUNDS, _PSEUDO, _AT_ONCE = 2, 20.0, 4096


def fit_factors(
    measurement: Measurement, units: str, dim: int
) -> tuple[Float[np.ndarray, " f"], Float[np.ndarray, "f d"], Float[np.ndarray, " d"], Float[np.ndarray, " f"]]:
    """Center ``(f,)``, that of probabilistic PCA; loadings ``(f, d)``; size ``(d,)`` of states; and noise ``(f,)``.

    Arguments are those of `fit_linear`.

    Raises:
        DataError: A cell without counts.
        UnitsError: The units cannot be reached.
    """
    center, w_fd, noise = fit_linear(measurement, units, dim)
    x_nf = normalize(measurement, units).dense()
    seen = np.ones(x_nf.shape[1], dtype=bool) if measurement.observed is None else measurement.observed
    w_fd, noise_f = factors(np.where(seen, x_nf - center, 0.0), seen, w_fd, noise)
    w_fd, size_d = principal(w_fd, noise_f)
    return center, w_fd / size_d, size_d, noise_f


def require_feature_noise(state: State, name: str) -> None:
    """Check that a saved encoder has a noise for each feature.

    Raises:
        IntegrityError: It has a single one, as encoders of older versions have.
    """
    if state.arrays.get("center", np.zeros(0)).shape != state.arrays.get("noise", np.zeros(())).shape:
        raise IntegrityError(
            f"{name} reads a noise for each feature, and this state has none. It was written by an older "
            "version of aivc: fit the encoder again."
        )


def factors(
    residual_nf: np.ndarray,
    seen: np.ndarray,
    w_fd: np.ndarray,
    noise: float,
    alike: Sequence[np.ndarray] = (),
) -> tuple[Float[np.ndarray, "f d"], Float[np.ndarray, " f"]]:
    """Loadings ``(f, d)`` and noise ``(f,)`` by expectation-maximization, from those of probabilistic PCA.

    Args:
        residual_nf: Values less their center; 0 where nothing was observed.
        seen: ``(f,)`` or ``(n, f)`` True where measured.
        w_fd: Loadings to start from.
        noise: Variance to start from, the same for all.
        alike: Positions of the features of each group, where all groups are held to one mean noise while the axes are
            found; the noise that is returned is their own.
    """
    count_f = np.maximum(np.broadcast_to(seen, residual_nf.shape).sum(axis=0), 1)
    square_f, noise_f = (residual_nf**2).sum(axis=0), np.full(len(w_fd), noise)
    for _ in range(_ROUNDS):
        z_nd, second = _moments(residual_nf, seen, w_fd, noise_f)
        cross_fd, before = residual_nf.T @ z_nd, noise_f
        ridge = 1e-9 * np.eye(w_fd.shape[1])
        w_fd = np.linalg.solve(second + ridge, cross_fd[..., None])[..., 0]
        noise_f = np.maximum((square_f - (w_fd * cross_fd).sum(axis=1)) / count_f, 1e-8)
        own_f = np.maximum(noise_f, _LEAST * np.median(noise_f[square_f > 0]) if square_f.any() else 1e-8)
        noise_f = own_f.copy()
        for group in alike:
            noise_f[group] *= own_f.mean() / own_f[group].mean()
        if np.abs(np.log(noise_f / before)).mean() < _TOLERANCE:
            break
    return w_fd, own_f


def principal(w_fd: np.ndarray, noise_f: np.ndarray) -> tuple[Float[np.ndarray, "f d"], Float[np.ndarray, " d"]]:
    """Loadings turned to principal axes in units of the noise, and the length of each there, the longest first.

    Args:
        w_fd: Loadings of states that are standard normal a priori; so are those of the turned ones.
        noise_f: Variance of each feature's noise.
    """
    length_d, turn = np.linalg.eigh(w_fd.T @ (w_fd / noise_f[:, None]))
    turned_fd = w_fd @ turn[:, ::-1]
    strongest = turned_fd[np.abs(turned_fd).argmax(axis=0), np.arange(len(length_d))]
    return turned_fd * np.where(strongest < 0, -1.0, 1.0), np.sqrt(np.maximum(length_d[::-1], 1e-12))


def cell_posterior(
    part_nf: np.ndarray, seen: np.ndarray, w_fd: np.ndarray, trusted: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``(n, d)`` and variance ``(n, d)`` of each state, with a noise of the cell's own.

    Args:
        part_nf: Values less their center, over the standard deviation of each feature's noise.
        seen: ``(f,)`` or ``(n, f)`` True where measured.
        w_fd: Loadings over the same.
        trusted: ``(f,)`` True for features whose misfit tells the noise of a cell; None means all.
    """
    mean_nd, variance_nd = np.empty((2, len(part_nf), w_fd.shape[1]))
    for start in range(0, len(part_nf), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        mask = seen if seen.ndim == 1 else seen[rows]
        mean_nd[rows], variance_nd[rows] = _cells(np.where(mask, part_nf[rows], 0.0), mask, w_fd, trusted)
    return mean_nd, variance_nd


def _cells(
    part_nf: np.ndarray, seen: np.ndarray, w_fd: np.ndarray, trusted: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    root, turn, said_nd = _said(part_nf, seen, w_fd)
    if trusted is None or trusted.all():
        noise_n1 = _noise(part_nf, seen, root, said_nd)
    else:
        own_nf, own = part_nf[:, trusted], seen[..., trusted]
        own_root, _, own_nd = _said(own_nf, own, w_fd[trusted])
        noise_n1 = _noise(own_nf, own, own_root, own_nd)
    mean_n1d = (said_nd / (root + noise_n1))[:, None]
    variance_n1d = (noise_n1 / (root + noise_n1))[:, None]
    back = np.swapaxes(turn, -1, -2)
    return (mean_n1d @ back)[:, 0], (variance_n1d @ back**2)[:, 0]


def _said(part_nf: np.ndarray, seen: np.ndarray, w_fd: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What values say of each state, in the axes of the precision, of one panel or one for each cell."""
    root, turn = np.linalg.eigh(_precision(seen, w_fd))
    return np.maximum(root, 0.0), turn, ((part_nf @ w_fd)[:, None] @ turn)[:, 0]


def _noise(part_nf: np.ndarray, seen: np.ndarray, root: np.ndarray, said_nd: np.ndarray) -> np.ndarray:
    """``(n, 1)`` noise of each cell, where that of a usual one is 1."""
    square_n1, count = (part_nf**2).sum(axis=1, keepdims=True), seen.sum(axis=-1, keepdims=True)
    noise_n1 = np.ones((len(part_nf), 1))
    for _ in range(_CELL_ROUNDS):
        # In these axes every step is a division.
        mean_nd = said_nd / (root + noise_n1)
        left_nd = root * mean_nd**2 - 2 * mean_nd * said_nd + noise_n1 * root / (root + noise_n1)
        noise_n1 = (square_n1 + left_nd.sum(axis=1, keepdims=True) + _PSEUDO) / (count + _PSEUDO)
    return np.asarray(np.sqrt(noise_n1))


def _precision(seen: np.ndarray, w_fd: np.ndarray) -> np.ndarray:
    """``(d, d)``, or ``(n, d, d)`` where each cell has its own features: what these say of the state."""
    if seen.ndim == 1:
        return w_fd[seen].T @ w_fd[seen]
    outer_fdd = np.einsum("fd,fe->fde", w_fd, w_fd).reshape(len(w_fd), -1)
    return (seen.astype(float) @ outer_fdd).reshape(len(seen), w_fd.shape[1], w_fd.shape[1])


def _moments(
    residual_nf: np.ndarray, seen: np.ndarray, w_fd: np.ndarray, noise_f: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Expected states ``(n, d)``, and the sum of their squares over the cells each feature was measured in."""
    scaled_fd, eye = w_fd / noise_f[:, None], np.eye(w_fd.shape[1])
    if seen.ndim == 1:
        covariance = np.linalg.inv(w_fd[seen].T @ scaled_fd[seen] + eye)
        z_nd = residual_nf @ scaled_fd @ covariance
        return z_nd, len(z_nd) * covariance + z_nd.T @ z_nd
    second_fd, z_nd = np.zeros((len(w_fd), eye.size)), np.empty((len(residual_nf), len(eye)))
    for start in range(0, len(z_nd), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        inverse = np.linalg.inv(_precision(seen[rows], w_fd / np.sqrt(noise_f)[:, None]) + eye)
        z_nd[rows] = np.einsum("nde,ne->nd", inverse, residual_nf[rows] @ scaled_fd)
        each = inverse + np.einsum("nd,ne->nde", z_nd[rows], z_nd[rows])
        second_fd += seen[rows].T.astype(float) @ each.reshape(len(each), -1)
    return z_nd, second_fd.reshape(len(w_fd), *eye.shape)
