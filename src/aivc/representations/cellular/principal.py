"""Principal axes of cells, and the way onto axes of a fixed panel; for encoders that need every feature."""

import numpy as np
from jaxtyping import Float
from scipy import sparse

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.units import is_effect
from aivc.data.streaming.normalize import normalize
from aivc.data.streaming.stream import chunks

# Up to here a dense covariance is smaller and faster than an iterative solver.
_DENSE_FEATURES, _BLOCK = 2000, 4096
_SPARE, _POWERS = 8, 6


def principal_axes(
    measurement: Measurement, units: str, dim: int, seed: int, asker: str
) -> tuple[np.ndarray, Float[np.ndarray, " f"], Float[np.ndarray, "f d"]]:
    """Features, center and orthonormal loadings; each axis' largest loading is positive.

    Args:
        measurement: Training entities.
        units: Units to work in.
        dim: Number of axes; fewer are kept where the data have fewer.
        seed: Starting vector of the iterative solver, used above 2,000 features.
        asker: Registered name of the encoder, for its refusals.

    Raises:
        DataError: A cell without counts, or a feature that was observed in some entities only.
    """
    measurement.require_table(asker)
    seen_f = _observed(measurement, asker)
    x_nf = normalize(measurement, units).block(0, len(measurement))[:, seen_f]
    center = np.asarray(x_nf.mean(axis=0), dtype=np.float64).ravel()
    if is_effect(units):
        # No effect is the origin: centred on the mean effect, axes would lose the part of it that lies beside them.
        center = np.zeros_like(center)
    axes = min(dim, len(center), max(len(measurement) - 1, 1))
    top = _dense_axes if len(center) <= _DENSE_FEATURES else _sparse_axes
    return measurement.features[seen_f], center, signed(top(x_nf, center, axes, seed))


def signed(loadings: Float[np.ndarray, "f d"]) -> Float[np.ndarray, "f d"]:
    """Turn each axis so that its largest loading is positive: a decomposition leaves the sign to chance."""
    strongest = loadings[np.abs(loadings).argmax(axis=0), np.arange(loadings.shape[1])]
    return loadings * np.where(strongest < 0, -1.0, 1.0)


def project(
    measurement: Measurement,
    features: np.ndarray,
    center: Float[np.ndarray, " f"],
    loadings: Float[np.ndarray, "f d"],
    units: str,
    asker: str,
) -> Float[np.ndarray, "n d"]:
    """Project entities onto axes; features are matched by name, and others are ignored.

    Raises:
        UnitsError: The units cannot be brought to those of the fit.
        UnknownNameError: A feature of the fit is missing, or was not observed.
    """
    measurement.require_table(asker)
    index = {name: i for i, name in enumerate(measurement.features)}
    seen_f = np.ones(len(index), dtype=bool)
    if measurement.observed is not None:
        seen_f &= np.atleast_2d(measurement.observed).all(axis=0)
    missing = [name for name in features if name not in index or not seen_f[index[name]]]
    if missing:
        seen = [str(name) for name, i in index.items() if seen_f[i]]
        remedy = f"{asker} needs every feature of its fit, observed in every entity; ppca takes any panel."
        raise UnknownNameError("observed feature", str(missing[0]), seen, remedy)
    columns = np.array([index[name] for name in features])
    own_f = np.isin(np.arange(len(index)), columns)
    x_nf = normalize(measurement.replace(observed=None if own_f.all() else own_f), units)
    z_nd = np.empty((len(measurement), loadings.shape[1]))
    for rows, block in chunks(x_nf):
        z_nd[rows] = block[:, columns] @ loadings - center @ loadings
    return z_nd


def _observed(measurement: Measurement, asker: str) -> np.ndarray:
    """``(f,)`` True for features observed in every entity; those observed in some are refused."""
    if measurement.observed is None:
        return np.ones(len(measurement.features), dtype=bool)
    seen_nf = np.atleast_2d(measurement.observed)
    everywhere_f = np.asarray(seen_nf.all(axis=0))
    partly_f = seen_nf.any(axis=0) & ~everywhere_f
    if partly_f.any() or not everywhere_f.any():
        raise DataError(
            [
                f"{int(partly_f.sum())} features were observed in some entities only, and {int(everywhere_f.sum())} in "
                f"all. {asker} needs the same features everywhere: select them first; ppca takes any panel."
            ]
        )
    return everywhere_f


def _dense_axes(x_nf: np.ndarray | sparse.csr_matrix, center: np.ndarray, axes: int, seed: int) -> np.ndarray:
    # Dense blocks beat a product of two sparse matrices at the densities that cells have.
    second = np.zeros((len(center), len(center)))
    for start in range(0, x_nf.shape[0], _BLOCK):
        block = x_nf[start : start + _BLOCK]
        dense = block if isinstance(block, np.ndarray) else block.toarray()
        second += dense.T @ dense
    covariance = second / x_nf.shape[0] - np.outer(center, center)
    return np.linalg.eigh(covariance)[1][:, ::-1][:, :axes].copy()


def _sparse_axes(x_nf: np.ndarray | sparse.csr_matrix, center: np.ndarray, axes: int, seed: int) -> np.ndarray:
    # Block Krylov iteration (Musco & Musco 2015): a few products with a thin block find the axes that stand out to many
    # digits; a solver that settles every axis spends ten times as long telling apart those of noise. Centring a sparse
    # matrix would fill it: subtract the mean inside the products instead.
    across = x_nf.T.tocsr() if isinstance(x_nf, sparse.csr_matrix) else x_nf.T
    width = min(axes + _SPARE, *x_nf.shape)
    block = np.random.default_rng(seed).standard_normal((len(center), width))
    space = []
    for _ in range(_POWERS):
        left = x_nf @ block - center @ block
        block = np.linalg.qr(across @ left - np.outer(center, left.sum(axis=0)))[0]
        space.append(block)
    basis = np.linalg.qr(np.hstack(space))[0]
    left = x_nf @ basis - center @ basis
    return np.asarray(basis @ np.linalg.eigh(left.T @ left)[1][:, ::-1][:, :axes]).copy()
