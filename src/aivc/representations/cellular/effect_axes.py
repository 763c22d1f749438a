"""Axes that hold what perturbations did, so that no part of an effect lies beside the representation."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import linalg

from aivc.core.effects import effects
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.streaming.group_sums import dense_rows
from aivc.representations.cellular.principal import signed

# Below this share of the longest row, what is left of it is rounding.
_ROUNDING = 1e-10
# Up to so many rows or features the decomposition is exact; beyond, the strongest axes are found by iteration.
_EXACT, _SPARE, _POWERS = 2000, 88, 3
# Axes this much weaker than the strongest drown in the rounding of products of rows.
_FAINT = 1e-6
# Values of effects that are worked on at once; and of profiles made dense for it, each of which is held several times.
_VALUES, _DENSE = 2**24, 2**22


def effect_axes(
    profiles: Measurement, center: Float[np.ndarray, " f"], given: Float[np.ndarray, "f d"], *, most: int, seed: int
) -> Float[np.ndarray, "f e"]:
    """Orthonormal axes beside the given ones, the strongest first, of all effects and of the contexts' controls.

    An effect is a perturbed mean less the control mean of the same context and batch (`aivc.core.effects`). With them,
    every linear combination of effects, and every control mean, lies on the axes; beyond ``most`` the strongest are
    kept. A context without control has no effects, and says nothing here.

    Args:
        profiles: Mean profiles with ``cells``, on the features of ``center``.
        center: Origin of the states, in the units of the profiles.
        given: Orthonormal axes there are already.
        most: How many at most.
        seed: Of the starting block where axes are found by iteration.
    """
    beside_rf = _differences(profiles, center)
    size, at_once = 0.0, max(1, _VALUES // max(len(center), 1))
    for start in range(0, len(beside_rf), at_once):
        rows = slice(start, start + at_once)
        size = max(size, float(np.linalg.norm(beside_rf[rows], axis=1).max(initial=0.0)))
        # Twice, so that what is left is orthogonal to the last digits; in place, as the rows may be many.
        for _ in range(2):
            beside_rf[rows] -= (beside_rf[rows] @ given) @ given.T
    few = min(beside_rf.shape) <= max(_EXACT, most)
    axes_fe, strength_e = _exact(beside_rf, most) if few else _strongest(beside_rf, most, seed)
    del beside_rf
    kept = min(most, int((strength_e > _ROUNDING * size).sum()), len(center) - given.shape[1])
    axes_fe = axes_fe[:, :kept]
    # Weak axes are exact to the rounding of strong ones; orthogonal once more to the given ones and among themselves.
    axes_fe = np.linalg.qr(axes_fe - given @ (given.T @ axes_fe))[0]
    return signed(axes_fe) if kept else np.zeros((len(center), 0))


def _differences(profiles: Measurement, center: np.ndarray) -> np.ndarray:
    """``(r, f)`` every effect, and how the mean of each context's controls differs from the center."""
    contexts, control = profiles.contexts.astype(str), profiles.perturbations.astype(str) == CONTROL
    known = np.isin(contexts, np.unique(contexts[control]))
    profiles = profiles if known.all() else profiles.take(known)
    if not len(profiles):
        return np.zeros((0, len(center)))
    controls = _states(profiles.take(profiles.perturbations.astype(str) == CONTROL), slice(None))
    here = controls.contexts.astype(str)
    means = np.array([controls.take(here == context).mean - center for context in np.unique(here)])
    keys = pd.MultiIndex.from_arrays([contexts[known], profiles.perturbations.astype(str)])
    measured = keys[~np.isin(profiles.perturbations.astype(str), [CONTROL])].nunique()
    found = np.empty((measured + len(means), len(center)))
    found[measured:] = means
    # Every feature by itself, so that all of them need not be dense at once.
    at_once = max(1, _DENSE // len(profiles))
    for start in range(0, len(center), at_once):
        some = slice(start, start + at_once)
        found[:measured, some] = effects(_states(profiles, some)).shifts
    return found


def _states(profiles: Measurement, features: slice) -> UR:
    values = dense_rows(profiles.block(0, len(profiles))[:, features], slice(None)).astype(float, copy=False)
    space = Space("readings", profiles.scale, values.shape[1], "")
    return UR(values, space, profiles.entities, None, profiles.mass)


def _exact(rows_rf: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The strongest axes and all strengths. The triangle of the rows has their axes, and is small.

    The rows are written over: they may be many, and are held once.
    """
    basis_fk, triangle_kr = linalg.qr(rows_rf.T, overwrite_a=True, mode="economic", check_finite=False)
    turn_kk, strength_k, _ = np.linalg.svd(triangle_kr, full_matrices=False)
    return basis_fk @ turn_kk[:, :most], strength_k


def _strongest(rows_rf: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The strongest axes, by subspace iteration (Halko, Martinsson & Tropp 2011, algorithm 4.4)."""
    start = np.random.default_rng(seed).standard_normal((rows_rf.shape[1], most + _SPARE))
    found = _among_rows(rows_rf, start, most) if len(rows_rf) <= rows_rf.shape[1] else None
    return _iterated(rows_rf, start) if found is None else found


def _among_rows(rows_rf: np.ndarray, start: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Iterate on combinations of rows, whose products with one another are a small matrix, and make axes at the end.

    Products keep half of the digits, too few for axes a millionth as strong as the strongest: None where there are.
    """
    across_rr, mixed_rk = rows_rf @ rows_rf.T, np.linalg.qr(rows_rf @ start)[0]
    for _ in range(_POWERS - 1):
        mixed_rk = np.linalg.qr(across_rr @ mixed_rk)[0]
    turned_rk = across_rr @ mixed_rk
    length_k, turn_kk = np.linalg.eigh(mixed_rk.T @ turned_rk)
    if length_k[0] <= _FAINT**2 * length_k[-1]:
        return None
    turn_kk /= np.sqrt(length_k)
    _, strength_k, last_kk = np.linalg.svd(turned_rk @ turn_kk, full_matrices=False)
    return rows_rf.T @ (mixed_rk @ (turn_kk @ last_kk.T[:, :most])), strength_k[:most]


def _iterated(rows_rf: np.ndarray, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same on the axes themselves, to all digits."""
    for _ in range(_POWERS):
        block = np.linalg.qr(rows_rf.T @ (rows_rf @ block))[0]
    _, strength_k, turn_kk = np.linalg.svd(rows_rf @ block, full_matrices=False)
    return block @ turn_kk.T, strength_k
