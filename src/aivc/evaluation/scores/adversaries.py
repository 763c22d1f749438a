"""Predictions that deserve no better score than what they were made from, and which metrics they fool."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.data.streaming.normalize import Block
from aivc.evaluation.metrics.metric import PEARSON_DELTA, Metric
from aivc.evaluation.metrics.panel import Panel
from aivc.evaluation.scores.comparison import BASELINE, CEILING, summarize
from aivc.evaluation.scores.table import Evaluation

PREFIX = "adversary:"
NO_CHANGE = "no-change"
SPREAD = 3.0
TWIST = 3.0
ROUNDS = 5
_TIE = 1e-9
# From worst to best: one word per metric and adversary, of all that it is held against.
VERDICTS = ("fooled", "unclear", "tie", "holds", "undefined")
RULE = (
    "An adversary must not beat the method it was made from; one that knows nothing of its question must not beat the "
    "better of no-change and mean-effect. fooled: the gain, paired by question, has its whole 95 % interval above "
    "zero; unclear: above zero on average only; tie: the metric cannot tell the two apart; holds: the adversary does "
    "not win. The replicate needs no test of its own: an adversary that beats it, and was made from a method that "
    "does not, beats that method."
)


def constant(panel: Panel) -> Panel:
    """Say the same number for every gene: the mean of the given control over genes; all cells are alike."""
    level = panel.given.mean(axis=1, keepdims=True)
    said = np.broadcast_to(level, panel.given.shape).copy()
    return _tiled(panel, said, said)


def tiled_mean(panel: Panel) -> Panel:
    """Say the profile of the panel, as a population of identical cells and without intervals."""
    return _tiled(panel, panel.predicted, panel.retrieval)


def double_log(panel: Panel) -> Panel:
    """Take the logarithm once too often, of both profiles, interval ends and cells; mirrored below zero."""
    return replace(
        panel,
        predicted=_log(panel.predicted),
        retrieval=_log(panel.retrieval),
        low=_log(panel.low),
        high=_log(panel.high),
        population=tuple(None if cells is None else _log(cells) for cells in panel.population),
        stated=None,
    )


def shuffled(panel: Panel, *, seed: int = 0, step: int = 1) -> Panel:
    """Answer each question with the answer to another question of the same fold and place.

    Answers of other folds are not used: whoever gave them has seen this question's truth. A question that is alone in
    its fold and place has no such answer and is not scored.

    Args:
        panel: Whose answers.
        seed: Of the circle in which the questions stand.
        step: From how far round the circle an answer is taken; one shuffle alone can be lucky.
    """
    where = [name for name in ("fold", "context", "donor", "batch") if name in panel.questions]
    rng, source = np.random.default_rng(seed), np.arange(len(panel))
    for rows in panel.questions.groupby(where, sort=True).indices.values():
        order = rng.permutation(rows)
        # Less than once round the circle, so that nobody keeps its own.
        source[order] = np.roll(order, -1 - (step - 1) % max(len(order) - 1, 1))
    moved = panel.given - panel.given[source]
    alone = source == np.arange(len(panel))
    return replace(
        panel,
        predicted=panel.predicted[source] + moved,
        retrieval=panel.retrieval[source] + moved,
        low=panel.low[source] + moved,
        high=panel.high[source] + moved,
        population=tuple(None if i == own else panel.population[i] for own, i in enumerate(source)),
        population_depth=tuple(None if i == own else panel.population_depth[i] for own, i in enumerate(source)),
        stated=None,
        usable=panel.usable & ~alone[:, None],
    )


def twisted_control(panel: Panel) -> Panel:
    """Move every answer as if control were another state: three times the mean training effect away."""
    shift = TWIST * (panel.perturbed_mean - panel.given)
    moved = [None if cells is None else _dense(cells) + row for cells, row in zip(panel.population, shift, strict=True)]
    return replace(
        panel,
        predicted=panel.predicted + shift,
        retrieval=panel.retrieval + shift,
        low=panel.low + shift,
        high=panel.high + shift,
        population=tuple(moved),
        stated=None,
    )


def inflated_variance(panel: Panel) -> Panel:
    """Keep the mean, and spread cells and intervals three times as wide around it."""
    spread: list[Block | None] = []
    for cells in panel.population:
        dense = None if cells is None else _dense(cells)
        spread.append(None if dense is None else dense.mean(axis=0) + SPREAD * (dense - dense.mean(axis=0)))
    return replace(
        panel,
        low=panel.predicted + SPREAD * (panel.low - panel.predicted),
        high=panel.predicted + SPREAD * (panel.high - panel.predicted),
        population=tuple(spread),
        stated=None,
    )


@final
@dataclass(frozen=True)
class Adversary:
    """A way to answer without merit.

    Attributes:
        name: Its row in the scores is ``adversary:NAME``.
        made_of: A method that is always scored, or ``best`` for the best method of the evaluation.
        make: Panel of what it is made from → its own panel.
        ignorant: Whether its answer says nothing about the question asked, so that it must not beat the floors either.
    """

    name: str
    made_of: str
    make: Callable[[Panel], Panel]
    ignorant: bool


ADVERSARIES = (
    Adversary("constant", NO_CHANGE, constant, ignorant=True),
    Adversary("tiled-mean", BASELINE, tiled_mean, ignorant=True),
    Adversary("double-log", "best", double_log, ignorant=False),
    Adversary("shuffled", "best", shuffled, ignorant=True),
    Adversary("twisted-control", "best", twisted_control, ignorant=False),
    Adversary("inflated-variance", "best", inflated_variance, ignorant=False),
)


def best_method(panels: Mapping[str, Panel]) -> str:
    """Return the method with the highest mean correlation of effects; negative controls and floors aside.

    The mean effect where there is no other method.
    """
    found: dict[str, float] = {}
    for method, panel in panels.items():
        scores = PEARSON_DELTA.compute(panel)
        known = scores[np.isfinite(scores)]
        if ":" not in method and method not in (BASELINE, CEILING, NO_CHANGE) and len(known):
            found[method] = float(known.mean())
    return max(found, key=lambda method: found[method]) if found else BASELINE


def adversary_panels(panels: Mapping[str, Panel], *, seed: int = 0) -> tuple[dict[str, Panel], dict[str, str]]:
    """Make every adversary.

    Args:
        panels: Method → its answers, ``no-change`` and ``mean-effect`` among them.
        seed: Of the shuffle.

    Returns:
        ``adversary:NAME`` → its panel, and ``adversary:NAME`` → the method it was made from. Further rounds of the
        shuffle have rows ``adversary:shuffled/2`` and so on, which `judge` averages.
    """
    best = best_method(panels)
    made_from = {PREFIX + each.name: best if each.made_of == "best" else each.made_of for each in ADVERSARIES}
    made = {PREFIX + each.name: each.make(panels[made_from[PREFIX + each.name]]) for each in ADVERSARIES}
    for step in range(1, ROUNDS + 1):
        name = PREFIX + "shuffled" + (f"/{step}" if step > 1 else "")
        made[name] = shuffled(panels[best], seed=seed, step=step)
    return made, made_from


def judge(evaluation: Evaluation, metrics: Sequence[Metric], made_from: Mapping[str, str]) -> Evaluation:
    """Add to an evaluation what its adversaries say about its metrics.

    Args:
        evaluation: Of the methods and of `adversary_panels`.
        metrics: Those it was scored with.
        made_from: ``adversary:NAME`` → the method it was made from.

    Returns:
        The same with ``adversaries`` in its body. Its methods, rows and strata name the honest ones only.
    """
    body, seed = evaluation.body, int(evaluation.body["seed"])
    table = _averaged(evaluation.table, metrics)
    comparisons = ranking(table, metrics, made_from, seed=seed)
    labels = {metric.name: metric.label for metric in metrics}
    found = {
        "rule": RULE,
        "made_from": dict(made_from),
        "comparisons": comparisons,
        "verdicts": verdicts(comparisons),
        "findings": [_sentence(each, labels[each["metric"]]) for each in comparisons if each["verdict"] == "fooled"],
    }
    honest = {
        "methods": [method for method in body["methods"] if not method.startswith(PREFIX)],
        "rows": [row for row in body["rows"] if not row["method"].startswith(PREFIX)],
        "strata": {
            label: {method: scores for method, scores in by_method.items() if not method.startswith(PREFIX)}
            for label, by_method in body["strata"].items()
        },
    }
    return Evaluation(table, {**body, **honest, "scores": summarize(table, metrics, seed), "adversaries": found})


def _averaged(table: pd.DataFrame, metrics: Sequence[Metric]) -> pd.DataFrame:
    """One row per method and question, with the rounds of the shuffle averaged."""
    first, names = PREFIX + "shuffled", [metric.name for metric in metrics]
    rounds = table["method"].str.startswith(first)
    shuffles = table[rounds]
    question = shuffles.groupby("method").cumcount().to_numpy()
    mean = shuffles.groupby(question)[names].mean()
    table = table[~rounds | (table["method"] == first)].reset_index(drop=True)
    table.loc[table["method"] == first, names] = mean.to_numpy()
    return table


def ranking(
    table: pd.DataFrame, metrics: Sequence[Metric], made_from: Mapping[str, str], *, seed: int = 0
) -> list[dict[str, Any]]:
    """Hold every adversary against what it must not beat, on every metric that has a direction.

    Args:
        table: One row per method and question, one column per metric; the questions of all methods in the same order.
        metrics: What to rank by.
        made_from: ``adversary:NAME`` → the method it was made from.
        seed: Of the bootstrap over perturbations.

    Returns:
        Per metric, adversary and rival: both values, the gain of the adversary (positive where it is better) with its
        95 % interval, and one of `VERDICTS`.
    """
    ranked = [metric for metric in metrics if metric.direction != "none"]
    ignorant = {PREFIX + each.name for each in ADVERSARIES if each.ignorant}
    found: list[dict[str, Any]] = []
    floors = _floors(table, ranked)
    for adversary, source in made_from.items():
        above = {source: ranked}
        if adversary in ignorant:
            # Made from a floor, it is held against the better floor instead.
            above = {} if source in (NO_CHANGE, BASELINE) else above
            above |= {floor: [m for m in ranked if floors[m.name] == floor] for floor in (NO_CHANGE, BASELINE)}
        for rival, against in above.items():
            found += _against(table, against, adversary, rival, seed)
    order = [metric.name for metric in ranked]
    return sorted(found, key=lambda each: order.index(each["metric"]))


def verdicts(comparisons: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Metric → adversary → the worst of its verdicts.

    >>> one = {"metric": "m", "adversary": "adversary:constant", "verdict": "tie"}
    >>> verdicts([one, {**one, "verdict": "fooled"}])
    {'m': {'adversary:constant': 'fooled'}}
    """
    table: dict[str, dict[str, str]] = {}
    for each in comparisons:
        row = table.setdefault(each["metric"], {})
        before = row.get(each["adversary"], VERDICTS[-1])
        row[each["adversary"]] = min(before, each["verdict"], key=VERDICTS.index)
    return table


def _floors(table: pd.DataFrame, metrics: Sequence[Metric]) -> dict[str, str]:
    """Metric → the better of the two methods that know nothing of the question."""
    means = table[table["method"].isin([NO_CHANGE, BASELINE])].groupby("method")[[m.name for m in metrics]].mean()
    found = {}
    for metric in metrics:
        known = means[metric.name].dropna() * (1 if metric.direction == "up" else -1)
        found[metric.name] = str(known.idxmax()) if len(known) else BASELINE
    return found


def _against(
    table: pd.DataFrame, metrics: Sequence[Metric], adversary: str, rival: str, seed: int
) -> Iterator[dict[str, Any]]:
    # `summarize` pairs with the row that is named as the baseline, so here the rival bears that name.
    two = [table[table["method"] == rival].assign(method=BASELINE), table[table["method"] == adversary]]
    scores = summarize(pd.concat(two, ignore_index=True), metrics, seed)
    for metric in metrics:
        theirs, ours = scores[BASELINE][metric.name]["value"], scores[adversary][metric.name]["value"]
        gain = scores[adversary][metric.name]["gain"]
        yield {
            "metric": metric.name,
            "adversary": adversary,
            "value": ours,
            "against": rival,
            "rival_value": theirs,
            **{"gain" if key == "value" else key: gain[key] for key in ("value", "low", "high", "n")},
            "verdict": _verdict(gain, theirs),
        }


def _verdict(gain: Mapping[str, Any], level: float | None) -> str:
    if gain["value"] is None or level is None:
        return "undefined"
    blur = _TIE * max(1.0, abs(level))
    if max(abs(gain[key] or 0.0) for key in ("value", "low", "high")) <= blur:
        return "tie"
    if gain["value"] <= blur:
        return "holds"
    return "fooled" if gain["low"] is not None and gain["low"] > 0 else "unclear"


def _sentence(each: Mapping[str, Any], label: str) -> str:
    name = each["adversary"].removeprefix(PREFIX)
    return (
        f"{label} is fooled by {name} on these data: it scores {each['value']:.3g}, {each['against']} "
        f"{each['rival_value']:.3g}. Do not rank methods by {label} alone."
    )


def _tiled(panel: Panel, predicted: np.ndarray, retrieval: np.ndarray) -> Panel:
    pairs = zip(predicted, panel.population, strict=True)
    nothing = np.full(predicted.shape, np.nan)
    return replace(
        panel,
        predicted=predicted,
        retrieval=retrieval,
        low=nothing,
        high=nothing,
        # A view: identical cells cost nothing to hold.
        population=tuple(None if cells is None else np.broadcast_to(row, cells.shape) for row, cells in pairs),
        stated=None,
    )


def _log(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return np.sign(values) * np.log1p(np.abs(values))
    logged = values.copy()
    logged.data = _log(logged.data)
    return logged


def _dense(cells: Block) -> np.ndarray:
    return np.asarray(cells if isinstance(cells, np.ndarray) else cells.toarray())
