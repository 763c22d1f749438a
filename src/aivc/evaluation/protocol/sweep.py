"""Settings of an instrument tried on inner folds of its training set, so that no held-out question chooses them."""

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import pyarrow as pa

from aivc.compute.executor import Executor, Progressed, Shard, ShardedTask, cut
from aivc.compute.serial import Serial
from aivc.core.errors import DataError, ScoreError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import MANIPULATORS, METRICS
from aivc.core.ur import UR
from aivc.data.splits.split import CONTROL_TRAIN, TRAIN, Split
from aivc.evaluation.metrics.metric import Metric
from aivc.evaluation.protocol.asked_fold import FAILURES, AskedFold, compared
from aivc.evaluation.protocol.checkpoints import digest_of
from aivc.evaluation.protocol.panels import panel_inputs, panel_of
from aivc.evaluation.protocol.questions import EvaluationSet
from aivc.experiments.fitting.fetch_knowledge import Parts, knowledge
from aivc.experiments.fitting.shared_fit import Recipe

# Arguments of every fit that are data or the recipe's, not settings.
_GIVEN = ("cls", "self", "ur", "parts", "seed", "cells")
_SCORED = pa.schema([("setting", pa.int64()), ("fold", pa.int64()), ("value", pa.float64())])


@final
@dataclass(frozen=True, eq=False)
class Sweep:
    """Scores of settings on inner folds.

    Attributes:
        table: A row per setting: its values, ``mean`` and ``sd`` of the score over inner folds, and whether it is
            ``chosen``.
        by_fold: ``(s, k)`` score of each setting in each inner fold.
        chosen: The setting with the best mean; of equal ones the first.
        about: What was trained on, the inner split and the metric.
    """

    table: pd.DataFrame
    by_fold: np.ndarray
    chosen: Mapping[str, Any]
    about: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        rows = json.loads(self.table.to_json(orient="records"))
        return {**self.about, "chosen": dict(self.chosen), "settings": rows, "by_fold": self.by_fold.tolist()}


@final
@dataclass(frozen=True, eq=False)
class SweepTask(ShardedTask):
    """A setting in an inner fold is a row, fold by fold.

    Attributes:
        evaluation: What is trained on, cut by the inner split.
        recipe: Encoder, decoder and their sizes.
        parts: Molecular UR of possible targets.
        manipulator: Registered name.
        settings: JSON of each.
        metric: Registered name.
    """

    evaluation: EvaluationSet
    recipe: Recipe
    parts: UR | None
    manipulator: str
    settings: tuple[str, ...]
    metric: str

    def key(self) -> str:
        """Digest of what is fitted on and asked, and of the settings."""
        origin = MANIPULATORS.origin(self.manipulator)
        asked = [digest_of(self.evaluation, self.recipe, self.parts), self.manipulator, str(origin), *self.settings]
        asked += [self.metric, METRICS.load(self.metric).version]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def load(self) -> list[AskedFold]:
        """An empty place for the fold that is worked on."""
        return []

    def work(self, state: list[AskedFold], shard: Shard) -> pa.Table:
        """Score some settings."""
        rows = []
        for row in range(shard.start, shard.stop):
            number, which = divmod(row, len(self.settings))
            if not state or state[0].number != number:
                state[:] = [AskedFold(self.evaluation, number, self.recipe, self.parts)]
            rows.append({"setting": which, "fold": number, "value": self._score(state[0], self.settings[which])})
        return pa.Table.from_pylist(rows, schema=_SCORED)

    def _score(self, fold: AskedFold, setting: str) -> float:
        try:
            said = list(fold.ask(self.manipulator, json.loads(setting)))
        except FAILURES as error:
            error.add_note(
                f"This happened while {self.manipulator} was tried with {setting} in inner fold {fold.number}."
            )
            raise
        units = self.evaluation.summary.units
        answers = [compared(question, each, units) for question, each in zip(fold.questions, said, strict=True)]
        panel = panel_of(answers, panel_inputs(fold.questions, np.array(fold.means), self.evaluation))
        value_q = METRICS.load(self.metric).compute(panel)
        known = np.isfinite(value_q)
        return float(value_q[known].mean()) if known.any() else float("nan")


def sweep(  # noqa: PLR0913 - each one is a question a user may ask
    measurement: Measurement,
    manipulator: str,
    grid: Mapping[str, Sequence[Any]],
    *,
    split: Split | None = None,
    fold: int = 0,
    inner: str = "unseen-perturbation:3",
    metric: str = "pearson-delta",
    parts: Parts = "auto",
    recipe: Recipe | None = None,
    cells: int = 50,
    by: Executor | None = None,
    out: Path | str | None = None,
    progress: Progressed | None = None,
) -> Sweep:
    """Score every combination of settings on inner folds of a training set, and choose the best.

    Each is fitted once in each inner fold, without an ensemble and without intervals.

    Args:
        measurement: Cells with their controls.
        manipulator: Registered name.
        grid: Names of arguments of its ``fit``, and the values to try, JSON-ready.
        split: The outer split; nothing that its ``fold`` keeps from training is looked at. None takes all that is given
            for the training set.
        fold: Which fold of it.
        inner: Kind of the inner split (`aivc.data.splits.split_text.SPLITS`), made within the training set.
        metric: Registered name of the score.
        parts: Molecular UR of possible targets, as in `aivc.evaluation.protocol.evaluate.evaluate`.
        recipe: Encoder, decoder and their sizes.
        cells: Cells per predicted population.
        by: Does them side by side, such as ``aivc.compute.executor.executor("processes", 2)``; None one by one.
        out: Folder where finished scores are kept, so that work that was cut off goes on.
        progress: Called with what is being done, how many scores are there, of how many.

    Raises:
        UnknownNameError: No such manipulator, setting or metric.
        DataError: Nothing to try, values that are no JSON, or a metric that says not which way is better.
        SplitError: The training set does not allow the inner split, or it has one fold.
        ScoreError: A score is undefined in some inner fold, so that settings cannot be compared.
    """
    settings = require_settings(manipulator, grid)
    judge = _judge(metric)
    recipe = replace(recipe or Recipe(), members=0, inner_folds=0)
    known = knowledge(measurement, [manipulator], parts)
    seen = measurement
    if split is not None:
        seen = measurement.take(np.isin(split.roles(measurement, fold).astype(str), (TRAIN, CONTROL_TRAIN)))
    within = Split.parse(inner, seen, seed=recipe.seed)
    if len(within.folds) < 2:
        raise DataError([f"A spread over inner folds needs two or more, and {inner} has one. Ask for more."])
    prepared = replace(EvaluationSet.prepare(seen, within, cells=cells, seed=recipe.seed), cut=None)
    texts = tuple(json.dumps(each, sort_keys=True) for each in settings)
    task = SweepTask(prepared, recipe, known.parts, manipulator, texts, metric)
    shards = cut(len(texts) * len(within.folds), 1)
    scored = pa.concat_tables((Serial() if by is None else by).run(task, shards, out, progress=progress))
    value_sk = scored["value"].to_numpy().reshape(len(within.folds), len(texts)).T
    about: dict[str, Any] = {"manipulator": manipulator, "metric": metric, "recipe": vars(recipe)}
    about |= {"inner": {"kind": within.kind, "digest": within.digest, "folds": len(within.folds)}}
    about |= {"trained_on": None if split is None else {"split": split.digest, "fold": fold}}
    return _chosen(settings, value_sk, judge, about)


def require_settings(manipulator: str, grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of settings, checked before any work.

    Raises:
        UnknownNameError: No such manipulator, or it has no such setting.
        DataError: Nothing to try, or values that are no JSON.

    >>> require_settings("nearest", {"neighbors": [1, 3]})
    [{'neighbors': 1}, {'neighbors': 3}]
    """
    taken = inspect.signature(MANIPULATORS.load(manipulator).fit).parameters
    open_ended = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values())
    named = [name for name in taken if name not in _GIVEN]
    for name in grid:
        if name in _GIVEN or (name not in named and not open_ended):
            raise UnknownNameError(f"setting of {manipulator}", name, named)
    if not grid or not all(len(values) for values in grid.values()):
        raise DataError(["There is nothing to try. Name settings, each with the values to try."])
    try:
        json.dumps(dict(grid))
    except (TypeError, ValueError) as error:
        raise DataError([f"Settings are JSON: numbers, texts, lists, true, false, null; {error}."]) from error
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def _judge(name: str) -> Metric:
    metric: Metric = METRICS.load(name)
    if metric.direction not in ("up", "down"):
        raise DataError([f"Neither more nor less of {name} is better, so it chooses nothing. Name another metric."])
    return metric


def _chosen(
    settings: Sequence[Mapping[str, Any]], value_sk: np.ndarray, metric: Metric, about: Mapping[str, Any]
) -> Sweep:
    if not np.isfinite(value_sk).all():
        which, fold = np.argwhere(~np.isfinite(value_sk))[0]
        raise ScoreError(
            f"{metric.name} of {dict(settings[which])} is undefined in inner fold {fold}, so settings cannot be "
            "compared by it. Choose another metric, or fewer inner folds."
        )
    mean_s = value_sk.mean(axis=1)
    best = int(np.argmax(mean_s if metric.direction == "up" else -mean_s))
    scores = {"mean": mean_s, "sd": value_sk.std(axis=1, ddof=1), "chosen": np.arange(len(settings)) == best}
    table = pd.concat([pd.DataFrame(list(settings)), pd.DataFrame(scores)], axis=1)
    return Sweep(table, value_sk, dict(settings[best]), about)
