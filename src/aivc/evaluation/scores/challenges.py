"""The one number per method that a community challenge would give: its anchored scores, averaged by its own rules."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from aivc.core.errors import ScoreError
from aivc.evaluation.metrics.vcc2025 import THREE, challenge_scores_2025
from aivc.evaluation.metrics.vcc2026 import SIX, challenge_scores
from aivc.evaluation.scores.comparison import BASELINE, CEILING

_METRICS = MappingProxyType({"vcc2025": tuple(THREE), "vcc2026": tuple(SIX)})


def challenges(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Score every method by the rules of each challenge whose metrics were all computed.

    Args:
        scores: Method → metric → ``value`` and more, as in `aivc.evaluation.scores.table.Evaluation`.

    Returns:
        Challenge → method → its anchored scores and their ``mean``; or ``reason`` where there is no scale to anchor to.
    """
    found: dict[str, Any] = {}
    for name, metrics in _METRICS.items():
        if not all(metric in scores[BASELINE] for metric in metrics):
            continue
        means = {method: {metric: _number(by[metric]) for metric in metrics} for method, by in scores.items()}
        asked = [method for method in means if method not in (BASELINE, CEILING)]
        try:
            found[name] = {method: _anchored(name, means, method) for method in asked}
        except ScoreError as error:
            found[name] = {"reason": str(error)}
    return found


def _anchored(name: str, means: Mapping[str, Mapping[str, float]], method: str) -> dict[str, float]:
    if name == "vcc2025":
        return challenge_scores_2025(means[method], means[BASELINE])
    return challenge_scores(means[method], means[BASELINE], means[CEILING])


def _number(score: Mapping[str, Any]) -> float:
    return float("nan") if score["value"] is None else float(score["value"])
