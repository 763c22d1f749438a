"""Scores as a table: raw and anchored, with bootstrap intervals over perturbations, and nothing left blank."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.evaluation.metrics.metric import Metric, pearson
from aivc.evaluation.metrics.panel import Panel
from aivc.evaluation.scores.challenges import challenges
from aivc.evaluation.scores.comparison import BASELINE, CEILING, dynamic_range, nanmean, summarize, usage
from aivc.evaluation.scores.groups import ORDER, RULE, calibration, labels

FORMAT = 1
# Metric that says whether intervals hold what they promise.
_HELD = "coverage90"


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

    @property
    def sureness(self) -> tuple[str, ...]:
        """For each method one line: which share of what was measured its 90 % intervals held."""
        methods = [name for name in self.scores if name != CEILING]
        held = {name: self.scores[name].get(_HELD, {}).get("value") for name in methods}
        return tuple(
            f"{name} states no interval: how sure it is was not shown."
            if share is None
            else f"90 % intervals of {name} held {share:.0%} of the effects measured on what it had not seen."
            for name, share in held.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Return what is written to ``scores.json``."""
        return dict(self.body)

    @classmethod
    def of(
        cls,
        panels: Mapping[str, Panel],
        replicates: Iterable[Panel],
        metrics: Sequence[Metric],
        *,
        applicability: Mapping[str, list[str]],
        failures: Mapping[str, str],
        about: Mapping[str, Any],
    ) -> "Evaluation":
        """Score the panels.

        Args:
            panels: Method → its answers.
            replicates: The experiment repeated, once per way of halving its cells, the split's own first; their scores
                are averaged question by question.
            metrics: What to score by.
            applicability: Method → its verdict on each question.
            failures: Method → why it has no answers.
            about: What the body says first.
        """
        frames = [
            panel.questions.assign(
                method=method,
                applicability=applicability.get(method, "in"),
                **{metric.name: metric.compute(panel) for metric in metrics},
            )
            for method, panel in panels.items()
        ]
        repeated, halves, resplits = _repeat(replicates, metrics)
        table = pd.concat([*frames, repeated], ignore_index=True)
        named = labels(next(iter(panels.values())), halves["pearson"].to_numpy())
        seed = int(about["seed"])
        scores = summarize(table, metrics, seed)
        body = {
            "format": FORMAT,
            **about,
            "environment": {"aivc": version("aivc"), "numpy": version("numpy"), "python": platform.python_version()},
            "methods": list(panels),
            "baseline": BASELINE,
            "ceiling": CEILING,
            "resplits": resplits,
            "metrics": {metric.name: metric.to_json() for metric in metrics},
            "scores": scores,
            "challenges": challenges(scores),
            "dynamic_range": dynamic_range(table, metrics, seed),
            "usage": usage(table, metrics, seed),
            "strata": _strata(table, named, metrics, seed),
            "strata_rule": RULE,
            "rows": _records(table),
            "calibration": {
                method: calibration(panel, named.assign(applicability=applicability[method]))
                for method, panel in panels.items()
                if panel.stated is not None and method in applicability
            },
            "halves": _records(halves),
            "failures": [{"method": method, "error": error} for method, error in failures.items()],
            "stamp": {
                "metrics": {metric.name: metric.version for metric in metrics},
                "split": about.get("split", {}).get("digest"),
                "benchmark": None,
                "seed": seed,
            },
        }
        return cls(table, body)


def _strata(table: pd.DataFrame, named: pd.DataFrame, metrics: Sequence[Metric], seed: int) -> dict[str, Any]:
    """Scores within each stratum; every method has the same questions in the same order."""
    found: dict[str, Any] = {}
    for column in named:
        label = np.resize(named[column].to_numpy(), len(table))
        found |= {each: summarize(table[label == each], metrics, seed) for each in set(label) - {""}}
    return {label: found[label] for label in ORDER if label in found}


def _repeat(replicates: Iterable[Panel], metrics: Sequence[Metric]) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Scores of the replicate, how well its halves agree, and in how many ways it was halved."""
    values, agreement, first = [], [], None
    for panel in replicates:
        first = panel if first is None else first
        values.append(np.array([metric.compute(panel) for metric in metrics]))
        agreement.append(_agreement(panel))
    assert first is not None
    mean = nanmean(np.array(values))
    table = first.questions.assign(method=CEILING, applicability="in", **dict(zip(_names(metrics), mean, strict=True)))
    cells = [0 if each is None else each.shape[0] for each in first.cells]
    return table, first.questions.assign(pearson=nanmean(np.array(agreement)), cells=cells), len(values)


def _names(metrics: Sequence[Metric]) -> list[str]:
    return [metric.name for metric in metrics]


def _agreement(panel: Panel) -> np.ndarray:
    """``(p,)`` how well the two halves of each measured effect correlate."""
    ours, real = panel.predicted_effect, panel.true_effect
    return np.array(
        [
            pearson(o[use], r[use]) if use.sum() > 1 else np.nan
            for o, r, use in zip(ours, real, panel.usable, strict=True)
        ]
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(k): (None if isinstance(v, float) and not np.isfinite(v) else v) for k, v in row.items()}
        for row in table.to_dict("records")
    ]
