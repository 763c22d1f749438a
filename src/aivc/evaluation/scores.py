"""Scores as a table: raw and anchored, with bootstrap intervals over perturbations, and nothing left blank."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.evaluation.metrics import Metric, pearson
from aivc.evaluation.panel import Panel

FORMAT = 1
BASELINE, CEILING = "mean-effect", "replicate"
# Perturbations whose two halves agree at least this well can be predicted by anybody at all.
RELIABLE = 0.4
_RESAMPLES = 2000


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """The outcome of one evaluation.

    Attributes:
        table: One row per method, fold, context and perturbation; one column per metric, NaN where undefined.
        body: The JSON that `aivc evaluate` writes: scores, strata, calibration, halves, failures.
    """

    table: pd.DataFrame
    body: Mapping[str, Any]

    @property
    def scores(self) -> Mapping[str, Mapping[str, Any]]:
        """Method → metric → value, low, high, anchored, n, undefined."""
        scores: Mapping[str, Mapping[str, Any]] = self.body["scores"]
        return scores

    def value(self, method: str, metric: str) -> float:
        """Return one mean score; NaN where it is undefined."""
        found = self.scores[method][metric]["value"]
        return float("nan") if found is None else float(found)

    def to_json(self) -> dict[str, Any]:
        """Return what is written to ``scores.json``."""
        return dict(self.body)

    @classmethod
    def of(
        cls,
        panels: Mapping[str, Panel],
        metrics: Sequence[Metric],
        *,
        calibration: Mapping[str, Mapping[str, list[float]]],
        applicability: Mapping[str, list[str]],
        failures: Mapping[str, str],
        about: Mapping[str, Any],
    ) -> "Evaluation":
        """Score the panels."""
        frames = []
        for method, panel in panels.items():
            frame = panel.questions.assign(method=method, applicability=applicability.get(method, "in"))
            frames.append(frame.assign(**{metric.name: metric.compute(panel) for metric in metrics}))
        table = pd.concat(frames, ignore_index=True)
        halves = _halves(panels[CEILING])
        columns = [c for c in ("fold", "context", "perturbation", "donor", "batch") if c in table]
        keyed = halves.set_index(columns)["pearson"]
        agreement = keyed.reindex(pd.MultiIndex.from_frame(table[columns])).to_numpy()
        seed = int(about["seed"])
        strata = {
            label: summarize(table[mask], metrics, seed)
            for label, mask in (("reliable", agreement >= RELIABLE), ("unreliable", agreement < RELIABLE))
            if mask.any()
        }
        body = {
            "format": FORMAT,
            **about,
            "environment": {"aivc": version("aivc"), "numpy": version("numpy"), "python": platform.python_version()},
            "methods": [method for method in panels if method != CEILING],
            "baseline": BASELINE,
            "ceiling": CEILING,
            "metrics": {metric.name: metric.to_json() for metric in metrics},
            "scores": summarize(table, metrics, seed),
            "strata": strata,
            "strata_rule": f"reliable: the two halves of the measured effect correlate at {RELIABLE} or more. The "
            "halves choose, so PearsonΔ of the replicate is high there by selection.",
            "rows": _records(table),
            "calibration": dict(calibration),
            "halves": _records(halves),
            "failures": [{"method": method, "error": error} for method, error in failures.items()],
        }
        return cls(table, body)


def summarize(table: pd.DataFrame, metrics: Sequence[Metric], seed: int) -> dict[str, dict[str, Any]]:
    """Mean over questions of each method and metric, with its bootstrap interval and its anchored value.

    ``gain`` is the improvement over the mean-effect baseline, paired by question, positive where the method is better:
    its interval says more than two overlapping ones, and ``wins`` is the share of questions it improves.
    """
    scores: dict[str, dict[str, Any]] = {}
    values = {str(method): rows for method, rows in table.groupby("method", sort=False)}
    for method, rows in values.items():
        clusters = pd.factorize(rows["perturbation"])[0]
        scores[method] = {metric.name: _summary(rows[metric.name].to_numpy(), clusters, seed) for metric in metrics}
        for metric in metrics:
            if metric.direction != "none" and BASELINE in values and method != BASELINE:
                gain = rows[metric.name].to_numpy() - values[BASELINE][metric.name].to_numpy()
                scores[method][metric.name]["gain"] = _gain(gain if metric.direction == "up" else -gain, clusters, seed)
    for by_metric in scores.values():
        for metric in metrics:
            by_metric[metric.name]["anchored"] = _anchored(
                by_metric[metric.name]["value"],
                scores.get(BASELINE, {}).get(metric.name, {}).get("value"),
                scores.get(CEILING, {}).get(metric.name, {}).get("value"),
                metric.direction,
            )
    return scores


def _summary(values: np.ndarray, clusters: np.ndarray, seed: int) -> dict[str, Any]:
    """Mean, and its interval when perturbations are drawn anew, each with all its contexts and donors."""
    finite = np.isfinite(values)
    known, cluster = values[finite], np.unique(clusters[finite], return_inverse=True)[1]
    if not len(known):
        return {"value": None, "low": None, "high": None, "n": 0, "undefined": "undefined for every question"}
    count = int(cluster.max()) + 1
    total_c, size_c = np.bincount(cluster, known, count), np.bincount(cluster, minlength=count)
    draws = np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))
    low, high = np.quantile(total_c[draws].sum(axis=1) / size_c[draws].sum(axis=1), [0.025, 0.975])
    missing = len(values) - len(known)
    note = f"undefined for {missing} of {len(values)} questions" if missing else None
    return {"value": float(known.mean()), "low": float(low), "high": float(high), "n": len(known), "undefined": note}


def _gain(differences: np.ndarray, clusters: np.ndarray, seed: int) -> dict[str, Any]:
    known = differences[np.isfinite(differences)]
    return {**_summary(differences, clusters, seed), "wins": float((known > 0).mean()) if len(known) else None}


def _anchored(value: float | None, floor: float | None, ceiling: float | None, direction: str) -> float | None:
    """0 at the mean-effect baseline, 1 at the replicate; None where the replicate is not the better of the two."""
    if value is None or floor is None or ceiling is None or direction == "none":
        return None
    if (ceiling - floor) * (1 if direction == "up" else -1) <= 1e-12:
        return None
    return float((value - floor) / (ceiling - floor))


def _halves(panel: Panel) -> pd.DataFrame:
    """How well the two halves of each measured effect agree."""
    table = panel.questions.copy()
    ours, real = panel.predicted_effect, panel.true_effect
    table["pearson"] = [
        pearson(o[use], r[use]) if use.sum() > 1 else np.nan for o, r, use in zip(ours, real, panel.usable, strict=True)
    ]
    table["cells"] = [0 if cells is None else cells.shape[0] for cells in panel.cells]
    return table


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(k): (None if isinstance(v, float) and not np.isfinite(v) else v) for k, v in row.items()}
        for row in table.to_dict("records")
    ]
