"""Score any set of methods on a split, beside the baselines and the replicate, with intervals over perturbations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np

from aivc.compute.executor import Executor
from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import MANIPULATORS, METRICS
from aivc.data.splits.split import Split
from aivc.evaluation.metrics.metric import Metric
from aivc.evaluation.metrics.profiles import profile as metric_profile
from aivc.evaluation.protocol.asked_fold import BASELINES, FAILURES, AskedFold, compared, failure
from aivc.evaluation.protocol.checkpoints import KeptFolds
from aivc.evaluation.protocol.fold_task import FoldTask
from aivc.evaluation.protocol.forecast import Predicted
from aivc.evaluation.protocol.panels import MethodAnswer, panel_inputs, panel_of, replicates
from aivc.evaluation.protocol.prediction_file import stamp
from aivc.evaluation.protocol.predictions import take_all
from aivc.evaluation.protocol.questions import EvaluationSet, Question
from aivc.evaluation.scores.adversaries import adversary_panels, judge
from aivc.evaluation.scores.comparison import INPUTS
from aivc.evaluation.scores.table import Evaluation
from aivc.experiments.fitting.fetch_knowledge import Parts, knowledge
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.fitting.summary import Progress

Sink: TypeAlias = Callable[[str, Question, Measurement], None]


def evaluate(  # noqa: PLR0913 - each one is a question a user may ask
    measurement: Measurement,
    split: Split,
    methods: Sequence[str],
    *,
    predictions: Mapping[str, Predicted] | None = None,
    parts: Parts = "auto",
    recipe: Recipe | None = None,
    cells: int = 200,
    name: str = "",
    keep_going: bool = False,
    adversaries: bool = False,
    profile: Sequence[str] | None = None,
    usage: Sequence[str] = (),
    sink: Sink | None = None,
    checkpoint: Path | str | None = None,
    by: Executor | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Fit every method in every fold, ask what the fold keeps from it, and score the answers.

    Args:
        measurement: Cells with their controls, in memory or on disk; or an effect-level table.
        split: What is kept from training.
        methods: Registered manipulators; ``NAME:shuffled`` fits NAME on permuted perturbation labels, the negative
            control, and ``NAME:shuffled-priors`` and ``NAME:shuffled-context`` on other priors and contexts than its
            own. ``no-change`` and ``mean-effect`` are always added.
        predictions: What models of other environments predicted, by the name of their row: cells as
            `aivc.evaluation.protocol.prediction_file.read_predictions` reads them, with intervals where the file has
            them. They must answer every question.
        parts: Molecular UR of possible targets, for methods that use it. By default the catalog's, where a method uses
            any; if it cannot be had and none needs it, the result says so under ``notes``
            (`aivc.experiments.fitting.fetch_knowledge`). None for no knowledge.
        recipe: Encoder, decoder and their sizes, shared by all methods.
        cells: Cells per predicted population.
        name: Of the data, for the report.
        keep_going: Show a method that fails instead of stopping.
        adversaries: Also score answers without merit, made from the others, and say which metrics they fool.
        profile: Names of metric profiles (`aivc.evaluation.metrics.profiles`); None takes every registered metric.
        usage: Inputs to take from every method by shuffling (``perturbation``, ``priors``, ``context``): what it then
            loses is how much it used them.
        sink: Given each population that a registered method predicts, in the units the decoder writes.
        checkpoint: Folder where the answers of each method are kept as it finishes a fold; asked the same again, the
            evaluation goes on from there. Answers to anything else there are not used
            (`aivc.evaluation.protocol.checkpoints`).
        by: Does folds and methods side by side, such as ``aivc.compute.executor.executor("processes", 2)``; the scores
            are the same. Workers on other machines need a checkpoint on a disk that all share.
        progress: Called with what is being done.

    Raises:
        IntegrityError: A checkpoint is damaged.
        UnknownNameError: A method, a metric profile or an input to shuffle is not known.
        SplitError: The split does not fit the data.
        DataError: Predictions leave a question open, lack a feature, or hold NaN.
        UnitsError: Predictions are in other units.
        ScoreError: A method failed or answered with NaN, unless ``keep_going``.
        UnavailableError: A method needs knowledge of targets that cannot be had here; or a worker died.
    """
    recipe = replace(recipe or Recipe(), unseen=_unseen(split))
    _load(with_usage([*BASELINES, *methods], usage, priors=True))
    chosen = metrics_of(profile)
    known = knowledge(measurement, methods, parts, progress=progress)
    methods = with_usage([*BASELINES, *methods], usage, priors=known.parts is not None)
    evaluation = EvaluationSet.prepare(measurement, split, cells=cells, seed=recipe.seed, progress=progress)
    given = take_all(predictions or {}, evaluation, methods)
    answers: dict[str, list[MethodAnswer]] = {method: [] for method in (*methods, *given)}
    failures: dict[str, str] = {}
    means: list[np.ndarray] = []
    with _folder(checkpoint, by) as folder:
        kept = None if folder is None else KeptFolds.of(folder, evaluation, recipe, known.parts)
        given_to = (evaluation, recipe, known.parts, methods)
        failed = (
            {} if by is None or kept is None else FoldTask.of(*given_to, kept, keep_going=keep_going).done(by, progress)
        )
        for fold in range(len(split.folds)):
            part = AskedFold(evaluation, fold, recipe, known.parts)
            means += part.means
            for i, method in enumerate(methods):
                if progress is not None and by is None:
                    progress(method, fold * len(methods) + i, len(split.folds) * len(methods))
                if method in failures:
                    continue
                if (fold, method) in failed:
                    failures[method] = failed[fold, method]
                    continue
                try:
                    answers[method] += _answers(part, method, sink, kept)
                except FAILURES as error:
                    failures[method] = failure(error, method, fold, keep_going=keep_going)
            for name_given, stated in given.items():
                answers[name_given] += stated.answers(part.questions, cells, seed=recipe.seed)
    asked = [answer.question for answer in answers[BASELINES[0]]]
    shared = panel_inputs(asked, np.array(means), evaluation)
    panels, applicability = {}, {}
    for method in (*methods, *given):
        if method not in failures:
            panels[method] = panel_of(answers[method], shared)
            applicability[method] = [answer.applicability for answer in answers[method]]
        # Answers of one method are put together before those of the next, and then let go.
        del answers[method]
    added, made_from = adversary_panels(panels, seed=recipe.seed) if adversaries else ({}, {})
    panels |= added
    found = Evaluation.of(
        panels,
        replicates(panels[BASELINES[0]], asked, evaluation),
        chosen,
        applicability=applicability,
        failures=failures,
        about={
            "data": _about(measurement, name),
            "split": {"kind": split.kind, "digest": split.digest, "folds": len(split.folds)},
            "profile_units": evaluation.summary.units,
            "seed": recipe.seed,
            "recipe": vars(recipe),
            **({"notes": list(known.notes)} if known.notes else {}),
        },
    )
    found = _marked(found, {each: dict(stated.about) for each, stated in given.items()})
    return judge(found, chosen, made_from) if adversaries else found


@contextmanager
def _folder(checkpoint: Path | str | None, by: Executor | None) -> Iterator[Path | None]:
    """Where answers are kept: workers need a place for them also where nothing is to stay."""
    if checkpoint is not None or by is None:
        # Workers may stand in another folder.
        yield None if checkpoint is None else Path(checkpoint).resolve()
        return
    with TemporaryDirectory() as place:
        yield Path(place)


def _load(methods: Sequence[str]) -> None:
    """Find out before any work whether every method can be had."""
    require_methods(methods)
    for method in methods:
        MANIPULATORS.load(method.split(":")[0])


def _marked(found: Evaluation, given: Mapping[str, Mapping[str, Any]]) -> Evaluation:
    """Say which rows were given by file, and by which; an evaluation without any stays as it is."""
    if not given:
        return found
    marks = {
        **found.body["stamp"],
        "predictions": {name: stamp(about) for name, about in given.items()},
    }
    return Evaluation(found.table, {**found.body, "predictions": given, "stamp": marks})


def _unseen(split: Split) -> str:
    """What is new in a question, so that calibration holds out the same: perturbations, contexts, or pairs of them."""
    held = {column for fold in split.folds for column in fold.held}
    return next((name for name in ("perturbation", "context", "pair") if name in held), "perturbation")


def _about(measurement: Measurement, name: str) -> dict[str, Any]:
    perturbations = set(map(str, measurement.perturbations)) - {"control"}
    named = name or str(measurement.provenance.get("dataset", "data"))
    shape = {"cells": len(measurement), "features": len(measurement.features), "perturbations": len(perturbations)}
    return {"name": named, **shape, "contexts": len(set(map(str, measurement.contexts))), "units": measurement.units}


def _answers(fold: AskedFold, method: str, sink: Sink | None, kept: KeptFolds | None) -> Iterator[MethodAnswer]:
    units = fold.evaluation.summary.units
    stated = fold.ask(method) if kept is None else kept.each(method, fold.number, partial(fold.ask, method))
    for question, said in zip(fold.questions, stated, strict=True):
        if sink is not None:
            sink(method, question, said.population)
        yield compared(question, said, units)


def metrics_of(profiles: Sequence[str] | None) -> list[Metric]:
    """Metrics of the named profiles, each once; without names, every registered metric.

    Raises:
        UnknownNameError: No such profile.
    """
    if profiles is None:
        return [METRICS.load(metric) for metric in METRICS.names()]
    found = {each.name: each for name in profiles for each in metric_profile(name)}
    return list(found.values())


def with_usage(methods: Sequence[str], usage: Sequence[str], *, priors: bool) -> list[str]:
    """Add to the methods what they are without some input; the floors, which use none, stay as they are.

    Args:
        methods: As asked for.
        usage: Inputs to shuffle.
        priors: Whether there are any priors to shuffle.

    Raises:
        UnknownNameError: No such input.

    >>> with_usage(["mean-effect", "nearest"], ["perturbation"], priors=True)
    ['mean-effect', 'nearest', 'nearest:shuffled']
    """
    suffix = {name: text for text, name in INPUTS.items()}
    if unknown := [name for name in usage if name not in suffix]:
        raise UnknownNameError("input to shuffle", unknown[0], list(suffix))
    wanted = [suffix[name] for name in usage if priors or name != "priors"]
    bare = [method for method in methods if ":" not in method and method not in BASELINES]
    return list(dict.fromkeys([*methods, *(f"{method}:{text}" for method in bare for text in wanted)]))


def require_methods(methods: Sequence[str]) -> None:
    """Refuse unknown methods before any work.

    Raises:
        UnknownNameError: A method is not registered.
    """
    for method in methods:
        name, _, shuffled = method.partition(":")
        if name not in MANIPULATORS.names():
            raise UnknownNameError("method", name, MANIPULATORS.names())
        if shuffled and shuffled not in INPUTS:
            remedy = "Write NAME:shuffled, NAME:shuffled-priors or NAME:shuffled-context."
            raise UnknownNameError("way to shuffle", shuffled, list(INPUTS), remedy)
