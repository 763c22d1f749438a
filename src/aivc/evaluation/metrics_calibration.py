"""Metrics of stated uncertainty: whether intervals are sharp, and whether wide ones are where the errors are."""

import numpy as np
from scipy import stats

from aivc.evaluation.metrics import Metric, pearson
from aivc.evaluation.panel import Panel

MISS = 0.1


def interval_score(low: np.ndarray, high: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Width of the 90 % interval plus 20 times the distance by which the truth misses it, value by value.

    It is 20 times the sum of the pinball losses of its two ends.

    >>> interval_score(np.zeros(3), np.ones(3), np.array([0.5, 1.5, -1.0])).tolist()
    [1.0, 11.0, 21.0]
    """
    missed = np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)
    return np.asarray(high - low + 2 / MISS * missed)


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation of ranks, tied values sharing theirs; 0 where either side is constant.

    >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([0.0, 5.0, 6.0]))
    1.0
    """
    return float(round(pearson(stats.rankdata(x), stats.rankdata(y)), 12))


def risk_coverage(risk: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Per question, its share in the area under the risk-coverage curve; their mean is the area.

    Questions are answered from the narrowest to the widest. The risk at coverage k/n is the mean risk of the first k,
    and the area is its mean over k: the i-th question counts ``1/i + ... + 1/n`` times. Tied questions share.

    >>> risk_coverage(np.array([1.0, 3.0]), np.array([0.1, 0.2])).tolist()  # (1 + 2) / 2 = 1.5
    [1.5, 1.5]
    """
    order = np.argsort(width, kind="stable")
    counts = np.cumsum(1 / np.arange(len(width), 0, -1))[::-1]
    group = np.unique(width[order], return_inverse=True)[1]
    shared = np.bincount(group, counts) / np.bincount(group)
    shares = np.empty(len(width))
    shares[order] = shared[group]
    return risk * shares


def _stated(panel: Panel) -> np.ndarray:
    """``(p, f)`` True where an interval is stated for a gene that counts."""
    return panel.usable & np.isfinite(panel.low) & np.isfinite(panel.high)


def _interval_score(panel: Panel) -> np.ndarray:
    scores = np.full(len(panel), np.nan)
    for i, use in enumerate(_stated(panel)):
        size = float(np.abs(panel.true_effect[i, use]).mean()) if use.any() else 0.0
        if size > 0:
            scored = interval_score(panel.low[i, use], panel.high[i, use], panel.truth[i, use])
            scores[i] = scored.mean() / size
    return scores


def _width_error(panel: Panel) -> np.ndarray:
    width, error = panel.high - panel.low, np.abs(panel.predicted - panel.truth)
    return np.array(
        [spearman(w[u], e[u]) if u.sum() > 1 else np.nan for w, e, u in zip(width, error, _stated(panel), strict=True)]
    )


def _aurc(panel: Panel) -> np.ndarray:
    stated, scores = _stated(panel), np.full(len(panel), np.nan)
    asked = stated.any(axis=1)
    if asked.any():
        wide = _mean(panel.high - panel.low, stated)[asked]
        risk = _mean(np.abs(panel.predicted - panel.truth), stated)[asked]
        scores[asked] = risk_coverage(risk, wide)
    return scores


def _mean(values_pf: np.ndarray, use_pf: np.ndarray) -> np.ndarray:
    return np.where(use_pf, values_pf, 0.0).sum(axis=1) / np.maximum(use_pf.sum(axis=1), 1)


INTERVAL_SCORE = Metric(
    name="interval-score",
    label="Interval score (90 %)",
    direction="down",
    chance=None,
    best=0.0,
    worst=None,
    formula="mean over genes of (width of the 90 % interval + 20 × distance by which the measured mean misses it) / "
    "mean |measured effect|; stating no change with no width scores about 20",
    source="Gneiting & Raftery 2007, J Am Stat Assoc; normalized by the size of the measured effect",
    undefined="methods without intervals have none; a question without any measured effect is left out",
    compute=_interval_score,
)
WIDTH_ERROR_SPEARMAN = Metric(
    name="width-error-spearman",
    label="Spearman of width and error",
    direction="up",
    chance=0.0,
    best=1.0,
    worst=-1.0,
    formula="Spearman over genes of (width of the 90 % interval, |predicted - measured mean|)",
    source="defined here; part of it comes from highly expressed genes, which are noisier",
    undefined="intervals of one width score 0; methods without intervals have none",
    compute=_width_error,
)
AURC = Metric(
    name="aurc",
    label="Area under risk-coverage",
    direction="down",
    chance=None,
    best=0.0,
    worst=None,
    formula="mean over k of the mean |predicted - measured mean| of the k questions with the narrowest 90 % intervals; "
    "the mean error where widths say nothing. A question's value is its share",
    source="Geifman & El-Yaniv 2017, NeurIPS; of mean profiles, answered in the order of the mean width",
    undefined="methods without intervals have none",
    compute=_aurc,
)
