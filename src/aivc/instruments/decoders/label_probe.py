"""The regression behind labels: what class a state is of, and how far it lies from all of them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_SHRINK = 0.05
_STEPS, _HALVINGS, _PRODUCTS, _FLAT = 50, 20, 200, 1e-6


class Probe(NamedTuple):
    """A multinomial-logistic regression and what it takes for a state of its kind.

    Attributes:
        center: ``(d,)`` mean state.
        slopes: ``(d, c)`` log odds per unit of state.
        intercepts: ``(c,)`` log odds at the center.
        means: ``(c, d)`` mean state of each class.
        precision: ``(d, d)`` inverse covariance within classes, shrunk.
    """

    center: Float[np.ndarray, " d"]
    slopes: Float[np.ndarray, "d c"]
    intercepts: Float[np.ndarray, " c"]
    means: Float[np.ndarray, "c d"]
    precision: Float[np.ndarray, "d d"]


def fit_probe(x_nd: np.ndarray, y_nc: np.ndarray, penalty: float) -> Probe:
    """Fit the probe; slopes are penalized in units of each axis' own spread, so that no axis is favoured."""
    center_d, slopes_dc, intercepts_c = fit_slopes(x_nd, y_nc, penalty)
    share_c = y_nc.sum(axis=0)
    means_cd = (y_nc.T @ x_nd) / np.maximum(share_c, 1e-12)[:, None]
    # A class without members lies nowhere; far away it makes no state look familiar.
    within_nd = x_nd - y_nc @ means_cd
    means_cd[share_c <= 0] = center_d + 1e6 * np.maximum(x_nd.std(axis=0), 1e-9)
    return Probe(center_d, slopes_dc, intercepts_c, means_cd, _inverse(within_nd))


def fit_slopes(
    x_nd: np.ndarray,
    y_nc: np.ndarray,
    penalty: float,
    *,
    weight_n: np.ndarray | None = None,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the regression alone, by Newton steps that are solved by conjugate gradients.

    Args:
        x_nd: States.
        y_nc: Memberships, whose rows sum to one.
        penalty: On slopes in units of each axis' own spread.
        weight_n: Of states; their sum is one. Equal by default.
        start: Slopes and intercepts of a fit to the same states with another penalty, which saves steps.

    Returns:
        ``(d,)`` mean state, ``(d, c)`` slopes and ``(c,)`` log odds at the mean.
    """
    center_d, width_d = x_nd.mean(axis=0), np.maximum(x_nd.std(axis=0), 1e-9)
    z_ni = np.column_stack([(x_nd - center_d) / width_d, np.ones(len(x_nd))])
    weight_n = np.full(len(x_nd), 1 / len(x_nd)) if weight_n is None else weight_n
    # The intercept is hardly penalized, but so that the answer is one.
    penalty_i = np.r_[np.full(x_nd.shape[1], penalty), 0.01 * penalty][:, None]
    w_ic = np.zeros((z_ni.shape[1], y_nc.shape[1]))
    if start is not None:
        w_ic = np.vstack([start[0] * width_d[:, None], start[1]])
    w_ic = _minimized(z_ni, y_nc, weight_n[:, None], penalty_i, w_ic)
    return center_d, w_ic[:-1] / width_d[:, None], w_ic[-1]


def _minimized(
    z_ni: np.ndarray, y_nc: np.ndarray, weight_n1: np.ndarray, penalty_i1: np.ndarray, w_ic: np.ndarray
) -> np.ndarray:
    """Coefficients at which the penalized cross entropy is lowest."""
    loss, p_nc = _loss(z_ni @ w_ic, y_nc, weight_n1, penalty_i1, w_ic)
    for _ in range(_STEPS):
        slope_ic = z_ni.T @ (weight_n1 * (p_nc - y_nc)) + penalty_i1 * w_ic
        if np.abs(slope_ic).max() < _FLAT:
            break
        step_ic = _newton_step(z_ni, p_nc, weight_n1, penalty_i1, slope_ic)
        size, downhill = 1.0, float((step_ic * slope_ic).sum())
        for _ in range(_HALVINGS):
            tried_ic = w_ic + size * step_ic
            tried, tried_nc = _loss(z_ni @ tried_ic, y_nc, weight_n1, penalty_i1, tried_ic)
            if tried <= loss + 1e-4 * size * downhill:
                break
            size /= 2
        else:
            break
        w_ic, loss, p_nc = tried_ic, tried, tried_nc
    return w_ic


def _loss(
    logit_nc: np.ndarray, y_nc: np.ndarray, weight_n1: np.ndarray, penalty_i1: np.ndarray, w_ic: np.ndarray
) -> tuple[float, np.ndarray]:
    raised_nc = np.exp(logit_nc - logit_nc.max(axis=1, keepdims=True))
    p_nc = raised_nc / raised_nc.sum(axis=1, keepdims=True)
    fit_n = cross_entropy_rows(logit_nc, y_nc)
    return float(weight_n1[:, 0] @ fit_n) + 0.5 * float((penalty_i1 * w_ic**2).sum()), p_nc


def _newton_step(
    z_ni: np.ndarray, p_nc: np.ndarray, weight_n1: np.ndarray, penalty_i1: np.ndarray, slope_ic: np.ndarray
) -> np.ndarray:
    """Solve Hessian × step = − slope, as exactly as the size of the slope deserves."""
    step_ic, rest_ic = np.zeros_like(slope_ic), -slope_ic
    toward_ic, square = rest_ic, float((rest_ic**2).sum())
    enough = square * min(0.01, float(np.sqrt(square)))
    for _ in range(_PRODUCTS):
        moved_nc = z_ni @ toward_ic
        moved_nc = p_nc * (moved_nc - (p_nc * moved_nc).sum(axis=1, keepdims=True))
        curved_ic = z_ni.T @ (weight_n1 * moved_nc) + penalty_i1 * toward_ic
        size = square / float((toward_ic * curved_ic).sum())
        step_ic, rest_ic = step_ic + size * toward_ic, rest_ic - size * curved_ic
        before, square = square, float((rest_ic**2).sum())
        if square <= enough:
            break
        toward_ic = rest_ic + square / before * toward_ic
    return step_ic


def _inverse(residual_nd: np.ndarray) -> np.ndarray:
    covariance = residual_nd.T @ residual_nd / max(len(residual_nd), 1)
    diagonal = np.diag(np.diag(covariance) + 1e-9 * max(float(np.trace(covariance)), 1e-9))
    return np.asarray(np.linalg.inv((1 - _SHRINK) * covariance + _SHRINK * diagonal))


def logits(probe: Probe, x_nd: np.ndarray, spread_nd: np.ndarray) -> np.ndarray:
    """``(n, c)`` log odds of states ``(n, d)`` with variances ``(n, d)``, which pull them towards even."""
    return pulled((x_nd - probe.center) @ probe.slopes + probe.intercepts, probe.slopes, spread_nd)


def pulled(logit_nc: np.ndarray, slopes_dc: np.ndarray, spread_nd: np.ndarray) -> np.ndarray:
    """``(n, c)`` log odds pulled towards even by the variance of states (MacKay 1992, Neural Comput 4:720)."""
    # Only what sets classes apart can pull an answer towards even odds.
    apart_dc = slopes_dc - slopes_dc.mean(axis=1, keepdims=True)
    variance_n = (spread_nd @ apart_dc**2).max(axis=1, keepdims=True)
    return np.asarray(logit_nc / np.sqrt(1 + np.pi / 8 * variance_n))


def softmax(logit_nc: np.ndarray) -> np.ndarray:
    """``(n, c)`` probabilities; rows sum to one."""
    raised_nc = np.exp(logit_nc - logit_nc.max(axis=1, keepdims=True))
    return np.asarray(raised_nc / raised_nc.sum(axis=1, keepdims=True))


def cross_entropy(logit_nc: np.ndarray, y_nc: np.ndarray) -> float:
    """Mean over rows of minus the expected log probability."""
    return float(cross_entropy_rows(logit_nc, y_nc).mean())


def cross_entropy_rows(logit_nc: np.ndarray, y_nc: np.ndarray) -> np.ndarray:
    """``(n,)`` minus the expected log probability of each row."""
    top_n = logit_nc.max(axis=1)
    normal_n = top_n + np.log(np.exp(logit_nc - top_n[:, None]).sum(axis=1))
    return np.asarray(normal_n - (y_nc * logit_nc).sum(axis=1))


def novelty(probe: Probe, x_nd: np.ndarray) -> np.ndarray:
    """``(n,)`` squared Mahalanobis distance to the nearest class; larger is less like training."""
    apart_cnd = (x_nd - mean_d for mean_d in probe.means)
    return np.asarray(np.min([((r_nd @ probe.precision) * r_nd).sum(axis=1) for r_nd in apart_cnd], axis=0))
