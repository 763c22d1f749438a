"""Score any set of methods on a split, beside the baselines and the replicate, with intervals over perturbations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from aivc.data.normalize import Block, normalize
from aivc.data.split import CONTROL_TRAIN, Split
from aivc.evaluation.adversaries import adversary_panels, judge
from aivc.evaluation.panel import Panel
from aivc.evaluation.questions import Exam, Question, targets
from aivc.evaluation.scores import Evaluation
from aivc.experiments.fit import assemble
from aivc.experiments.foretell import Foretold, foretell
from aivc.experiments.groundwork import STATES, Groundwork, Recipe, groundwork
from aivc.experiments.summary import Progress, Summary

BASELINES = ("no-change", "mean-effect")
REPLICATE_ROW = "replicate"
SHUFFLED = ":shuffled"
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
        population: ``(n, f)`` predicted cells in the units of the profiles, dense or CSR; None at effect level.
        applicability: The method's own verdict.
    """

    question: Question
    predicted: np.ndarray
    bounds: tuple[np.ndarray, ...] | None
    population: Block | None
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
    sink: Sink | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Fit every method in every fold, ask what the fold keeps from it, and score the answers.

    Args:
        measurement: Cells with their controls, in memory or on disk; or an effect-level table.
        split: What is kept from training.
        methods: Registered manipulators; ``NAME:shuffled`` fits NAME on permuted labels, the negative control.
            ``no-change`` and ``mean-effect`` are always added.
        parts: Molecular UR of possible targets, for methods that use it.
        recipe: Encoder, decoder and their sizes, shared by all methods.
        cells: Cells per predicted population.
        name: Of the data, for the report.
        keep_going: Show a method that fails instead of stopping.
        adversaries: Also score answers without merit, made from the others, and say which metrics they fool.
        sink: Given each predicted population, in the units the decoder writes.
        progress: Told what is being done.

    Raises:
        UnknownNameError: A method is not registered.
        SplitError: The split does not fit the data.
        ScoreError: A method failed or answered with NaN, unless ``keep_going``.
    """
    recipe = replace(recipe or Recipe(), unseen=_unseen(split))
    methods = list(dict.fromkeys([*BASELINES, *methods]))
    for method in methods:
        MANIPULATORS.load(method.removesuffix(SHUFFLED))
    chosen = [METRICS.load(metric) for metric in METRICS.names()]
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
    panels = {
        method: _panel(given, np.array(means), exam) for method, given in answers.items() if method not in failures
    }
    added, made_from = adversary_panels(panels, seed=recipe.seed) if adversaries else ({}, {})
    panels |= added
    panels[REPLICATE_ROW] = _replicate(panels[BASELINES[0]], [a.question for a in answers[BASELINES[0]]], exam)
    found = Evaluation.of(
        panels,
        chosen,
        calibration={
            m: _calibration(answers[m], panel.usable)
            for m, panel in panels.items()
            if m in answers and all(answer.bounds is not None for answer in answers[m])
        },
        applicability={m: [a.applicability for a in answers[m]] for m in panels if m in answers},
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
    shuffled = method.endswith(SHUFFLED)
    cell = assemble(ground, method.removesuffix(SHUFFLED), parts=parts, shuffled=shuffled)
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
            None if seen is None else normalize(seen, ground.profiles.units).block(0, len(seen)),
            str(said.prediction.applicability),
        )


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


def _panel(answers: list[Answer], means: np.ndarray, exam: Exam) -> Panel:
    questions = [answer.question for answer in answers]
    features = exam.summary.profiles.features
    own = targets(questions, features)
    truth = np.array([q.truth.profile for q in questions])
    nothing = np.full(truth.shape, np.nan)
    at90 = LEVELS.index(0.9)
    stated = [a.bounds[at90] if a.bounds is not None else nothing[:2] for a in answers]
    return Panel(
        questions=pd.DataFrame([q.key for q in questions]),
        predicted=np.array([a.predicted for a in answers]),
        given=np.array([q.given.profile for q in questions]),
        truth=np.nan_to_num(truth),
        control=np.array([q.control.profile for q in questions]),
        perturbed_mean=means,
        usable=~own & np.isfinite(truth),
        targeted=np.asarray(own.any(axis=0)),
        truth_noise=np.array([q.truth.noise + q.control.noise for q in questions]),
        predicted_noise=np.zeros(truth.shape),
        low=np.array([bounds[0] for bounds in stated]),
        high=np.array([bounds[1] for bounds in stated]),
        population=tuple(a.population for a in answers),
        cells=tuple(q.cells for q in questions),
    )


def _replicate(like: Panel, questions: list[Question], exam: Exam) -> Panel:
    """The other half of the same cells, scored as if it were a prediction: what no method can be expected to beat."""
    have = np.array([q.replicate is not None for q in questions])
    nothing = np.full(like.predicted.shape, np.nan)
    profile = np.array([q.replicate.profile if q.replicate else q.given.profile for q in questions])
    noise = np.array([q.replicate.noise + q.given.noise if q.replicate else q.given.noise for q in questions])
    return Panel(
        **{
            **vars(like),
            "predicted": np.nan_to_num(profile),
            "predicted_noise": noise,
            "usable": like.usable & have[:, None] & np.isfinite(profile),
            "low": nothing,
            "high": nothing,
            "population": tuple(q.others for q in questions),
        }
    )


def _calibration(answers: list[Answer], usable: np.ndarray) -> Mapping[str, list[float]]:
    covered, width = [], []
    for i in range(len(LEVELS)):
        inside, wide = [], []
        for answer, use in zip(answers, usable, strict=True):
            assert answer.bounds is not None
            low, high = answer.bounds[i]
            truth = answer.question.truth.profile
            if not use.any():
                continue
            inside.append(float(((truth >= low) & (truth <= high))[use].mean()))
            wide.append(float((high - low)[use].mean()))
        covered.append(float(np.mean(inside)))
        width.append(float(np.mean(wide)))
    return {"levels": list(LEVELS), "covered": covered, "width": width}


def require_methods(methods: Sequence[str]) -> None:
    """Refuse unknown methods before any work.

    Raises:
        UnknownNameError: A method is not registered.
    """
    for method in methods:
        if method.removesuffix(SHUFFLED) not in MANIPULATORS.names():
            raise UnknownNameError("method", method, MANIPULATORS.names())
