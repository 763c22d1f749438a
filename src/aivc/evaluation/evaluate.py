"""Score any set of methods on a split, beside the baselines and the replicate, with intervals over perturbations."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd

from aivc.core.errors import AIVCError, ScoreError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.registry import MANIPULATORS, METRICS
from aivc.core.units import COUNTS
from aivc.core.ur import UR
from aivc.data.normalize import Block, normalize, totals
from aivc.data.split import CONTROL_TRAIN, Split
from aivc.evaluation.adversaries import adversary_panels, judge
from aivc.evaluation.metrics import Metric
from aivc.evaluation.metrics_calibration import weighted_interval_score
from aivc.evaluation.panel import Panel, Stated
from aivc.evaluation.profiles import profile as metric_profile
from aivc.evaluation.questions import Cells, Exam, Question, targets
from aivc.evaluation.scores import Evaluation
from aivc.evaluation.standing import INPUTS
from aivc.experiments.fit import assemble
from aivc.experiments.foretell import Foretold, foretell
from aivc.experiments.groundwork import STATES, Groundwork, Recipe, groundwork
from aivc.experiments.summary import Progress, Summary

BASELINES = ("no-change", "mean-effect")
REPLICATE_ROW = "replicate"
LEVELS = (0.5, 0.8, 0.9, 0.95)

Sink: TypeAlias = Callable[[str, Question, Measurement], None]


@final
@dataclass(frozen=True, eq=False)
class Answer:
    """What a method said to one question.

    Attributes:
        question: What was asked.
        predicted: ``(f,)`` mean profile: the real control given, plus the predicted effect.
        bounds: Per level of `LEVELS`, ends ``(2, f)`` of the interval of what is measured; None where none is stated.
        population: Predicted cells, in the units of the profiles; None at effect level.
        applicability: The method's own verdict.
    """

    question: Question
    predicted: np.ndarray
    bounds: tuple[np.ndarray, ...] | None
    population: Cells | None
    applicability: str


def evaluate(  # noqa: PLR0913 - each one is a question a user may ask
    measurement: Measurement,
    split: Split,
    methods: Sequence[str],
    *,
    parts: UR | None = None,
    recipe: Recipe | None = None,
    cells: int = 200,
    name: str = "",
    keep_going: bool = False,
    adversaries: bool = False,
    profile: Sequence[str] | None = None,
    usage: Sequence[str] = (),
    sink: Sink | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Fit every method in every fold, ask what the fold keeps from it, and score the answers.

    Args:
        measurement: Cells with their controls, in memory or on disk; or an effect-level table.
        split: What is kept from training.
        methods: Registered manipulators; ``NAME:shuffled`` fits NAME on permuted perturbation labels, the negative
            control, and ``NAME:shuffled-priors`` and ``NAME:shuffled-context`` on other priors and contexts than its
            own. ``no-change`` and ``mean-effect`` are always added.
        parts: Molecular UR of possible targets, for methods that use it.
        recipe: Encoder, decoder and their sizes, shared by all methods.
        cells: Cells per predicted population.
        name: Of the data, for the report.
        keep_going: Show a method that fails instead of stopping.
        adversaries: Also score answers without merit, made from the others, and say which metrics they fool.
        profile: Names of metric profiles (`aivc.evaluation.profiles`); None takes every registered metric.
        usage: Inputs to take from every method by shuffling (``perturbation``, ``priors``, ``context``): what it then
            loses is how much it used them.
        sink: Given each predicted population, in the units the decoder writes.
        progress: Told what is being done.

    Raises:
        UnknownNameError: A method, a metric profile or an input to shuffle is not known.
        SplitError: The split does not fit the data.
        ScoreError: A method failed or answered with NaN, unless ``keep_going``.
    """
    recipe = replace(recipe or Recipe(), unseen=_unseen(split))
    methods = with_usage([*BASELINES, *methods], usage, priors=parts is not None)
    require_methods(methods)
    for method in methods:
        MANIPULATORS.load(method.split(":")[0])
    chosen = metrics_of(profile)
    exam = Exam.prepare(measurement, split, cells=cells, seed=recipe.seed, progress=progress)
    answers: dict[str, list[Answer]] = {method: [] for method in methods}
    failures: dict[str, str] = {}
    means: list[np.ndarray] = []
    for fold in range(len(split.folds)):
        training, questions = exam.training(fold), list(exam.questions(fold))
        ground = groundwork(training, recipe)
        starts = [_start(ground, training, each) for each in questions]
        mean_of = {each: exam.mean_effect(fold, each) for each in sorted({q.context for q in questions})}
        means += [each.given.profile + mean_of[each.context] for each in questions]
        for i, method in enumerate(methods):
            if progress is not None:
                progress(method, fold * len(methods) + i, len(split.folds) * len(methods))
            if method in failures:
                continue
            try:
                answers[method] += _ask(ground, method, questions, starts, parts, cells, sink)
            except (AIVCError, ArithmeticError, ValueError, TypeError, LookupError, RuntimeError) as error:
                if not keep_going or method in BASELINES:
                    error.add_note(f"This happened while scoring {method!r} in fold {fold}.")
                    raise
                failures[method] = f"{type(error).__name__}: {error}"
    asked = [answer.question for answer in answers[BASELINES[0]]]
    shared = _asked(asked, np.array(means), exam)
    panels, applicability = {}, {}
    for method in methods:
        if method not in failures:
            panels[method] = _panel(answers[method], shared)
            applicability[method] = [answer.applicability for answer in answers[method]]
        # Answers of one method are put together before those of the next, and then let go.
        del answers[method]
    added, made_from = adversary_panels(panels, seed=recipe.seed) if adversaries else ({}, {})
    panels |= added
    found = Evaluation.of(
        panels,
        _replicates(panels[BASELINES[0]], asked, exam),
        chosen,
        applicability=applicability,
        failures=failures,
        about={
            "data": _about(measurement, name),
            "split": {"kind": split.kind, "digest": split.digest, "folds": len(split.folds)},
            "profile_units": exam.summary.units,
            "seed": recipe.seed,
            "recipe": vars(recipe),
        },
    )
    return judge(found, chosen, made_from) if adversaries else found


def _unseen(split: Split) -> str:
    """What is new in a question, so that calibration holds out the same: perturbations, contexts, or pairs of them."""
    held = {column for fold in split.folds for column in fold.held}
    return next((name for name in ("perturbation", "context", "pair") if name in held), "perturbation")


def _about(measurement: Measurement, name: str) -> dict[str, Any]:
    perturbations = set(map(str, measurement.perturbations)) - {"control"}
    named = name or str(measurement.provenance.get("dataset", "data"))
    shape = {"cells": len(measurement), "features": len(measurement.features), "perturbations": len(perturbations)}
    return {"name": named, **shape, "contexts": len(set(map(str, measurement.contexts))), "units": measurement.units}


def _ask(
    ground: Groundwork,
    method: str,
    questions: list[Question],
    starts: list[UR],
    parts: UR | None,
    cells: int,
    sink: Sink | None,
) -> Iterator[Answer]:
    name, _, shuffled = method.partition(":")
    cell = assemble(ground, name, parts=parts, shuffled=INPUTS[shuffled] if shuffled else None)
    for question, begin in zip(questions, starts, strict=True):
        said = foretell(cell, begin, Perturbation.parse(question.perturbation), cells=cells)
        population = said.population(cells, seed=ground.recipe.seed)
        if sink is not None:
            sink(method, question, population)
        seen = None if population.units != COUNTS and question.cells is None else population
        yield Answer(
            question,
            question.given.profile + said.effect,
            _bounds(said, question),
            None if seen is None else _cells(seen, ground.profiles.units),
            str(said.prediction.applicability),
        )


def _cells(population: Measurement, units: str) -> Cells:
    depth = totals(population) if population.units == COUNTS else None
    return Cells(normalize(population, units).block(0, len(population)), depth)


def _start(ground: Groundwork, training: Summary, question: Question) -> UR:
    if not question.site:
        return ground.start(question.context)
    sample = training.sample
    rows = (sample.entities["part"].to_numpy() == CONTROL_TRAIN) & (sample.contexts.astype(str) == question.context)
    rows &= sample.entities[question.site_column].astype(str).to_numpy() == question.site
    if not rows.any():
        raise ScoreError(f"{question.site!r} has no controls in {question.context!r}. Leave it out.")
    own = ground.encoder.encode(sample.take(rows))
    return own.sample(min(len(own), STATES), seed=ground.recipe.seed)


def _bounds(said: Foretold, question: Question) -> tuple[np.ndarray, ...] | None:
    if said.prediction.calibration is None:
        return None
    return tuple(
        question.given.profile + np.array(said.interval(level, cells=question.truth.cells)) for level in LEVELS
    )


def _panel(answers: list[Answer], asked: dict[str, Any]) -> Panel:
    shape, at90 = asked["truth"].shape, LEVELS.index(0.9)
    # Views of one number where a method states nothing: many methods are held at once.
    low, high = np.broadcast_to(np.nan, (2, *shape))
    if any(answer.bounds is not None for answer in answers):
        nothing = np.full((2, shape[1]), np.nan)
        stated = [nothing if answer.bounds is None else answer.bounds[at90] for answer in answers]
        low, high = np.array([bounds[0] for bounds in stated]), np.array([bounds[1] for bounds in stated])
    return Panel(
        **asked,
        predicted=np.array([answer.predicted for answer in answers]),
        predicted_noise=np.broadcast_to(0.0, shape),
        low=low,
        high=high,
        population=tuple(_values(answer.population) for answer in answers),
        population_depth=tuple(_depth(answer.population) for answer in answers),
        stated=_stated(answers, asked["usable"]),
    )


def _asked(questions: list[Question], means: np.ndarray, exam: Exam) -> dict[str, Any]:
    """All that a panel holds besides the answers."""
    features = exam.summary.profiles.features
    own = targets(questions, features)
    truth = np.array([q.truth.profile for q in questions])
    return {
        "features": features,
        "units": exam.summary.units,
        "questions": pd.DataFrame([q.key for q in questions]),
        "given": np.array([q.given.profile for q in questions]),
        "truth": np.nan_to_num(truth),
        "control": np.array([q.control.profile for q in questions]),
        "perturbed_mean": means,
        "usable": ~own & np.isfinite(truth),
        "targeted": np.asarray(own.any(axis=0)),
        "truth_noise": np.array([q.truth.noise + q.control.noise for q in questions]),
        "cells": tuple(_values(q.cells) for q in questions),
        "cells_depth": tuple(_depth(q.cells) for q in questions),
        "controls": tuple(_values(q.controls) for q in questions),
        "controls_depth": tuple(_depth(q.controls) for q in questions),
    }


def _values(cells: Cells | None) -> Block | None:
    return None if cells is None else cells.values


def _depth(cells: Cells | None) -> np.ndarray | None:
    return None if cells is None else cells.depth


def _replicates(like: Panel, questions: list[Question], exam: Exam) -> Iterator[Panel]:
    """One half of the same cells, scored as if it had foretold the other: what no method can be expected to beat.

    The cells are halved in several ways, one panel each, made when it is asked for. A question whose cells cannot be
    halved in some way is not scored there.
    """
    for number in range(exam.resplits):
        halved = [exam.resplit(question, number) for question in questions]
        have = np.array([q is not None and q.replicate is not None for q in halved])
        shown = [q or question for q, question in zip(halved, questions, strict=True)]
        profile = np.array([q.replicate.profile if q.replicate else q.given.profile for q in shown])
        noise = np.array([q.replicate.noise + q.given.noise if q.replicate else q.given.noise for q in shown])
        asked = _asked(shown, like.perturbed_mean, exam)
        nothing = np.broadcast_to(np.nan, profile.shape)
        yield Panel(
            **{
                **asked,
                "usable": asked["usable"] & have[:, None] & np.isfinite(profile),
                "predicted": np.nan_to_num(profile),
                "predicted_noise": noise,
                "low": nothing,
                "high": nothing,
                "population": tuple(_values(q.others) for q in shown),
                "population_depth": tuple(_depth(q.others) for q in shown),
            }
        )


def _stated(answers: list[Answer], usable: np.ndarray) -> Stated | None:
    if all(answer.bounds is None for answer in answers):
        return None
    covered, width = np.full((2, len(answers), len(LEVELS)), np.nan)
    crps = np.full(len(answers), np.nan)
    for i, (answer, use) in enumerate(zip(answers, usable, strict=True)):
        if answer.bounds is None or not use.any():
            continue
        truth, bounds = answer.question.truth.profile[use], np.array(answer.bounds)[:, :, use]
        covered[i] = ((truth >= bounds[:, 0]) & (truth <= bounds[:, 1])).mean(axis=1)
        width[i] = (bounds[:, 1] - bounds[:, 0]).mean(axis=1)
        crps[i] = weighted_interval_score(answer.predicted[use], bounds, LEVELS, truth).mean()
    return Stated(LEVELS, covered, width, crps)


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
    if strange := [name for name in usage if name not in suffix]:
        raise UnknownNameError("input to shuffle", strange[0], list(suffix))
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
