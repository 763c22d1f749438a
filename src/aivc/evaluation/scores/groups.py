"""Questions by what makes them easy or hard: whether their effect repeats, how strong it is, what the method said."""

from typing import Any

import numpy as np
import pandas as pd

from aivc.evaluation.metrics.panel import Panel
from aivc.evaluation.scores.comparison import nanmean

# Perturbations whose two halves agree at least this well can be predicted by anybody at all.
RELIABLE = 0.4
_STRENGTHS = ("weak", "middle", "strong")
_FEWEST = 6
RULE = (
    f"reliable: the two halves of the measured effect correlate at {RELIABLE} or more. The halves choose, so PearsonΔ "
    "of the replicate is high there by selection. weak, middle, strong: thirds of the questions by the size of the "
    "measured effect, less its noise."
)
ORDER = ("reliable", "unreliable", *reversed(_STRENGTHS))


def labels(panel: Panel, agreement: np.ndarray) -> pd.DataFrame:
    """Name the strata of each question; empty where they are not known.

    Args:
        panel: Of any method.
        agreement: ``(p,)`` correlation of the two halves of each measured effect.

    Returns:
        ``p`` rows with ``reliability`` and ``strength``.
    """
    known = np.isfinite(agreement)
    reliable = np.where(known, np.where(agreement >= RELIABLE, "reliable", "unreliable"), "")
    return pd.DataFrame({"reliability": reliable, "strength": _strengths(panel)})


def _strengths(panel: Panel) -> np.ndarray:
    return _thirds(panel.true_effect**2 - panel.truth_noise, panel.usable)


def _thirds(squares_pf: np.ndarray, usable_pf: np.ndarray) -> np.ndarray:
    """``(p,)`` thirds by the mean square over usable features; empty where there are too few questions."""
    count = usable_pf.sum(axis=1)
    total = np.where(usable_pf, squares_pf, 0.0).sum(axis=1)
    size = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    found = np.full(len(squares_pf), "", dtype=object)
    known = np.flatnonzero(np.isfinite(size))
    if len(known) >= _FEWEST:
        rank = np.argsort(np.argsort(size[known], kind="stable"), kind="stable")
        found[known] = np.array(_STRENGTHS, dtype=object)[rank * len(_STRENGTHS) // len(known)]
    return found


def calibration(panel: Panel, named: pd.DataFrame) -> dict[str, Any]:
    """Coverage and width of intervals, over all questions and within each context, strength and verdict.

    Strength is given twice: as it was measured, which nobody knows when an interval is stated, and as it was predicted.

    Args:
        panel: With intervals.
        named: ``p`` rows with ``strength`` and ``applicability``.
    """
    stated = panel.stated
    assert stated is not None
    groups = {"context": panel.questions["context"], "strength": named["strength"]}
    groups |= {"predicted-strength": pd.Series(_thirds(panel.predicted_effect**2, panel.usable))}
    groups |= {"applicability": named["applicability"]}
    by: dict[str, dict[str, Any]] = {}
    for name, values in groups.items():
        by[name] = {
            str(label): {"n": int(mask.sum()), "covered": _listed(nanmean(stated.covered[mask]))}
            for label in sorted(set(map(str, values)) - {""})
            if (mask := (values.astype(str).to_numpy() == label) & np.isfinite(stated.covered).any(axis=1)).any()
        }
    overall = {"covered": _listed(nanmean(stated.covered)), "width": _listed(nanmean(stated.width))}
    return {"levels": list(stated.levels), **overall, "by": by}


def _listed(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
