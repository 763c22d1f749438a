"""Metrics of effects: how far off, in which direction, how well distinguished, and weighted by what is certain."""

import numpy as np

from aivc.evaluation.metrics.metric import Metric, by_row
from aivc.evaluation.metrics.panel import Panel

_FLAT = 1e-12
# Equal predictions come out of a decoder in single precision, so equal distances differ in the seventh digit.
_TIED = 1e-6


def rmse(x: np.ndarray, y: np.ndarray) -> float:
    """Root of the mean squared difference.

    >>> rmse(np.array([0.0, 0.0]), np.array([1.0, 7.0]))
    5.0
    """
    return float(np.sqrt(((x - y) ** 2).mean()))


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    """Cosine of the angle between two effects; 0 where either is zero.

    >>> cosine(np.array([3.0, 4.0]), np.array([1.0, 0.0]))
    0.6
    """
    size = float(np.sqrt((x @ x) * (y @ y)))
    # No effect has no direction; it scores what no information scores.
    return float(x @ y) / size if size > _FLAT else 0.0


def certainty(effect_pf: np.ndarray, noise_pf: np.ndarray, usable_pf: np.ndarray) -> np.ndarray:
    """Weights ``(p, f)`` that sum to 1 per question: the square of ``|effect| / standard error``, scaled to 0..1.

    A gene without sampling variance weighs nothing. A question in which all genes are equally certain is NaN
    throughout: it has no scale.

    >>> certainty(np.array([[0.0, 1.0, -4.0]]), np.ones((1, 3)), np.ones((1, 3), dtype=bool)).round(3).tolist()
    [[0.0, 0.059, 0.941]]
    """
    known = usable_pf & np.isfinite(noise_pf) & (noise_pf > 0)
    t_pf = np.where(known, np.abs(effect_pf) / np.sqrt(np.where(known, noise_pf, 1.0)), 0.0)
    weights = np.full(t_pf.shape, np.nan)
    for row, t_f, use in zip(weights, t_pf, usable_pf, strict=True):
        if use.any() and np.ptp(t_f[use]) > _FLAT:
            row[:] = np.where(use, (t_f - t_f[use].min()) / np.ptp(t_f[use]), 0.0) ** 2
            row /= row.sum()
    return weights


def _weights(panel: Panel) -> np.ndarray:
    return certainty(panel.true_effect, panel.truth_noise, panel.usable)


def _squares(panel: Panel, centered_pf: np.ndarray) -> np.ndarray:
    """Weighted sum of squares per question; what is not usable is not read."""
    return np.asarray((_weights(panel) * np.where(panel.usable, centered_pf, 0.0) ** 2).sum(axis=1))


def _wmse(panel: Panel) -> np.ndarray:
    return _squares(panel, panel.predicted_effect - panel.true_effect)


def _r2_weighted(panel: Panel) -> np.ndarray:
    effect_pf = np.where(panel.usable, panel.true_effect, 0.0)
    mean = (_weights(panel) * effect_pf).sum(axis=1, keepdims=True)
    spread = _squares(panel, effect_pf - mean)
    known = spread > _FLAT
    return 1 - np.divide(_wmse(panel), spread, out=np.full(len(panel), np.nan), where=known)


def _rmse_delta(panel: Panel) -> np.ndarray:
    return by_row(rmse, panel.predicted_effect, panel.true_effect, panel)


def _cosine_delta(panel: Panel) -> np.ndarray:
    return by_row(cosine, panel.predicted_effect, panel.true_effect, panel)


def _placed(panel: Panel, *, transposed: bool) -> np.ndarray:
    """Share of the others of the same fold and context that are nearer than the right one; ties count half.

    Others are the measured effects of other questions, or, transposed, the predictions for them. Only within a fold
    were all of them kept from training alike: a mean over training perturbations holds the truth of other folds.
    """
    where = [name for name in ("fold", "context", "donor", "batch") if name in panel.questions]
    scores = np.full(len(panel), np.nan)
    predicted, measured = panel.predicted_effect, panel.true_effect
    for members in panel.questions.groupby(where, sort=True).indices.values():
        rows = members[panel.usable[members].any(axis=1)]
        keep = ~panel.targeted & panel.usable[rows].all(axis=0)
        if len(rows) < 2 or not keep.any():
            continue
        ours, real = predicted[rows][:, keep], measured[rows][:, keep]
        distance = _squared_distances(*((real, ours) if transposed else (ours, real)))
        own, slack = np.diag(distance)[:, None], _TIED * distance.max()
        nearer = (distance < own - slack).sum(axis=1)
        tied = (np.abs(distance - own) <= slack).sum(axis=1) - 1
        scores[rows] = (nearer + tied / 2) / (len(rows) - 1)
    return scores


def _squared_distances(x_pf: np.ndarray, y_qf: np.ndarray) -> np.ndarray:
    squared = (x_pf**2).sum(axis=1)[:, None] + (y_qf**2).sum(axis=1) - 2 * x_pf @ y_qf.T
    return np.maximum(squared, 0.0)


def _centroid_accuracy(panel: Panel) -> np.ndarray:
    return 1 - _placed(panel, transposed=False)


def _rank_perturbench(panel: Panel) -> np.ndarray:
    return _placed(panel, transposed=True)


RMSE_DELTA = Metric(
    name="rmse-delta",
    label="RMSE of effect",
    direction="down",
    chance=None,
    best=0.0,
    worst=None,
    formula="root of the mean over genes of (predicted effect - measured effect)²; holds the noise of the measurement",
    source="PerturBench, Wu et al. 2024; of effects, real and disjoint controls on both sides",
    undefined="a question with fewer than two genes is left out",
    compute=_rmse_delta,
)
COSINE_DELTA = Metric(
    name="cosine-delta",
    label="Cosine of effect",
    direction="up",
    chance=0.0,
    best=1.0,
    worst=-1.0,
    formula="cosine over genes of (predicted - given control, measured - scoring control)",
    source="PerturBench, Wu et al. 2024; real and disjoint controls on both sides, own target left out",
    undefined="a prediction of no effect scores 0",
    compute=_cosine_delta,
)
CENTROID_ACCURACY = Metric(
    name="centroid-accuracy",
    label="Centroid accuracy",
    direction="up",
    chance=0.5,
    best=1.0,
    worst=0.0,
    formula="share of the fold's other measured effects farther (Euclid) from this prediction than the right one, "
    "ties count half",
    source="Systema, Viñas Torné et al. 2025, Nat Biotechnol; of effects, genes targeted by the panel left out",
    undefined="folds with one question in a context are left out",
    compute=_centroid_accuracy,
)
RANK_PERTURBENCH = Metric(
    name="rank-perturbench",
    label="Rank (PerturBench)",
    direction="down",
    chance=0.5,
    best=0.0,
    worst=1.0,
    formula="share of the fold's predictions for other questions nearer (Euclid) to this measured effect than its own, "
    "ties count half",
    source="PerturBench, Wu et al. 2024; of effects, genes targeted by the panel left out",
    undefined="folds with one question in a context are left out",
    compute=_rank_perturbench,
)
WMSE = Metric(
    name="wmse",
    label="Weighted MSE",
    direction="down",
    chance=None,
    best=0.0,
    worst=None,
    formula="Σ w (predicted effect - measured effect)², w ~ (|t| scaled to 0..1)², t = measured effect / its standard "
    "error",
    source="Mejia et al. 2025; t against control rather than against all other perturbations",
    undefined="a question whose measured effect has no sampling variance is left out",
    compute=_wmse,
)
R2_WEIGHTED = Metric(
    name="r2-weighted",
    label="Weighted R² of effect",
    direction="up",
    chance=None,
    best=1.0,
    worst=None,
    formula="1 - Σ w (predicted effect - measured effect)² / Σ w (measured effect - its weighted mean)², w as in wmse",
    source="Mejia et al. 2025; t against control rather than against all other perturbations",
    undefined="a question whose measured effect has no sampling variance, or no weighted spread, is left out",
    compute=_r2_weighted,
)
