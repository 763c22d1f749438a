"""Metrics of stated uncertainty: whether intervals are sharp, and whether wide ones are where the errors are."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from aivc.evaluation.metrics.metric import Metric, pearson
from aivc.evaluation.metrics.panel import Panel

MISS = 0.1


def interval_score(low: np.ndarray, high: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Width of the 90 % interval plus 20 times the distance by which the truth misses it, value by value.

    It is 20 times the sum of the pinball losses of its two ends.

    >>> interval_score(np.zeros(3), np.ones(3), np.array([0.5, 1.5, -1.0])).tolist()
    [1.0, 11.0, 21.0]
    """
    missed = np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)
    return np.asarray(high - low + 2 / MISS * missed)


def weighted_interval_score(
    median_f: np.ndarray, bounds_l2f: np.ndarray, levels: Sequence[float], truth_f: np.ndarray
) -> np.ndarray:
    """Continuous ranked probability score of a forecast stated as a median and central intervals, value by value.

    The CRPS is twice the integral of the pinball loss over all quantiles. Here the integral is a sum over the quantiles
    stated, each weighted by its share of (0, 1), so that tightly spaced tails do not count for more than they are; with
    evenly spaced quantiles all but the outermost weights are equal. At the levels 0.5, 0.8, 0.9 and 0.95 its mean is 97
    to 99 % of the mean CRPS of a Gaussian, be its spread right or wrong. Like the CRPS it is proper, is in the units of
    the truth, and is the absolute error where the intervals have no width.

    Args:
        median_f: ``(f,)`` middle of the forecast.
        bounds_l2f: ``(l, 2, f)`` lower and upper end per level; a score is infinite where an end is.
        levels: ``l`` different levels between 0 and 1, in any order.
        truth_f: ``(f,)`` what came.

    >>> point = np.zeros((1, 2, 2))
    >>> weighted_interval_score(np.zeros(2), point, [0.9], np.array([3.0, -1.0])).round(9).tolist()
    [3.0, 1.0]
    """
    tails = np.asarray(levels) / 2
    quantiles_q = np.concatenate([0.5 - tails, 0.5 + tails, [0.5]])
    ends_qf = np.concatenate([bounds_l2f[:, 0], bounds_l2f[:, 1], median_f[None]])
    order = np.argsort(quantiles_q)
    sorted_q = quantiles_q[order]
    weights_q = np.diff(np.concatenate([[0.0], (sorted_q[1:] + sorted_q[:-1]) / 2, [1.0]]))
    above_qf = truth_f - ends_qf[order]
    pinball_qf = np.maximum(sorted_q[:, None] * above_qf, (sorted_q[:, None] - 1) * above_qf)
    return np.asarray(2 * (weights_q[:, None] * pinball_qf).sum(axis=0))


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
    effect = panel.true_effect
    for i, use in enumerate(_stated(panel)):
        size = float(np.abs(effect[i, use]).mean()) if use.any() else 0.0
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


def _coverage(level: float) -> Callable[[Panel], np.ndarray]:
    def covered(panel: Panel) -> np.ndarray:
        return _at(panel, level, None if panel.stated is None else panel.stated.covered)

    return covered


def _at(panel: Panel, level: float, values_pl: np.ndarray | None) -> np.ndarray:
    """``(p,)`` what is stated at a level; NaN where nothing is."""
    if panel.stated is None or values_pl is None:
        return np.full(len(panel), np.nan)
    at = np.flatnonzero(np.isclose(panel.stated.levels, level))
    return np.array(values_pl[:, at[0]], dtype=float) if len(at) else np.full(len(panel), np.nan)


def _crps(panel: Panel) -> np.ndarray:
    return np.full(len(panel), np.nan) if panel.stated is None else np.array(panel.stated.crps, dtype=float)


def _crps_normalized(panel: Panel) -> np.ndarray:
    size = _mean(np.abs(panel.true_effect), panel.usable)
    return np.divide(_crps(panel), size, out=np.full(len(panel), np.nan), where=size > 0)


def rank_products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Per pair, its share in the Spearman correlation; their mean is the correlation, 0 where either side is constant.

    >>> rank_products(np.array([1.0, 2.0, 9.0]), np.array([0.0, 5.0, 6.0])).tolist()
    [1.5, 0.0, 1.5]
    """
    x, y = (stats.rankdata(each) - (len(each) + 1) / 2 for each in (x, y))
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return np.asarray(len(x) * x * y / spread if spread > 0 else np.zeros(len(x)))


def _sigma_error(panel: Panel) -> np.ndarray:
    shares = np.full(len(panel), np.nan)
    width = _at(panel, 1 - MISS, None if panel.stated is None else panel.stated.width)
    error = _mean(np.abs(panel.predicted - panel.truth), panel.usable)
    asked = np.isfinite(width) & panel.usable.any(axis=1)
    # With two questions it is 1 or -1 whatever the method says.
    if asked.sum() > 2:
        shares[asked] = rank_products(width[asked], error[asked])
    return shares


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
COVERAGE50, COVERAGE80, COVERAGE95 = (
    Metric(
        name=f"coverage{level:.0%}".removesuffix("%"),
        label=f"Coverage of {100 * level:.0f} % intervals",
        direction="none",
        chance=None,
        best=level,
        worst=None,
        formula=f"fraction of genes whose measured mean lies in the {100 * level:.0f} % interval",
        source="Dunn, Wasserman & Ramdas 2023, J Am Stat Assoc",
        undefined="methods without intervals have none",
        compute=_coverage(level),
    )
    for level in (0.5, 0.8, 0.95)
)
CRPS = Metric(
    name="crps",
    label="CRPS",
    direction="down",
    chance=None,
    best=0.0,
    worst=None,
    formula="mean over genes of 2 × the pinball loss of median and interval ends (50, 80, 90, 95 %), each quantile "
    "weighted by its share of (0, 1); on average 97 to 99 % of the CRPS of a Gaussian. In the units of profiles",
    source="Bracher et al. 2021, PLoS Comput Biol (weighted interval score); Gneiting & Raftery 2007, J Am Stat Assoc",
    undefined="methods without intervals at all of these levels have none",
    compute=_crps,
)
CRPS_NORMALIZED = Metric(
    name="crps-normalized",
    label="CRPS / effect size",
    direction="down",
    chance=None,
    best=0.0,
    worst=None,
    formula="CRPS / mean |measured effect|; stating no change with no width scores about 1",
    source="Bracher et al. 2021, PLoS Comput Biol; normalized by the size of the measured effect",
    undefined="methods without intervals at all of these levels have none; a question without any measured effect is "
    "left out",
    compute=_crps_normalized,
)
SIGMA_ERROR_SPEARMAN = Metric(
    name="sigma-error-spearman",
    label="Spearman of uncertainty and error",
    direction="up",
    chance=0.0,
    best=1.0,
    worst=-1.0,
    formula="Spearman over all questions of (mean width of the 90 % intervals, mean |predicted - measured mean|). A "
    "question's value is its share, n × the product of both centered ranks / their spreads; the mean of all shares is "
    "the correlation, the mean of some (a stratum) is what they contribute to it",
    source="defined here",
    undefined="one width for all scores 0; fewer than three questions, or methods without intervals, have none",
    compute=_sigma_error,
)
# Not registered, so that every report does not carry them; the calibration profile names them.
ON_REQUEST = (
    WIDTH_ERROR_SPEARMAN, AURC, COVERAGE50, COVERAGE80, COVERAGE95, CRPS, CRPS_NORMALIZED, SIGMA_ERROR_SPEARMAN
)  # fmt: skip
