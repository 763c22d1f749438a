"""One sentence at the top of a page: was this model shown to beat the mean effect, and how far does the data repeat?"""

from collections.abc import Mapping
from typing import Any

from aivc.reporting.reading import dull_metrics, look
from aivc.reporting.sortable import number

# The score that is spoken of first, where it can tell methods apart.
_FIRST = "pearson-delta"
# With fewer paired questions, even winning all of them happens by chance in more than one of twenty trials.
ENOUGH = 6
_BEATS = "was shown to beat"


def verdict(card: Mapping[str, Any], method: str, scores: Mapping[str, Any] | None = None) -> str:
    """Say whether a method was shown to beat the mean effect, and how far the experiment repeats.

    Args:
        card: Of the virtual cell.
        method: Its manipulator.
        scores: The evaluator's JSON for the same method; None where the cell was not evaluated on data.

    Returns:
        One sentence.

    >>> verdict({}, "nearest")[:64]
    'Whether nearest beats the mean effect is not known: nothing was '
    """
    if scores is not None and method in scores["scores"]:
        return _scored(scores, method)
    if "left_out" in card:
        return _left_out(card["left_out"], method)
    return (
        f"Whether {method} beats the mean effect is not known: nothing was left out when this cell was fitted, and how "
        "far the experiment repeats cannot be said without its data."
    )


def spoken_metric(scores: Mapping[str, Any]) -> str | None:
    """The score a verdict is about: PearsonΔ, or else the first that has a direction and can tell methods apart."""
    dull = set(dull_metrics(scores))
    sided = [name for name, about in scores["metrics"].items() if about["direction"] != "none"]
    clear = [name for name in sided if name not in dull]
    ordered = sorted(clear or sided, key=lambda name: name != _FIRST)
    return ordered[0] if ordered else None


def _scored(scores: Mapping[str, Any], method: str) -> str:
    metric = spoken_metric(scores)
    if metric is None:
        return f"Whether {method} beats the mean effect is not known: no score with a direction was asked for."
    name, floor = scores["metrics"][metric]["label"], scores["baseline"]
    own, base, top = (look(scores["scores"], each, metric) for each in (method, floor, scores["ceiling"]))
    ceiling = (
        "how far the experiment repeats could not be scored"
        if top.get("value") is None
        else f"the experiment repeats itself at {_number(top['value'])} (the replicate ceiling)"
    )
    if own.get("value") is None or base.get("value") is None:
        return (
            f"Whether {method} beats the mean effect on this screen is not known ({name} is undefined), and {ceiling}."
        )
    gain = own.get("gain") or {}
    asked = gain.get("n") or own.get("n") or 0
    shown = f"{_number(own['value'])} against {_number(base['value'])}, {asked} questions held out"
    if gain.get("low") is not None:
        ends = f"[{_number(gain['low'])}, {_number(gain['high'])}]"
        shown += f", gain {_number(gain['value'])} {ends}"
    said = f"On this screen {method} {_words(gain)} the mean effect on {name} ({shown})"
    return f"{said}, {_count(scores, method)}, and {ceiling}."


def _count(scores: Mapping[str, Any], method: str) -> str:
    dull = set(dull_metrics(scores))
    sided = [name for name, about in scores["metrics"].items() if about["direction"] != "none" and name not in dull]
    gains = [look(scores["scores"], method, name).get("gain") or {} for name in sided]
    won = sum(_words(gain) == _BEATS for gain in gains)
    return f"on {won} of all {len(sided)} scores it was"


def _words(gain: Mapping[str, Any]) -> str:
    if (gain.get("n") or 0) < ENOUGH or gain.get("low") is None:
        return "had too few questions to be shown to beat"
    if gain["low"] > 0:
        return _BEATS
    return "was shown to be worse than" if gain["high"] < 0 else "was not shown to beat"


def _left_out(found: Mapping[str, Any], method: str) -> str:
    shares = [f"{found[key]:.0%}".replace("-", "−") for key in ("gain", "gain_low", "gain_high")]
    ends = f"{shares[0]} of its squared error gone [{shares[1]}, {shares[2]}]"
    gain = {"n": found["n"], "low": found["gain_low"], "high": found["gain_high"]}
    return (
        f"On {found['n']} measured effects left out while it was fitted, {method} {_words(gain)} the mean effect "
        f"({ends}); how far the experiment repeats is not kept in a cell and needs its data."
    )


def _number(value: float) -> str:
    return number(value, ".3f" if abs(value) < 0.1 else ".2f")
