"""The three metrics of the Virtual Cell Challenge 2025, question by question, and the score made of them."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from scipy import sparse
from scipy.stats import false_discovery_control

from aivc.core.errors import ScoreError
from aivc.core.perturbation import Perturbation
from aivc.core.units import log1p_target
from aivc.data.names.own_genes import GeneColumns
from aivc.data.streaming.normalize import Block
from aivc.evaluation.metrics.differential import Control
from aivc.evaluation.metrics.metric import Metric
from aivc.evaluation.metrics.panel import Panel

_ALPHA = 0.05
_NO_GATE = -1.0
_WHERE = ("context", "donor", "batch")


def own_targets(panel: Panel) -> np.ndarray:
    """``(p, f)`` True for a gene that the question's own perturbation targets."""
    features = GeneColumns.of(panel.features)
    return np.array([features.own(Perturbation.parse(str(text)).genes) for text in panel.questions["perturbation"]])


def _members(panel: Panel, rows: np.ndarray) -> list[np.ndarray]:
    """Rows of the same context, donor and batch."""
    where = [name for name in _WHERE if name in panel.questions]
    return [rows[each] for each in panel.questions.iloc[rows].groupby(where, sort=True).indices.values()]


def _asked(panel: Panel) -> np.ndarray:
    """Questions with a measured gene; one without a replicate has none."""
    return np.flatnonzero(panel.usable.any(axis=1))


def _mae(panel: Panel) -> np.ndarray:
    found = np.full(len(panel), np.nan)
    measured = panel.usable | own_targets(panel)
    for row in _asked(panel):
        found[row] = np.abs(panel.predicted[row] - panel.truth[row])[measured[row]].mean()
    return found


def _pds_l1(panel: Panel) -> np.ndarray:
    found = np.full(len(panel), np.nan)
    own, predicted, measured = own_targets(panel), panel.predicted_effect, panel.true_effect
    for rows in _members(panel, _asked(panel)):
        shared = (panel.usable[rows] | own[rows]).all(axis=0)
        if len(rows) < 2 or not shared.any():
            continue
        for position, row in enumerate(rows):
            keep = shared & ~own[row]
            distance = np.abs(measured[rows][:, keep] - predicted[row, keep]).sum(axis=1)
            # Equal distances differ in their last digits, by the order in which they were summed.
            slack = 1e-9 * distance.max()
            nearer = int((distance < distance[position] - slack).sum())
            tied = int((np.abs(distance - distance[position]) <= slack).sum()) - 1
            found[row] = 1 - (nearer + tied / 2) / len(rows)
    return found


def _des(panel: Panel) -> np.ndarray:
    found = np.full(len(panel), np.nan)
    if log1p_target(panel.units) is None:
        return found
    blocks = zip(panel.population, panel.cells, panel.controls, strict=True)
    here = [row for row, trio in enumerate(blocks) if all(each is not None and each.shape[0] for each in trio)]
    asked = np.intersect1d(_asked(panel), np.array(here, dtype=int))
    shelf: dict[int, tuple[Control, np.ndarray]] = {}
    for rows in _members(panel, asked):
        real, ours = (_table(panel, rows, side, shelf) for side in (panel.cells, panel.population))
        for row, *sides in zip(rows, *real, *ours, strict=True):
            found[row] = _overlap(*sides)
    return found


def _table(
    panel: Panel, rows: np.ndarray, side: tuple[Block | None, ...], shelf: dict[int, tuple[Control, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Which genes are significant, and how large their fold changes are: ``(r, f)`` each."""
    p_rf, size_rf = np.empty((2, len(rows), len(panel.features)))
    for i, row in enumerate(rows):
        controls, cells = panel.controls[row], side[row]
        assert controls is not None
        assert cells is not None
        if id(controls) not in shelf:
            sound = _sound(controls)
            made = Control.of(sound, panel.features, units=panel.units, gate_cpm=_NO_GATE)
            shelf[id(controls)] = made, _mean(sound)
        control, control_f = shelf[id(controls)]
        sound = _sound(cells)
        p_rf[i] = control.differential(sound).p
        with np.errstate(divide="ignore", invalid="ignore"):
            size_rf[i] = np.abs(np.log2(np.expm1(_mean(sound)) / np.expm1(control_f)))
    # One family of tests for the whole context, as in 2025.
    adjusted_rf = false_discovery_control(p_rf.ravel()).reshape(p_rf.shape)
    return adjusted_rf < _ALPHA, np.nan_to_num(size_rf, nan=0.0, posinf=np.inf)


def _sound(block: Block) -> sparse.csr_matrix:
    sound = sparse.csr_matrix(block, dtype=np.float64, copy=True)
    np.maximum(sound.data, 0.0, out=sound.data)
    return sound


def _mean(block: sparse.csr_matrix) -> np.ndarray:
    return np.asarray(block.mean(axis=0)).ravel()


def _overlap(real_f: np.ndarray, real_size_f: np.ndarray, ours_f: np.ndarray, size_f: np.ndarray) -> float:
    """Share of the really significant genes among as many predicted ones, those of the largest fold change."""
    count = int(real_f.sum())
    called = np.flatnonzero(ours_f)
    top = called[np.argsort(-size_f[called], kind="stable")][:count]
    return float(real_f[top].sum() / count) if count else 0.0


def challenge_scores_2025(value: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, float]:
    """Scores of the challenge: 0 at the baseline or worse, 1 is perfect, and ``mean``, their plain average.

    Args:
        value: Mean of each of the three metrics, by name.
        baseline: Likewise of the mean effect.

    Raises:
        ScoreError: The baseline is perfect already, or a mean is missing.

    >>> scores = {"vcc25-mae": 0.05, "vcc25-pds": 0.75, "vcc25-des": 0.1}
    >>> challenge_scores_2025(scores, {"vcc25-mae": 0.1, "vcc25-pds": 0.5, "vcc25-des": 0.2})["mean"].__round__(3)
    0.333
    """
    found = {}
    for name, metric in THREE.items():
        if name not in value or name not in baseline:
            raise ScoreError(
                f"{name} is missing. Give the means of {', '.join(THREE)}, of the method and the baseline."
            )
        best, low = float(metric.best or 0.0), float(baseline[name])
        if low == best:
            raise ScoreError(
                f"The baseline is perfect by {name}, so nothing can be scored against it. Show the metric."
            )
        given = float(value[name])
        found[name] = max((given - low) / (best - low), 0.0) if np.isfinite(given) else 0.0
    return {**found, "mean": float(np.mean(list(found.values())))}


_SOURCE = "Virtual Cell Challenge 2025 (cell-eval 0.8)"
VCC25_MAE = Metric(
    name="vcc25-mae",
    label="MAE (VCC 2025)",
    direction="down",
    chance=None,
    best=0.0,
    worst=None,
    formula="mean over all measured genes, the target too, of |predicted - measured| mean profile",
    source=_SOURCE,
    undefined="a question without genes is left out",
    compute=_mae,
)
VCC25_PDS = Metric(
    name="vcc25-pds",
    label="PDS (VCC 2025)",
    direction="up",
    chance=None,
    best=1.0,
    worst=0.0,
    formula="1 - rank of the right effect by L1 distance among all n measured effects of the context / n, its own "
    "target left out; ties count half, where the original takes them in order",
    source=_SOURCE,
    undefined="contexts with one question are left out",
    compute=_pds_l1,
)
VCC25_DES = Metric(
    name="vcc25-des",
    label="DES (VCC 2025)",
    direction="up",
    chance=None,
    best=1.0,
    worst=0.0,
    formula="share of the N really significant genes among the N called ones of largest |log fold change|; Wilcoxon, "
    "one BH family of 5 % over all genes and questions of the context; 0 where N = 0",
    source=_SOURCE,
    undefined="effect-level data, and data that are no counts, have no cells to test",
    compute=_des,
)
THREE = MappingProxyType({each.name: each for each in (VCC25_MAE, VCC25_PDS, VCC25_DES)})
