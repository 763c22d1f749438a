"""The six metrics of the Virtual Cell Challenge 2026, question by question, and the score made of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, final
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float
from scipy import sparse

from aivc.core.errors import ScoreError
from aivc.core.units import COUNTS
from aivc.evaluation.metrics.differential import (
    Control,
    direction_fidelity,
    direction_reach,
    lfc_nmae,
    significant_jaccard,
)
from aivc.evaluation.metrics.metric import Metric
from aivc.evaluation.metrics.panel import Panel
from aivc.evaluation.metrics.raw_cells import counted, raw_counts

PDS, MSE, FIDELITY, REACH, JACCARD, LFC_NMAE = range(6)
_FROM_TABLES = (direction_fidelity, direction_reach, significant_jaccard, lfc_nmae)
_TOTAL = 5e4  # a summed profile is scaled to this before its logarithm
_WHERE = ("context", "donor", "batch")
_FLAT = 1e-12
_BLOCK = 128


@final
@dataclass(frozen=True, eq=False)
class Summed:
    """Cells added up.

    Attributes:
        profile: ``(f,)`` log of one plus the counts of all cells together, scaled to 50,000.
        noise: Sampling variance of the profile, summed over features.
    """

    profile: Float[np.ndarray, " f"]
    noise: float


@final
@dataclass(frozen=True, eq=False)
class _Controls:
    summed: Summed
    sorted: Control


def add_up(counts_nf: sparse.csr_matrix) -> Summed:
    """Profile of cells taken together, and its sampling variance by leaving out one cell at a time.

    A single cell has no variance that could be known; it is taken as zero.

    >>> add_up(sparse.csr_matrix(np.array([[1.0, 3.0], [1.0, 3.0]]))).noise
    0.0
    """
    n = counts_nf.shape[0]
    total_f = np.asarray(counts_nf.sum(axis=0)).ravel()
    rest_n = total_f.sum() - np.asarray(counts_nf.sum(axis=1)).ravel()
    scaled_f = 1 + total_f * (_TOTAL / total_f.sum())
    profile_f = np.log(scaled_f)
    if n < 2:
        return Summed(profile_f, 0.0)
    present = np.flatnonzero(total_f)
    factor_n = np.divide(_TOTAL, rest_n, out=np.zeros(n), where=rest_n > 0)
    sum_f, squares_f = np.zeros((2, len(present)))
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        block_nf = counts_nf if n <= _BLOCK else counts_nf[rows]
        left_nf = total_f[present] - block_nf.toarray()[:, present]
        left_nf *= factor_n[rows, None]
        left_nf += 1
        # Deviations from the whole profile, not the profiles themselves: their squares would lose digits.
        left_nf /= scaled_f[present]
        np.log(left_nf, out=left_nf)
        sum_f += left_nf.sum(axis=0)
        squares_f += np.einsum("nf,nf->f", left_nf, left_nf)
    return Summed(profile_f, max(float((squares_f - sum_f**2 / n).sum()) * (n - 1) / n, 0.0))


def _six(panel: Panel) -> np.ndarray:
    """``(p, 6)`` all metrics in one pass over the cells; NaN where one is undefined."""
    found = np.full((len(panel), 6), np.nan)
    if not counted(panel.units):
        return found
    rows: list[int] = []
    sums: list[tuple[Summed, Summed, Summed]] = []
    for row, controls, predicted_nf, measured_nf in _questions(panel):
        rows.append(row)
        sums.append((add_up(predicted_nf), add_up(measured_nf), controls.summed))
        own = ~panel.usable[row]
        real, ours = (controls.sorted.differential(each).leaving_out(own) for each in (measured_nf, predicted_nf))
        found[row, FIDELITY:] = [score(real, ours) for score in _FROM_TABLES]
    where = [name for name in _WHERE if name in panel.questions]
    for members in panel.questions.iloc[rows].groupby(where, sort=True).indices.values():
        chosen, here = np.array(rows)[members], [sums[i] for i in members]
        profiles = [np.array([each[side].profile for each in here]) for side in range(3)]
        noises = [np.array([each[side].noise for each in here]) for side in range(3)]
        found[chosen, PDS] = _discrimination(panel, chosen, profiles)
        found[chosen, MSE] = _shares(panel.usable[chosen], profiles, noises)
    return found


def _questions(panel: Panel) -> Iterator[tuple[int, _Controls, sparse.csr_matrix, sparse.csr_matrix]]:
    """Every question that has cells on both sides and controls: its row, controls, predicted and measured counts."""
    shelf: dict[int, _Controls] = {}
    for row in range(len(panel)):
        controls, predicted, measured = panel.controls[row], panel.population[row], panel.cells[row]
        if controls is None or predicted is None or measured is None or not panel.usable[row].any():
            continue
        if id(controls) not in shelf:
            counts_mf = raw_counts(controls, panel.controls_depth[row], panel.units)
            shelf[id(controls)] = _Controls(add_up(counts_mf), Control.of(counts_mf, panel.features, units=COUNTS))
        predicted_nf = raw_counts(predicted, panel.population_depth[row], panel.units)
        measured_nf = raw_counts(measured, panel.cells_depth[row], panel.units)
        if predicted_nf.shape[0] and measured_nf.shape[0]:
            yield row, shelf[id(controls)], predicted_nf, measured_nf


def _discrimination(panel: Panel, rows: np.ndarray, profiles: list[np.ndarray]) -> np.ndarray:
    keep = ~panel.targeted & panel.usable[rows].all(axis=0)
    if len(rows) < 2 or not keep.any():
        return np.full(len(rows), np.nan)
    ours, real = ((profiles[side] - profiles[2])[:, keep] for side in (0, 1))
    units = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), _FLAT) for x in (ours, real)]
    similarity = units[0] @ units[1].T
    own = np.diag(similarity)[:, None]
    # Ties count half, so that a constant prediction scores chance and not luck.
    better = (similarity > own + _FLAT).sum(axis=1)
    tied = (np.abs(similarity - own) <= _FLAT).sum(axis=1) - 1
    return np.asarray(1 - (better + tied / 2) / (len(rows) - 1))


def _shares(usable_pf: np.ndarray, profiles: list[np.ndarray], noises: list[np.ndarray]) -> np.ndarray:
    """``n N_p / ΣD``, whose mean over questions is ``ΣN / ΣD``."""
    predicted_pf, measured_pf, control_pf = profiles
    predicted_p, measured_p, control_p = noises
    weight_p = 1 / usable_pf.sum(axis=1)
    claim_p = np.minimum(predicted_p, measured_p)
    claim = float((claim_p * weight_p).sum())
    granted = min(1.0, _spread(predicted_pf, usable_pf, weight_p) / claim) if claim > 0 else 0.0
    error_p = (np.where(usable_pf, predicted_pf - measured_pf, 0.0) ** 2).sum(axis=1)
    effect_p = (np.where(usable_pf, measured_pf - control_pf, 0.0) ** 2).sum(axis=1)
    numerator_p = (error_p - granted * claim_p - measured_p) * weight_p
    whole = float(((effect_p - measured_p - control_p) * weight_p).sum())
    # Where nothing is measured but noise there is no effect to be wrong about.
    return len(claim_p) * numerator_p / whole if whole > 0 else np.full(len(claim_p), np.nan)


def _spread(profile_pf: np.ndarray, usable_pf: np.ndarray, weight_p: np.ndarray) -> float:
    """How far predictions are spread about their own mean: no more than this can be sampling noise."""
    weight_pf = usable_pf * weight_p[:, None]
    total_f = weight_pf.sum(axis=0)
    known = usable_pf.sum(axis=0) >= 2
    shifted_pf = profile_pf - profile_pf.mean(axis=0)
    mean_f = np.divide((weight_pf * shifted_pf).sum(axis=0), total_f, out=np.zeros(len(total_f)), where=known)
    return float((weight_pf * (shifted_pf - mean_f) ** 2).sum(axis=0)[known].sum())


# Six metrics come of one pass over the cells. What is kept here is numbers per question, and only as long as the panel.
_KNOWN: WeakKeyDictionary[Panel, np.ndarray] = WeakKeyDictionary()


def _column(panel: Panel, *, which: int) -> np.ndarray:
    if panel not in _KNOWN:
        _KNOWN[panel] = _six(panel)
    return _KNOWN[panel][:, which].copy()


def challenge_scores(
    value: Mapping[str, float], baseline: Mapping[str, float], replicate: Mapping[str, float]
) -> dict[str, float]:
    """Anchored scores of the challenge: 0 at the baseline, 1 at the replicate, and ``mean``, their plain average.

    ``vcc26-mse`` is kept within 0 and 1, ``vcc26-lfc-nmae`` above -6; the others go as far below 0 as they do. A mean
    that is NaN scores as the worst the metric can be: 0 where more is better, otherwise the lowest score allowed.

    Args:
        value: Mean of each of the six metrics, by name.
        baseline: Likewise of the mean effect.
        replicate: Likewise of the experiment repeated.

    Raises:
        ScoreError: A mean is missing, or the replicate is no better than the baseline, so there is no scale.

    >>> low = {name: 0.5 for name in SIX} | {"vcc26-mse": 1.0, "vcc26-lfc-nmae": 1.0}
    >>> high = {name: 1.0 for name in SIX} | {"vcc26-mse": 0.0, "vcc26-lfc-nmae": 0.5}
    >>> challenge_scores({**high, "vcc26-pds": 0.75, "vcc26-lfc-nmae": 1.5}, low, high)["mean"].__round__(3)
    0.583
    """
    found = {}
    for name, metric in SIX.items():
        if absent := [side for side, by in _sides(value, baseline, replicate) if name not in by]:
            raise ScoreError(
                f"{name} is missing for the {' and the '.join(absent)}. Give the means of {', '.join(SIX)}."
            )
        low, high = float(baseline[name]), float(replicate[name])
        sign = 1 if metric.direction == "up" else -1
        if not sign * (high - low) > 0:
            raise ScoreError(
                f"{name} of the replicate must be better than that of the baseline, got {high:.4g} and {low:.4g}. "
                "Without a scale there is no challenge score; show the metrics as they are."
            )
        least, most = _LIMITS.get(name, (-np.inf, np.inf))
        worst = least if np.isfinite(least) else (0.0 - low) / (high - low)
        given = float(value[name])
        found[name] = float(np.clip((given - low) / (high - low), least, most)) + 0.0 if np.isfinite(given) else worst
    return {**found, "mean": float(np.mean(list(found.values())))}


def _sides(*means: Mapping[str, float]) -> list[tuple[str, Mapping[str, float]]]:
    return list(zip(("method", "baseline", "replicate"), means, strict=True))


_SOURCE = "Virtual Cell Challenge 2026 (cell-eval2 0.20, preset vcc2026)"
_NO_CELLS = "effect-level data, and data that are no counts, have none"
_TESTED = "Wilcoxon on counts per million against the controls, genes above 5 CPM there, BH 5 %, own target left out"


def _metric(which: int, **fields: Any) -> Metric:
    fields.setdefault("undefined", _NO_CELLS)
    return Metric(**fields, source=_SOURCE, compute=partial(_column, which=which))


VCC26_PDS = _metric(
    PDS,
    name="vcc26-pds",
    label="PDS (VCC 2026)",
    direction="up",
    chance=0.5,
    best=1.0,
    worst=0.0,
    formula="1 - rank of the right effect by cosine among all measured effects of the context / (n - 1), ties half; "
    "effects of log1p(5e4 Σcounts / ΣΣcounts), all targets of the panel left out",
    undefined=f"{_NO_CELLS}; contexts with one question are left out",
)
VCC26_MSE = _metric(
    MSE,
    name="vcc26-mse",
    label="MSE (VCC 2026)",
    direction="down",
    chance=1.0,
    best=0.0,
    worst=None,
    formula="n N / ΣD per question, so that the mean over a context is ΣN / ΣD: N = error² - noise of the measured - "
    "noise of the predicted, the latter at most the measured's and at most the spread of all predictions; D = effect² "
    "- noise; profiles as for PDS, noise by leaving out one cell",
    undefined=f"{_NO_CELLS}; contexts whose effects are all noise are left out",
)
VCC26_FIDELITY = _metric(
    FIDELITY,
    name="vcc26-fidelity",
    label="DE direction fidelity",
    direction="up",
    chance=None,
    best=1.0,
    worst=0.0,
    formula=f"k / max(n, N): k of n genes called significant have the right sign, N are. {_TESTED}",
    undefined=f"{_NO_CELLS}; left out where n = N = 0",
)
VCC26_REACH = _metric(
    REACH,
    name="vcc26-reach",
    label="DE direction reach",
    direction="up",
    chance=None,
    best=1.0,
    worst=0.0,
    formula="greatest depth, in the prediction's order of the really significant genes, at which 90 % of signs are "
    "right, as a share of all",
    undefined=f"{_NO_CELLS}; left out where nothing is really significant",
)
VCC26_JACCARD = _metric(
    JACCARD,
    name="vcc26-jaccard",
    label="DE Jaccard",
    direction="up",
    chance=None,
    best=1.0,
    worst=0.0,
    formula="genes significant in both / in either; 1 where in none",
)
VCC26_LFC_NMAE = _metric(
    LFC_NMAE,
    name="vcc26-lfc-nmae",
    label="LFC error",
    direction="down",
    chance=1.0,
    best=0.0,
    worst=None,
    formula="Σ|predicted - real log2 fold change| / Σ|real| over really significant genes; no change scores 1",
    undefined=f"{_NO_CELLS}; left out with fewer than ten really significant genes",
)
SIX = MappingProxyType(
    {m.name: m for m in (VCC26_PDS, VCC26_MSE, VCC26_FIDELITY, VCC26_REACH, VCC26_JACCARD, VCC26_LFC_NMAE)}
)
_LIMITS = MappingProxyType({VCC26_MSE.name: (0.0, 1.0), VCC26_LFC_NMAE.name: (-6.0, np.inf)})
