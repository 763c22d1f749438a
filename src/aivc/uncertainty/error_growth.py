"""How large errors on held-out perturbations are, by feature, and how they grow with what was said beforehand."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aivc.core.calibration import Growth

# Below so many perturbations nothing is learned of how errors grow.
_FEWEST = 10
# As much as this many perturbations weigh, both slopes are drawn toward zero, and the logarithm of the share of a
# feature's own squared effect toward -1: few strong perturbations decide on it.
_RIDGE, _OWN_RIDGE, _OWN = 2.0, 1.0, -1.0
# Features that the slopes are learned from: errors of one perturbation rise and fall together.
_FEATURES = 400
_ROUNDS = 3


class Grown(NamedTuple):
    """Expected squared errors of the model itself.

    Attributes:
        growth: How they grow with what was said.
        model: ``(f,)`` variance of the model's error where it is multiplied by 1.
        others: ``(p, f)`` the whole variance expected of each held-out perturbation by all the others.
    """

    growth: Growth
    model: Float[np.ndarray, " f"]
    others: Float[np.ndarray, "p f"]


def fit_growth(
    error_pf: np.ndarray, noise_pf: np.ndarray, effect_pf: np.ndarray, spread_pf: np.ndarray, floor: float
) -> Grown:
    """Fit the variances under which the errors are likeliest, every perturbation counting the same.

    The errors of a perturbation are taken for Gaussian with variance ``noise + model * factor + own * effect²``; slopes
    are found by maximum likelihood with a ridge penalty (location-scale regression; Harvey 1976, Econometrica), the
    variance of each feature as the mean of its squared errors over their factors, in turns.

    Args:
        error_pf: Measured less predicted; NaN where not measured.
        noise_pf: Sampling variance of what was measured.
        effect_pf: Predicted effects.
        spread_pf: Standard deviations across draws.
        floor: Least variance.
    """
    square_pf = error_pf**2
    least = 0.01 * float(np.nanmean(square_pf)) + 1e-12
    logs_pk = np.log(np.array([(effect_pf**2).mean(axis=1), (spread_pf**2).mean(axis=1)]).T + least)
    middle_k, width_k = logs_pk.mean(axis=0), logs_pk.std(axis=0) + 0.1
    z_pk = (logs_pk - middle_k) / width_k
    slopes_k, level, own = np.zeros(2), 0.0, 0.0
    if len(error_pf) >= _FEWEST:
        some = np.random.default_rng(0).permutation(error_pf.shape[1])[:_FEATURES]
        taken = square_pf[:, some], noise_pf[:, some], effect_pf[:, some] ** 2
        slopes_k, level, own = _slopes(*taken, z_pk, floor)
    factor_p = np.exp(z_pk @ slopes_k)
    model_f, others_pf = _by_feature(square_pf - noise_pf, factor_p, floor)
    growth = Growth(np.array([middle_k, width_k, z_pk.min(axis=0), z_pk.max(axis=0), slopes_k]).T, own, least)
    whole_pf = noise_pf + np.exp(level) * factor_p[:, None] * others_pf + own * effect_pf**2
    return Grown(growth, np.exp(level) * model_f, whole_pf)


def _by_feature(excess_pf: np.ndarray, factor_p: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """``(f,)`` mean excess over its factor, and ``(p, f)`` the same without each perturbation's own."""
    scaled_pf = excess_pf / factor_p[:, None]
    known_pf = np.isfinite(scaled_pf)
    total_f, known_f = np.nansum(scaled_pf, axis=0), known_pf.sum(axis=0)
    others_pf = (total_f - np.nan_to_num(scaled_pf)) / np.maximum(known_f - known_pf, 1)
    return np.maximum(total_f / np.maximum(known_f, 1), floor), np.maximum(others_pf, floor)


def _slopes(
    square_pf: np.ndarray, noise_pf: np.ndarray, effect2_pf: np.ndarray, z_pk: np.ndarray, floor: float
) -> tuple[np.ndarray, float, float]:
    """Two slopes, the level of the model's variance, and the share of each feature's own squared effect."""
    # Slow to import, and a fitted cell does not need it.
    from scipy.optimize import minimize

    share_pf = np.isfinite(square_pf) / np.maximum(np.isfinite(square_pf).sum(axis=1, keepdims=True), 1)
    known_pf = np.nan_to_num(square_pf)
    at = np.array([0.0, 0.0, 0.0, _OWN])
    for _ in range(_ROUNDS):
        model_f, _others = _by_feature(square_pf - noise_pf, np.exp(z_pk @ at[:2]), floor)

        def loss(x: np.ndarray, model_f: np.ndarray = model_f) -> tuple[float, np.ndarray]:
            grown_pf = np.exp(z_pk @ x[:2] + x[2])[:, None] * model_f
            whole_pf = noise_pf + grown_pf + np.exp(x[3]) * effect2_pf
            value = (share_pf * (np.log(whole_pf) + known_pf / whole_pf)).sum() / 2
            value += (_RIDGE * float(x[:2] @ x[:2]) + _OWN_RIDGE * (x[3] - _OWN) ** 2) / 2
            slope_pf = share_pf * (1 / whole_pf - known_pf / whole_pf**2) / 2
            grows_p = (slope_pf * grown_pf).sum(axis=1)
            own = float((slope_pf * effect2_pf).sum() * np.exp(x[3])) + _OWN_RIDGE * (x[3] - _OWN)
            return float(value), np.array([*(z_pk.T @ grows_p + _RIDGE * x[:2]), grows_p.sum(), own])

        bounds = [(-1.5, 1.5), (-1.5, 1.5), (-3.0, 3.0), (-9.0, 1.0)]
        at = minimize(loss, at, jac=True, method="L-BFGS-B", bounds=bounds).x
    return at[:2], float(at[2]), float(np.exp(at[3]))
