"""Every score is data: its formula, its direction, its chance level, its bounds, and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from aivc.data.streaming.normalize import Block
from aivc.evaluation.metrics.panel import Panel

_FLAT = 1e-12


@final
@dataclass(frozen=True)
class Metric:
    """A score per question.

    Attributes:
        name: Registered name.
        label: As printed.
        direction: ``up``, ``down``, or ``none`` where neither is better.
        chance: Expected value without information, or None where there is no such number.
        best: Value of a perfect answer.
        worst: Value of the worst answer, or None where it is unbounded.
        formula: One line.
        source: Where it is defined.
        undefined: What happens where the formula has no value.
        compute: Panel → ``(p,)``, NaN where undefined for good reason.
        version: Raised when the same name comes to mean another number.
        pooled: Whether all questions of a fold share one value, so that no interval over questions can be given.
    """

    name: str
    label: str
    direction: str
    chance: float | None
    best: float | None
    worst: float | None
    formula: str
    source: str
    undefined: str
    compute: Callable[[Panel], np.ndarray]
    version: int = 1
    pooled: bool = False

    def to_json(self) -> dict[str, Any]:
        """Everything but the code."""
        return {key: value for key, value in vars(self).items() if key != "compute"}


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson correlation; 0 where either side is constant."""
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    # A constant prediction carries no direction; it scores what no information scores.
    return float(x @ y) / size if size > _FLAT else 0.0


def by_row(
    score: Callable[[np.ndarray, np.ndarray], float], ours: np.ndarray, real: np.ndarray, panel: Panel
) -> np.ndarray:
    """Score each question over its usable genes; NaN where there are fewer than two."""
    return np.array(
        [score(o[u], r[u]) if u.sum() > 1 else np.nan for o, r, u in zip(ours, real, panel.usable, strict=True)]
    )


def _pearson_delta(panel: Panel) -> np.ndarray:
    return by_row(pearson, panel.predicted_effect, panel.true_effect, panel)


def _pearson_systema(panel: Panel) -> np.ndarray:
    reference = panel.perturbed_mean
    return by_row(pearson, panel.predicted - reference, panel.truth - reference, panel)


def _pds_cosine(panel: Panel) -> np.ndarray:
    """Among the effects measured in the same context, and donor or batch, how near the top is the right one?"""
    ours, real = panel.predicted_effect, panel.true_effect
    where = [name for name in ("context", "donor", "batch") if name in panel.questions]
    scores = np.full(len(panel), np.nan)
    for group in panel.questions.groupby(where, sort=True).indices.values():
        # A question without a measured gene, such as one without a replicate, takes no part.
        rows = group[panel.usable[group].any(axis=1)]
        keep = ~panel.targeted & panel.usable[rows].all(axis=0)
        if len(rows) < 2 or not keep.any():
            continue
        similarity = _cosine(ours[rows][:, keep], real[rows][:, keep])
        own = np.diag(similarity)[:, None]
        # Ties count half, so that a constant prediction scores chance and not luck.
        better = (similarity > own + _FLAT).sum(axis=1)
        tied = (np.abs(similarity - own) <= _FLAT).sum(axis=1) - 1
        scores[rows] = 1 - (better + tied / 2) / (len(rows) - 1)
    return scores


def _cosine(ours: np.ndarray, real: np.ndarray) -> np.ndarray:
    lengths = [np.linalg.norm(x, axis=1, keepdims=True) for x in (ours, real)]
    units = [np.divide(x, n, out=np.zeros_like(x), where=n > _FLAT) for x, n in zip((ours, real), lengths, strict=True)]
    return np.asarray(units[0] @ units[1].T)


def _mse_unbiased(panel: Panel) -> np.ndarray:
    squared = (panel.predicted_effect - panel.true_effect) ** 2 - panel.truth_noise - panel.predicted_noise
    return np.array([row[use].mean() if use.any() else np.nan for row, use in zip(squared, panel.usable, strict=True)])


def _energy_distance(panel: Panel) -> np.ndarray:
    pairs = zip(panel.population, panel.cells, panel.usable, strict=True)
    return np.array(
        [
            energy(dense(ours)[:, use], dense(real)[:, use])
            if ours is not None and real is not None and use.any()
            else np.nan
            for ours, real, use in pairs
        ]
    )


def dense(block: Block) -> np.ndarray:
    """Return cells as a double-precision array."""
    return np.asarray(block if isinstance(block, np.ndarray) else block.toarray(), dtype=np.float64)


def energy(x_nf: np.ndarray, y_nf: np.ndarray) -> float:
    """Energy distance between two samples: ``2 E|X-Y| - E|X-X'| - E|Y-Y'|``, without self pairs.

    Unbiased, so its floor is zero in expectation and a single value can fall below it (Szekely & Rizzo 2013).

    >>> round(energy(np.zeros((3, 2)), np.ones((3, 2))), 3)
    2.828
    """
    across = distances(x_nf, y_nf).mean()
    # The distance of a cell to itself is zero, so leaving it out changes only what the sum is divided by.
    within = [distances(z, z).sum() / (len(z) * (len(z) - 1)) for z in (x_nf, y_nf)]
    return float(2 * across - within[0] - within[1])


def distances(x_nf: np.ndarray, y_nf: np.ndarray) -> np.ndarray:
    """Euclidean distances ``(n, m)``; exactly 0 between a cell and itself."""
    squared = (x_nf**2).sum(axis=1)[:, None] + (y_nf**2).sum(axis=1) - 2 * x_nf @ y_nf.T
    if x_nf is y_nf:
        np.fill_diagonal(squared, 0.0)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def _stated(panel: Panel, values: np.ndarray) -> np.ndarray:
    values = np.where(panel.usable & np.isfinite(panel.low), values, np.nan)
    known = np.isfinite(values).any(axis=1)
    scores = np.full(len(panel), np.nan)
    scores[known] = np.nanmean(values[known], axis=1)
    return scores


def _coverage90(panel: Panel) -> np.ndarray:
    return _stated(panel, ((panel.truth >= panel.low) & (panel.truth <= panel.high)).astype(float))


def _width90(panel: Panel) -> np.ndarray:
    return _stated(panel, panel.high - panel.low)


PEARSON_DELTA = Metric(
    name="pearson-delta",
    label="PearsonΔ",
    direction="up",
    chance=0.0,
    best=1.0,
    worst=-1.0,
    formula="Pearson over genes of (predicted - given control, measured - scoring control)",
    source="Ahlmann-Eltze et al. 2025, Nat Methods; real and disjoint controls on both sides, own target left out",
    undefined="a constant prediction scores 0",
    compute=_pearson_delta,
)
PEARSON_SYSTEMA = Metric(
    name="pearson-systema",
    label="PearsonΔ (Systema)",
    direction="up",
    chance=0.0,
    best=1.0,
    worst=-1.0,
    formula="Pearson over genes of (predicted - O, measured - O), O = given control + mean effect of training",
    source="Systema, Viñas Torné et al. 2025, Nat Biotechnol",
    undefined="a constant prediction scores 0",
    compute=_pearson_systema,
)
PDS_COSINE = Metric(
    name="pds-cosine",
    label="PDS (cosine)",
    direction="up",
    chance=0.5,
    best=1.0,
    worst=0.0,
    formula="1 - rank of the right effect among all measured effects of the context / (n - 1), ties count half",
    source="Virtual Cell Challenge 2026 (cell-eval2, pds_cosine); genes targeted by the panel left out",
    undefined="contexts with one question are left out",
    compute=_pds_cosine,
)
MSE_UNBIASED = Metric(
    name="mse-unbiased",
    label="MSE of effect",
    direction="down",
    chance=None,
    best=0.0,
    worst=None,
    formula="mean over genes of (predicted effect - measured effect)² - sampling variance of what was measured",
    source="Virtual Cell Challenge 2026 (cell-eval2), without its normalization and cap",
    undefined="a question without genes is left out",
    compute=_mse_unbiased,
)
ENERGY_DISTANCE = Metric(
    name="energy-distance",
    label="Energy distance",
    direction="down",
    chance=None,
    best=0.0,
    worst=None,
    formula="2 E|X-Y| - E|X-X'| - E|Y-Y'| between predicted and measured cells, without self pairs",
    source="Szekely & Rizzo 2013, J Stat Plan Inference",
    undefined="effect-level data have no cells",
    compute=_energy_distance,
)
COVERAGE90 = Metric(
    name="coverage90",
    label="Coverage of 90 % intervals",
    direction="none",
    chance=None,
    best=0.9,
    worst=None,
    formula="fraction of genes whose measured mean lies in the 90 % interval",
    source="Dunn, Wasserman & Ramdas 2023, J Am Stat Assoc",
    undefined="methods without intervals have none",
    compute=_coverage90,
)
WIDTH90 = Metric(
    name="width90",
    label="Width of 90 % intervals",
    direction="none",
    chance=None,
    best=None,
    worst=None,
    formula="mean over genes of the width of the 90 % interval; at equal coverage, narrower is better",
    source="Dunn, Wasserman & Ramdas 2023, J Am Stat Assoc",
    undefined="methods without intervals have none",
    compute=_width90,
)
