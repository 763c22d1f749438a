"""Reads the evaluator's JSON: which methods compete, which score can tell them apart, and how a split is called."""

from collections.abc import Mapping
from typing import Any

from aivc.core.errors import IntegrityError

FORMAT = 1
_KEYS = (
    "data",
    "split",
    "methods",
    "baseline",
    "ceiling",
    "metrics",
    "scores",
    "rows",
    "calibration",
    "halves",
    "failures",
)
# Put before the name of a score that cannot tell methods apart here, so that color is not all that says it.
DULL = "⊘ "
STRENGTHS = ("weak", "middle", "strong")


def require_scores(scores: Mapping[str, Any]) -> None:
    """Refuse what no evaluator of this version wrote.

    Raises:
        IntegrityError: It is of another format, or a part of it is missing.
    """
    missing = [key for key in _KEYS if key not in scores]
    if scores.get("format") != FORMAT or missing:
        raise IntegrityError(
            f"Scores must be in format {FORMAT} and hold {', '.join(_KEYS)}; got format {scores.get('format')!r}, "
            f"missing {', '.join(missing) or 'nothing'}. Evaluate again with this version of aivc."
        )


def spoken_split(kind: str) -> str:
    """Say what a split keeps from training.

    >>> spoken_split("unseen-perturbation"), spoken_split("given")
    ('unseen perturbation', 'what a split file names')
    """
    return "what a split file names" if kind == "given" else kind.replace("-", " ")


def ordered_methods(scores: Mapping[str, Any]) -> list[str]:
    """Return the methods from floor to ceiling, as the evaluator listed them in between."""
    ends = scores["baseline"], scores["ceiling"]
    return [ends[0], *(method for method in scores["methods"] if method not in ends), ends[1]]


def is_control(method: str) -> bool:
    """Whether a method was fitted on something shuffled: what it scores is luck, and it is never called best.

    >>> is_control("nearest:shuffled"), is_control("nearest")
    (True, False)
    """
    return ":" in method


def contenders(scores: Mapping[str, Any]) -> list[str]:
    """Return the methods that compete: neither floor nor ceiling nor negative control."""
    ends = scores["baseline"], scores["ceiling"]
    return [method for method in scores["methods"] if method not in ends and not is_control(method)]


def cannot_tell(scores: Mapping[str, Any], metric: str) -> str:
    """Return why a score cannot tell methods apart on these data; empty where it can, or where nobody looked."""
    span = scores.get("dynamic_range", {}).get(metric, {})
    return "" if span.get("usable", True) else str(span.get("reason") or "no reason was given")


def dull_metrics(scores: Mapping[str, Any]) -> list[str]:
    """Return the scores that cannot tell methods apart on these data."""
    return [metric for metric in scores["metrics"] if cannot_tell(scores, metric)]


def label(scores: Mapping[str, Any], metric: str) -> str:
    """Return the name of a score, marked where it cannot tell methods apart."""
    about = scores["metrics"].get(metric, {"label": metric})
    return (DULL if cannot_tell(scores, metric) else "") + str(about["label"])


def look(table: Mapping[str, Any], method: str, metric: str) -> Mapping[str, Any]:
    """Return one summary of a table of scores; what is not there is undefined, and says so."""
    absent = {"value": None, "undefined": "not scored"}
    found: Mapping[str, Any] = table.get(method, {}).get(metric, absent)
    return found


def raw_interval(cell: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Return a score between the ends of its bootstrap interval, or None where it is undefined."""
    value = cell.get("value")
    if value is None:
        return None
    low, high = (value if cell.get(end) is None else cell[end] for end in ("low", "high"))
    return float(low), float(value), float(high)


def anchored_interval(
    scores: Mapping[str, Any], metric: str, cell: Mapping[str, Any]
) -> tuple[float, float, float] | None:
    """Return an anchored score between the ends of its bootstrap interval, or None where it is undefined."""
    floor, ceiling = (look(scores["scores"], scores[name], metric).get("value") for name in ("baseline", "ceiling"))
    raw = raw_interval(cell)
    if raw is None or cell.get("anchored") is None:
        return None
    middle = float(cell["anchored"])
    if floor is None or ceiling is None or floor == ceiling:
        return middle, middle, middle
    low, high = sorted((end - raw[1]) / (ceiling - floor) for end in (raw[0], raw[2]))
    return middle + low, middle, middle + high


def different_strata(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the strata that hold some of the questions but not all: one that holds all says nothing new."""

    def counts(table: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
        return {(method, metric): cell.get("n") for method, by in table.items() for metric, cell in by.items()}

    whole = counts(scores["scores"])
    return {
        name: table
        for name, table in scores.get("strata", {}).items()
        if any(n != whole.get(key) for key, n in counts(table).items())
    }
