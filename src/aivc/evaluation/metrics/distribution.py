"""Metrics of populations: whether predicted cells are spread as the measured ones are."""

from collections.abc import Callable

import numpy as np

from aivc.evaluation.metrics.metric import Metric, dense, distances
from aivc.evaluation.metrics.panel import Panel

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
# A gene seen in fewer measured cells has too few values for a variance.
EXPRESSED = 0.1


def mmd(x_nf: np.ndarray, y_nf: np.ndarray) -> float:
    """Squared maximum mean discrepancy of predicted cells ``x`` from measured cells ``y``, without self pairs.

    The kernel is Gaussian, ``exp(-d² / (s m))``, with m the median squared distance between measured cells, so that it
    does not depend on the prediction; averaged over s in `BANDWIDTHS`. Unbiased, so a single value can fall below 0
    (Gretton et al. 2012). NaN where measured cells are alike, or either side has fewer than two cells.

    >>> far, near = np.full((2, 1), 1e6), np.array([[0.0], [1.0]])
    >>> round(mmd(far, near), 3)
    1.381
    """
    if min(len(x_nf), len(y_nf)) < 2:
        return float("nan")
    within = distances(y_nf, y_nf) ** 2
    scale = float(np.median(within[~np.eye(len(y_nf), dtype=bool)]))
    if scale <= 0:
        return float("nan")
    squared = (distances(x_nf, x_nf) ** 2, within, distances(x_nf, y_nf) ** 2)
    return float(np.mean([_mmd(*(np.exp(-d / (s * scale)) for d in squared)) for s in BANDWIDTHS]))


def _mmd(own: np.ndarray, real: np.ndarray, across: np.ndarray) -> float:
    # The kernel of a cell with itself is 1.
    within = [(k.sum() - len(k)) / (len(k) * (len(k) - 1)) for k in (own, real)]
    return float(within[0] + within[1] - 2 * across.mean())


def variance_ratio(x_nf: np.ndarray, y_nf: np.ndarray) -> float:
    """Median over genes of the variance among predicted cells over that among measured cells.

    Over genes that vary, and are not zero in a tenth of the measured cells or more. NaN where there is none, or either
    side has fewer than two cells.

    >>> variance_ratio(np.array([[1.0, 0.0], [5.0, 0.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    2.0
    """
    if min(len(x_nf), len(y_nf)) < 2:
        return float("nan")
    ours, real = x_nf.var(axis=0, ddof=1), y_nf.var(axis=0, ddof=1)
    known = (real > 0) & ((y_nf != 0).mean(axis=0) >= EXPRESSED)
    return float(np.median(ours[known] / real[known])) if known.any() else float("nan")


def _by_population(score: Callable[[np.ndarray, np.ndarray], float], panel: Panel) -> np.ndarray:
    return np.array(
        [
            score(dense(ours)[:, use], dense(real)[:, use])
            if ours is not None and real is not None and use.any()
            else np.nan
            for ours, real, use in zip(panel.population, panel.cells, panel.usable, strict=True)
        ]
    )


def _mmd_rbf(panel: Panel) -> np.ndarray:
    return _by_population(mmd, panel)


def _variance_ratio(panel: Panel) -> np.ndarray:
    return _by_population(variance_ratio, panel)


MMD_RBF = Metric(
    name="mmd-rbf",
    label="MMD² (Gaussian)",
    direction="down",
    chance=None,
    best=0.0,
    worst=2.0,
    formula="E k(X,X') + E k(Y,Y') - 2 E k(X,Y) without self pairs, k = exp(-d²/(s m)), m = median d² between measured "
    "cells, mean over s = 1/4, 1/2, 1, 2, 4",
    source="Gretton et al. 2012, J Mach Learn Res",
    undefined="effect-level data have no cells; measured cells that are all alike have no scale",
    compute=_mmd_rbf,
)
VARIANCE_RATIO = Metric(
    name="variance-ratio",
    label="Variance ratio",
    direction="none",
    chance=None,
    best=1.0,
    worst=None,
    formula="median over genes of variance among predicted cells / variance among measured cells, over genes that vary "
    "and are not zero in a tenth of the measured cells",
    source="defined here; below 1 predicted cells are too alike, above 1 too different",
    undefined="effect-level data have no cells; a question without such genes is left out",
    compute=_variance_ratio,
)
