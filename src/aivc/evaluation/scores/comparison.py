"""What a table of scores says: means with their intervals, gains over baselines, and whether a metric can tell."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from aivc.evaluation.metrics.metric import Metric

BASELINE, CEILING = "mean-effect", "replicate"
# What can be said in a sentence and computed by arithmetic on what was measured; the best of these on a metric is the
# one to beat.
SIMPLE = (
    "no-change",
    "mean-effect",
    "transfer",
    "scaled-transfer",
    "additive",
    "ridge-across-contexts",
    "like-contexts",
    "nearest",
    "pair-completion",
)
# How a shuffled method is named, after a colon, and what was shuffled.
INPUTS = MappingProxyType({"shuffled": "perturbation", "shuffled-priors": "priors", "shuffled-context": "context"})
_RESAMPLES = 2000
_NO_SPAN = 1e-9


def summarize(table: pd.DataFrame, metrics: Sequence[Metric], seed: int) -> dict[str, dict[str, Any]]:
    """Mean over questions of each method and metric, with its bootstrap interval and its anchored value.

    ``gain`` is the improvement over the mean-effect baseline, paired by question, positive where the method is better:
    its interval says more than two overlapping ones, and ``wins`` is the share of questions it improves.
    ``against_best`` is the same against the best of the simple baselines on that metric, with ``harms``, the share of
    questions that the method makes worse.
    """
    scores: dict[str, dict[str, Any]] = {}
    values = {str(method): rows for method, rows in table.groupby("method", sort=False)}
    for method, rows in values.items():
        clusters = pd.factorize(rows["perturbation"])[0]
        scores[method] = {metric.name: summary(rows[metric.name].to_numpy(), clusters, seed) for metric in metrics}
        for metric in metrics:
            if metric.direction != "none" and BASELINE in values and method != BASELINE:
                gain = rows[metric.name].to_numpy() - values[BASELINE][metric.name].to_numpy()
                scores[method][metric.name]["gain"] = _gain(gain if metric.direction == "up" else -gain, clusters, seed)
    for metric in metrics:
        best = _best_simple(values, scores, metric)
        for method, rows in values.items():
            if best is not None and method not in (best, CEILING):
                gain = rows[metric.name].to_numpy() - values[best][metric.name].to_numpy()
                clusters = pd.factorize(rows["perturbation"])[0]
                answer = _gain(gain if metric.direction == "up" else -gain, clusters, seed)
                named = {"baseline": best, "gain": answer.pop("value")}
                scores[method][metric.name]["against_best"] = {**named, **answer}
    _without_intervals(scores, [metric.name for metric in metrics if metric.pooled])
    for by_metric in scores.values():
        for metric in metrics:
            by_metric[metric.name]["anchored"] = _anchored(
                by_metric[metric.name]["value"],
                scores.get(BASELINE, {}).get(metric.name, {}).get("value"),
                scores.get(CEILING, {}).get(metric.name, {}).get("value"),
                metric.direction,
            )
    return scores


def _without_intervals(scores: Mapping[str, dict[str, Any]], pooled: Sequence[str]) -> None:
    """Take back what a value that questions share cannot say: how it varies over them, and on which it is better."""
    for by_metric in scores.values():
        for answer in (by_metric[name] for name in pooled):
            answer.update(low=None, high=None)
            for against in (answer[key] for key in ("gain", "against_best") if key in answer):
                against.update(low=None, high=None, wins=None, harms=None)


def summary(values: np.ndarray, clusters: np.ndarray, seed: int) -> dict[str, Any]:
    """Mean, and its interval when perturbations are drawn anew, each with all its contexts and donors."""
    finite = np.isfinite(values)
    known, cluster = values[finite], np.unique(clusters[finite], return_inverse=True)[1]
    if not len(known):
        return {"value": None, "low": None, "high": None, "n": 0, "undefined": "undefined for every question"}
    count = int(cluster.max()) + 1
    total_c, size_c = np.bincount(cluster, known, count), np.bincount(cluster, minlength=count)
    missing = len(values) - len(known)
    note = f"undefined for {missing} of {len(values)} questions" if missing else None
    answer = {"value": float(known.mean()), "low": None, "high": None, "n": len(known), "undefined": note}
    if count < 2:
        # One perturbation says nothing of how the next would fare.
        return answer
    draws = np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))
    low, high = np.quantile(total_c[draws].sum(axis=1) / size_c[draws].sum(axis=1), [0.025, 0.975])
    return {**answer, "low": float(low), "high": float(high)}


def _gain(differences: np.ndarray, clusters: np.ndarray, seed: int) -> dict[str, Any]:
    known = differences[np.isfinite(differences)]
    answer = summary(differences, clusters, seed)
    answer.pop("undefined")
    shares = {"wins": known > 0, "harms": known < 0}
    return {**answer, **{name: float(share.mean()) if len(known) else None for name, share in shares.items()}}


def _best_simple(
    values: Mapping[str, pd.DataFrame], scores: Mapping[str, Mapping[str, Any]], metric: Metric
) -> str | None:
    if metric.direction == "none":
        return None
    known = {name: scores[name][metric.name]["value"] for name in SIMPLE if name in values}
    ranked = {name: value for name, value in known.items() if value is not None}
    sign = 1 if metric.direction == "up" else -1
    return max(ranked, key=lambda name: sign * ranked[name]) if ranked else None


def _anchored(value: float | None, floor: float | None, ceiling: float | None, direction: str) -> float | None:
    """0 at the mean-effect baseline, 1 at the replicate; None where the replicate is not the better of the two."""
    if value is None or floor is None or ceiling is None or direction == "none":
        return None
    if (ceiling - floor) * (1 if direction == "up" else -1) <= 1e-12:
        return None
    return float((value - floor) / (ceiling - floor))


def dynamic_range(table: pd.DataFrame, metrics: Sequence[Metric], seed: int) -> dict[str, dict[str, Any]]:
    """Say of each metric whether it can tell good from bad on these data.

    The dynamic range fraction of a question is ``(replicate - mean effect) / (best - mean effect)``, from -1 to 1
    (Miller et al. 2025): how much of the way to perfection the experiment itself goes when repeated. A metric is usable
    where its mean over questions is clearly above zero, or, where one perturbation gives no interval, above zero at
    all; and where the replicate itself is above chance.
    """
    by_method = {str(method): rows for method, rows in table.groupby("method", sort=False)}
    if BASELINE not in by_method or CEILING not in by_method:
        return {metric.name: _range(None, None) for metric in metrics}
    clusters, found = pd.factorize(by_method[BASELINE]["perturbation"])[0], {}
    for metric in metrics:
        answer, chance = None, None
        if metric.direction != "none" and metric.best is not None:
            floor, ceiling = (by_method[name][metric.name].to_numpy(dtype=float) for name in (BASELINE, CEILING))
            span = metric.best - floor
            ratio = np.divide(ceiling - floor, span, out=np.full(len(span), np.nan), where=np.abs(span) > _NO_SPAN)
            answer, chance = summary(np.clip(ratio, -1, 1), clusters, seed), _at_chance(metric, ceiling)
            answer |= {"low": None, "high": None} if metric.pooled else {}
        found[metric.name] = _range(answer, chance)
    return found


def _at_chance(metric: Metric, ceiling: np.ndarray) -> str | None:
    """Say so where repeating the experiment scores what no information scores, or less."""
    known = ceiling[np.isfinite(ceiling)]
    if metric.chance is None or not len(known):
        return None
    mean, sign = float(known.mean()), 1 if metric.direction == "up" else -1
    if sign * (mean - metric.chance) > 0:
        return None
    return f"repeating the experiment scores {mean:.2f} here, no better than chance ({metric.chance:g})"


def _range(answer: Mapping[str, Any] | None, at_chance: str | None) -> dict[str, Any]:
    """What is known of a metric; where nothing is, such as without a replicate, it is not held against it."""
    if answer is None or answer["value"] is None:
        usable = {"usable": at_chance is None, "reason": at_chance}
        return {"value": None, "low": None, "high": None, "n": 0, **usable}
    value, low, high = (answer[key] for key in ("value", "low", "high"))
    reason = at_chance
    if reason is None and (value if low is None else low) <= 0:
        interval = "" if low is None else f", 95 % interval {low:.2f} to {high:.2f}"
        reason = (
            f"repeating the experiment is not {'' if low is None else 'clearly '}better than the mean effect here: it "
            f"goes {value:.2f} of the way to a perfect score{interval}"
        )
    found = {"value": value, "low": low, "high": high, "n": answer["n"]}
    return {**found, "usable": reason is None, "reason": reason}


def usage(table: pd.DataFrame, metrics: Sequence[Metric], seed: int) -> list[dict[str, Any]]:
    """How much each method uses an input: what it loses when that is shuffled, paired by question.

    Positive where the method is better than its shuffled self; an interval that holds zero says that the input may as
    well not be there.
    """
    by_method = {str(method): rows for method, rows in table.groupby("method", sort=False)}
    found = []
    for method, rows in by_method.items():
        name, _, suffix = method.partition(":")
        if suffix not in INPUTS or name not in by_method:
            continue
        clusters = pd.factorize(rows["perturbation"])[0]
        for metric in metrics:
            if metric.direction == "none" or metric.pooled:
                continue
            loss = by_method[name][metric.name].to_numpy() - rows[metric.name].to_numpy()
            answer = summary(loss if metric.direction == "up" else -loss, clusters, seed)
            if answer["low"] is not None:
                known = {key: answer[key] for key in ("low", "high", "n")}
                found.append(
                    {"method": name, "input": INPUTS[suffix], "metric": metric.name, "loss": answer["value"], **known}
                )
    return found


def nanmean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is finite; NaN where nothing is."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
