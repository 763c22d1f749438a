"""Takes what a model of another environment predicted, from a file, as answers beside those of registered methods."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnitsError
from aivc.core.measurement import Measurement
from aivc.core.registry import MANIPULATORS
from aivc.core.units import COUNTS, log1p_target
from aivc.data.io.count_values import from_expected
from aivc.data.io.labels import some
from aivc.data.streaming.normalize import Block, normalize, require_path, totals
from aivc.evaluation.metrics.stated_levels import at_level
from aivc.evaluation.protocol.forecast import (
    Forecast,
    Predicted,
    cells_of,
    interval_problems,
    require_units,
)
from aivc.evaluation.protocol.panels import MethodAnswer
from aivc.evaluation.protocol.prediction_file import content_digest
from aivc.evaluation.protocol.questions import Cells, EvaluationSet, Question
from aivc.evaluation.scores.comparison import CEILING, INPUTS

Key: TypeAlias = tuple[int, str, str, str]

FOLD, BATCH = "fold", "batch"
UNKNOWN = "unknown"
# How far the counts that mean logs stand for may lie above the scale, by rounding, and below those of controls.
_ABOVE, _BELOW = 1.05, 0.3


@final
@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted cells of one model, found by question.

    Attributes:
        cells: Those that answer a question, with the features of the data in their order, in the units of the file.
        rows: Positions of the cells that answer each question, by fold, context, perturbation, and donor or batch.
        evaluation: What is asked.
        about: JSON-ready: file and sha256, units, how many cells were used, what was left aside, how values were read,
            and the level of intervals.
        forecast: The same cells with their intervals; None where none are stated.
    """

    cells: Measurement
    rows: Mapping[Key, np.ndarray]
    evaluation: EvaluationSet
    about: Mapping[str, Any]
    forecast: Forecast | None = None

    @classmethod
    def take(cls, predicted: Predicted, evaluation: EvaluationSet, name: str) -> "Predictions":
        """Find the answer to every question, or say all that is wrong.

        Args:
            predicted: Such as `aivc.evaluation.protocol.prediction_file.read_predictions` returns. Rows that answer no
                question, and features that were not measured, are left aside and counted; so are cells without any
                counts, as an experiment leaves them out. Intervals are of mean profiles, in the units in which these
                are compared.
            evaluation: What is asked.
            name: Of the model, for messages.

        Raises:
            UnitsError: They cannot be brought to the units in which profiles are compared, or cannot be in the units
                that they are said to be in.
            DataError: A question has no answer, a feature is missing, a value is no number, or an interval is none.
        """
        declared, stated, predicted = predicted.units, predicted, _counted(cells_of(predicted), name)
        _require_units(predicted.units, evaluation, name)
        if isinstance(stated, Forecast):
            require_units(stated, evaluation.summary.units, f"The file of {name!r}")
        keys, problems = _keys(predicted, evaluation)
        asked = set(evaluation.asked)
        used = np.array([key in asked for key in keys], dtype=bool)
        answered = {key for key in keys if key in asked}
        problems += list(_unanswered(asked - answered, keys, evaluation))
        lacking = pd.Index(evaluation.summary.profiles.features).difference(pd.Index(predicted.features))
        if len(lacking):
            problems.append(
                f"{len(lacking)} of {len(evaluation.summary.profiles.features)} features are not predicted: "
                f"{some(lacking)}. Predict them; for a gene that the model does not know, the mean of the controls "
                "says: no effect."
            )
        _refuse(problems, name)
        cells = predicted.take(used).select(evaluation.summary.profiles.features)
        _refuse([*_unsound(cells)], name)
        kept = totals(cells) > 0 if cells.units == COUNTS else np.ones(len(cells), dtype=bool)
        cells, keys = cells.take(kept), [key for key, use in zip(keys, used, strict=True) if use]
        rows = _positions([key for key, keep in zip(keys, kept, strict=True) if keep])
        _refuse([*_unusable(rows, answered, cells), *_unknown_batches(rows, cells, evaluation)], name)
        _require_possible(cells, rows, evaluation, name)
        forecast = _intervals(stated, used, kept, rows, evaluation, name)
        about = {
            "file": predicted.provenance.get("file"),
            "sha256": predicted.provenance.get("sha256") or content_digest(stated),
            "units": declared,
            "cells": len(cells),
            "ignored_rows": int((~used).sum()),
            "ignored_features": len(predicted.features) - len(cells.features),
            "empty_cells": int((~kept).sum()),
            **({"notes": notes} if (notes := predicted.provenance.get("notes")) else {}),
            **({"interval_level": forecast.level} if forecast is not None else {}),
        }
        return cls(cells, rows, evaluation, about, forecast)

    def answers(self, questions: Sequence[Question], cells: int, *, seed: int = 0) -> Iterator[MethodAnswer]:
        """Say what the model predicts, question by question.

        What a registered method says is read as the difference between its moved and its unmoved start. Predicted
        cells have no such start: their effect is their mean profile minus that of the controls given to methods in the
        same context, and donor, that is of the cells that the model could start from. Where predicted cells name their
        batch, these controls are weighted to the same mix of batches. As for all methods, the effect is then set on
        the controls given that are matched to the question.

        Args:
            questions: To be answered.
            cells: How many cells of each population are compared with measured cells, at most.
            seed: Draws them.
        """
        for question in questions:
            yield self._answer(question, cells, seed)

    def _answer(self, question: Question, cells: int, seed: int) -> MethodAnswer:
        rows = self.rows[question.fold, question.context, question.perturbation, question.site]
        units = self.evaluation.summary.units
        taken = normalize(self.cells.take(rows), units).block(0, len(rows))
        mix = _mix(self.cells, rows, self.evaluation)
        start = self.evaluation.given(question.context, question.site, mix, question.perturbation)
        population = self._population(taken, rows, cells, seed)
        moved = question.given.profile - start
        ends = None if self.forecast is None else at_level(self.forecast.ends(rows) + moved, self.forecast.level)
        return MethodAnswer(question, _mean(taken) + moved, ends, population, UNKNOWN)

    def _population(self, taken: Block, rows: np.ndarray, cells: int, seed: int) -> Cells | None:
        if self.evaluation.summary.profiles.is_effects or len(rows) < 2:
            return None
        drawn = np.sort(np.random.default_rng(seed).choice(len(rows), min(cells, len(rows)), replace=False))
        depth = totals(self.cells.take(rows[drawn])) if self.cells.units == COUNTS else None
        return Cells(taken[drawn], depth)


def take_all(
    predictions: Mapping[str, Predicted], evaluation: EvaluationSet, methods: Sequence[str]
) -> dict[str, Predictions]:
    """Check every model's predictions before any work is done.

    Raises:
        DataError: A name is taken, or what a model predicted does not answer what is asked.
        UnitsError: It is in other units.
    """
    require_free_names(predictions, methods)
    return {name: Predictions.take(predicted, evaluation, name) for name, predicted in predictions.items()}


def require_free_names(names: Iterable[str], methods: Sequence[str] = ()) -> None:
    """Refuse names for predictions that mean something else already.

    Raises:
        DataError: A name is that of a registered method or of a row of every table, or is malformed.
    """
    problems = []
    for name in names:
        bare, _, shuffled = name.partition(":")
        if bare in (*MANIPULATORS.names(), CEILING, *methods):
            problems.append(f"{bare!r} is the name of a method here. Name the predictions otherwise: {bare}-2=FILE.")
        elif not bare or (":" in name and shuffled not in INPUTS):
            problems.append(
                f"{name!r} cannot name predictions. Write NAME, or NAME:shuffled for the same model trained on "
                "permuted labels."
            )
    if problems:
        raise DataError(problems)


def _refuse(problems: Sequence[str], name: str) -> None:
    if problems:
        error = DataError(problems)
        error.add_note(f"These are the predictions of {name!r}.")
        raise error


def _intervals(
    stated: Predicted,
    used: np.ndarray,
    kept: np.ndarray,
    rows: Mapping[Key, np.ndarray],
    evaluation: EvaluationSet,
    name: str,
) -> Forecast | None:
    """The intervals of the rows that answer, checked; None where none are stated."""
    if not isinstance(stated, Forecast):
        return None
    found = stated.take(used).take(kept).select(evaluation.summary.profiles.features)
    _refuse([*interval_problems(found, rows, _named)], name)
    return found


def _counted(predicted: Measurement, name: str) -> Measurement:
    try:
        return from_expected(predicted)
    except DataError as error:
        error.add_note(f"These are the predictions of {name!r}.")
        raise


def _require_units(units: str, evaluation: EvaluationSet, name: str) -> None:
    wanted = evaluation.summary.units
    try:
        if units != wanted:
            require_path(units, wanted)
    except UnitsError as error:
        ways = f"counts, or {wanted}" if log1p_target(wanted) is not None else wanted
        raise UnitsError(
            f"The predictions of {name!r} are in {units}, and profiles are compared in {wanted} here. Give {ways}."
        ) from error


def _keys(predicted: Measurement, evaluation: EvaluationSet) -> tuple[list[Key], list[str]]:
    """What each row answers, and what keeps that from being known."""
    by = [name for name in ("context", "perturbation", evaluation.site_column) if name]
    if missing := [name for name in (FOLD, *by) if name not in predicted.entities]:
        problem = (
            f"There is no column {' and none '.join(map(repr, missing))} in obs, so nobody knows what is answered."
        )
        return [], [f"{problem} Copy the columns of questions.csv to the cells that answer each question."]
    fold_n = pd.to_numeric(predicted.entities[FOLD].astype(object), errors="coerce").to_numpy(dtype=np.float64)
    wrong = int((~np.isfinite(fold_n) | (fold_n != np.round(fold_n))).sum())
    if wrong:
        return [], [f"{wrong} of {len(fold_n)} rows name no fold, which is a whole number. Correct the column 'fold'."]
    texts = [predicted.entities[name].astype(str) for name in by]
    named = zip(*texts, strict=True) if evaluation.site_column else ((*pair, "") for pair in zip(*texts, strict=True))
    return [(int(fold), *key) for fold, key in zip(fold_n, named, strict=True)], []


def _unanswered(lacking: set[Key], keys: Sequence[Key], evaluation: EvaluationSet) -> Iterator[str]:
    if lacking and keys:
        theirs = some(_named(key) for key in dict.fromkeys(keys))
        yield (
            f"{len(lacking)} of {len(evaluation.asked)} questions have no answer: "
            f"{some(map(_named, sorted(lacking)))}. The rows are labeled {theirs}. Answer every row of "
            "questions.csv, in its own words."
        )


def _named(key: Key) -> str:
    fold, context, text, site = key
    return f"{text} in {context}{f' of {site}' if site else ''} (fold {fold})"


def _unsound(cells: Measurement) -> Iterator[str]:
    values = cells.values if isinstance(cells.values, np.ndarray) else cells.values.data  # type: ignore[union-attr]
    if bad := int((~np.isfinite(values)).sum()):
        yield f"{bad} predicted values are NaN or infinite. A prediction is finite everywhere: mend the model's output."
    elif cells.units == COUNTS and (low := int((values < 0).sum())):
        yield (
            f"{low} predicted counts are below zero. If the model states expectations, declare expected_counts; or "
            "clip them to zero, or give log1p values."
        )


def _positions(keys: Sequence[Key]) -> dict[Key, np.ndarray]:
    found: dict[Key, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return {key: np.array(rows) for key, rows in found.items()}


def _unusable(rows: Mapping[Key, np.ndarray], answer: set[Key], cells: Measurement) -> Iterator[str]:
    if empty := sorted(answer - set(rows)):
        yield f"{len(empty)} answers hold no counts at all: {some(map(_named, empty))}. Predict cells with counts."
    single = sorted(key for key, found in rows.items() if len(found) == 1) if cells.units == COUNTS else []
    if single:
        # The log of a mean is not the mean of logs, and the difference would pass for an effect.
        yield (
            f"{len(single)} answers are one row of counts: {some(map(_named, single))}. Profiles are means of "
            "normalized cells: give several cells, or the mean of their log1p values, in the units of the profiles."
        )


def _mix(cells: Measurement, rows: np.ndarray, evaluation: EvaluationSet) -> dict[str, float]:
    """How many predicted cells name each batch; empty where none does, or where batches are asked about."""
    if BATCH not in cells.entities or evaluation.site_column == BATCH or not evaluation.has_batches:
        return {}
    counts = cells.entities[BATCH].iloc[rows].astype(str).value_counts()
    return {str(name): float(count) for name, count in counts.items()}


def _unknown_batches(rows: Mapping[Key, np.ndarray], cells: Measurement, evaluation: EvaluationSet) -> Iterator[str]:
    for key, found in sorted(rows.items()):
        _, context, _, site = key
        named, known = set(_mix(cells, found, evaluation)), evaluation.batches_given(context, site)
        if named - known:
            yield (
                f"{_named(key)}: batch {some(sorted(named - known))} has no control cells there; those that have are "
                f"{some(sorted(known))}. Name these, or leave out the column, and all controls given are compared with."
            )
            return


def _require_possible(cells: Measurement, rows: Mapping[Key, np.ndarray], evaluation: EvaluationSet, name: str) -> None:
    """Refuse log values of another scale.

    Counts taken back from mean logs sum to at most the scale (Jensen's inequality); values that are not logs at all, or
    centered, sum to far less than those of controls.
    """
    target = log1p_target(cells.units)
    if target is None:
        return
    for key, found in rows.items():
        mean_f = _mean(cells.take(found).block(0, len(found)))
        total, usual = (float(np.expm1(each_f).sum()) for each_f in (mean_f, evaluation.given(key[1], key[3], {})))
        if total > _ABOVE * target or total < _BELOW * usual:
            raise UnitsError(
                f"The values of {name!r} for {_named(key)} are in another scale than {cells.units}: taken back from "
                f"log1p, their mean profile sums to {total:.3g} counts per cell, that of the controls to {usual:.3g}, "
                f"and none can be above {target:g}. Scale counts to {target:g} per cell, then take the natural log1p; "
                "or give the counts."
            )


def _mean(block: Block) -> np.ndarray:
    return np.asarray(block.mean(axis=0, dtype=np.float64)).ravel()
