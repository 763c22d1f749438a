"""One fold of an evaluation: what it is fitted on, what it asks, and what methods say to that."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from aivc.core.errors import AIVCError, ScoreError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.units import COUNTS
from aivc.core.ur import UR
from aivc.data.splits.split import CONTROL_TRAIN
from aivc.data.streaming.normalize import normalize, totals
from aivc.evaluation.metrics.stated_levels import LEVELS
from aivc.evaluation.protocol.checkpoints import FoldAnswer
from aivc.evaluation.protocol.panels import MethodAnswer
from aivc.evaluation.protocol.questions import Cells, EvaluationSet, Question
from aivc.evaluation.scores.comparison import INPUTS
from aivc.experiments.fitting.fit import assemble
from aivc.experiments.fitting.shared_fit import STATES, Recipe, SharedFit, shared_fit
from aivc.experiments.fitting.summary import Summary

# Always scored beside the methods; without them no score means anything, so they may not fail.
BASELINES = ("no-change", "mean-effect")
# What a method that fails may raise; anything else is a fault of ours.
FAILURES = (AIVCError, ArithmeticError, ValueError, TypeError, LookupError, RuntimeError)


@final
@dataclass(frozen=True, eq=False)
class AskedFold:
    """One fold; encoder and decoder are fitted when the first method needs them.

    Attributes:
        evaluation: Data and split.
        number: Which fold.
        recipe: Encoder, decoder and their sizes.
        parts: Molecular UR of possible targets.
    """

    evaluation: EvaluationSet
    number: int
    recipe: Recipe
    parts: UR | None

    @cached_property
    def questions(self) -> list[Question]:
        """What it asks, with the truth."""
        return list(self.evaluation.questions(self.number))

    @cached_property
    def training(self) -> Summary:
        """What methods may see."""
        return self.evaluation.training(self.number)

    @cached_property
    def ground(self) -> SharedFit:
        """What all methods share."""
        return shared_fit(self.training, self.recipe, self.parts)

    @cached_property
    def starts(self) -> list[UR]:
        """Control states that each question starts from."""
        return [_start(self.ground, self.training, each) for each in self.questions]

    @property
    def means(self) -> list[np.ndarray]:
        """For each question the ``(f,)`` profile of its controls, moved by the mean effect of what is trained on."""
        mean_of = self.evaluation.mean_effects(self.number, sorted({each.context for each in self.questions}))
        return [each.given.profile + mean_of[each.context] for each in self.questions]

    def ask(self, method: str, settings: Mapping[str, Any] | None = None) -> Iterator[FoldAnswer]:
        """Fit a method, with the input behind its colon shuffled, and ask it every question in order.

        Args:
            method: Registered manipulator, and perhaps an input to shuffle.
            settings: Further arguments of its ``fit``.
        """
        name, _, shuffled = method.partition(":")
        taken = INPUTS[shuffled] if shuffled else None
        cell = assemble(self.ground, name, parts=self.parts, settings=settings, shuffled=taken)
        cells = self.evaluation.cells
        for question, begin in zip(self.questions, self.starts, strict=True):
            said = cell.predict(begin, Perturbation.parse(question.perturbation), cells=cells)
            yield FoldAnswer(
                question.given.profile + said.effect,
                _bounds(said, question),
                None if said.retrieval is None else question.given.profile + said.retrieval_effect,
                str(said.applicability),
                said.population(cells, seed=self.recipe.seed),
            )


def compared(question: Question, said: FoldAnswer, units: str) -> MethodAnswer:
    """Set what a method said beside what was asked; where cells are compared, in the units of the profiles."""
    cells = said.population
    seen = None if cells.units != COUNTS and question.cells is None else _cells(cells, units)
    return MethodAnswer(question, said.predicted, said.bounds, seen, said.applicability, said.retrieval)


def _cells(population: Measurement, units: str) -> Cells:
    depth = totals(population) if population.units == COUNTS else None
    return Cells(normalize(population, units).block(0, len(population)), depth)


def failure(error: Exception, method: str, fold: int, *, keep_going: bool) -> str:
    """What a report says of a method that failed; where it may not, the error is raised again, and says where.

    Args:
        error: One of `FAILURES`, caught.
        method: That raised it.
        fold: In which.
        keep_going: Whether a method may fail.
    """
    if not keep_going or method in BASELINES:
        error.add_note(f"This happened while scoring {method!r} in fold {fold}.")
        raise error
    return f"{type(error).__name__}: {error}"


def _start(ground: SharedFit, training: Summary, question: Question) -> UR:
    if not question.site:
        return ground.start(question.context)
    sample = training.sample
    rows = (sample.entities["part"].to_numpy() == CONTROL_TRAIN) & (sample.contexts.astype(str) == question.context)
    rows &= sample.entities[question.site_column].astype(str).to_numpy() == question.site
    if not rows.any():
        raise ScoreError(f"{question.site!r} has no controls in {question.context!r}. Leave it out.")
    own = ground.encoder.encode(sample.take(rows), ground.parts)
    return own.sample(min(len(own), STATES), seed=ground.recipe.seed)


def _bounds(said: Prediction[Measurement], question: Question) -> tuple[np.ndarray, ...] | None:
    if said.calibration is None:
        return None
    # Of the profile: it is predicted from the given controls, and scored as it is, against no others.
    moved = question.given.profile - said.control
    return tuple(moved + np.array(said.interval(each, cells=question.truth.cells)) for each in LEVELS)
