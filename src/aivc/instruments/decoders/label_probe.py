"""The regression behind labels: what class a state is of, and how far it lies from all of them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

_SHRINK = 0.05


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
    x_nd: np.ndarray, y_nc: np.ndarray, penalty: float, start: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the regression alone.

    Args:
        x_nd: States.
        y_nc: Memberships, whose rows sum to one.
        penalty: On slopes in units of each axis' own spread.
        start: Slopes and intercepts of a fit to the same states with another penalty, which saves steps.

    Returns:
        ``(d,)`` mean state, ``(d, c)`` slopes and ``(c,)`` log odds at the mean.
    """
    center_d, width_d = x_nd.mean(axis=0), np.maximum(x_nd.std(axis=0), 1e-9)
    z_nd = (x_nd - center_d) / width_d
    (n, d), c = z_nd.shape, y_nc.shape[1]
    first = np.zeros((d + 1) * c)
    if start is not None:
        first = np.concatenate([(start[0] * width_d[:, None]).ravel(), start[1]])

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w_dc, b_c = flat[: d * c].reshape(d, c), flat[d * c :]
        logit_nc = z_nd @ w_dc + b_c
        error_nc = (softmax(logit_nc) - y_nc) / n
        loss = cross_entropy(logit_nc, y_nc) + 0.5 * penalty * float((w_dc**2).sum() + 0.01 * (b_c**2).sum())
        slope = np.concatenate(
            [(z_nd.T @ error_nc + penalty * w_dc).ravel(), error_nc.sum(axis=0) + 0.01 * penalty * b_c]
        )
        return loss, slope

    found = minimize(objective, first, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return center_d, found[: d * c].reshape(d, c) / width_d[:, None], found[d * c :]


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
    top_n = logit_nc.max(axis=1)
    normal_n = top_n + np.log(np.exp(logit_nc - top_n[:, None]).sum(axis=1))
    return float((normal_n - (y_nc * logit_nc).sum(axis=1)).mean())


def novelty(probe: Probe, x_nd: np.ndarray) -> np.ndarray:
    """``(n,)`` squared Mahalanobis distance to the nearest class; larger is less like training."""
    apart_cnd = (x_nd - mean_d for mean_d in probe.means)
    return np.asarray(np.min([((r_nd @ probe.precision) * r_nd).sum(axis=1) for r_nd in apart_cnd], axis=0))
