"""All that a page about a cell is made of, each computed when it is first needed and only once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.virtual_cell import VirtualCell
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.streaming.stream import Progress
from aivc.evaluation.protocol.evaluate import evaluate
from aivc.experiments.fitting.fetch_knowledge import Parts
from aivc.experiments.predict import predict
from aivc.experiments.propose import Plan
from aivc.experiments.screen import Response, Screen, screen
from aivc.experiments.series import SeriesTables
from aivc.reporting.cell_answers import (
    LearnedEffects,
    MeasuredEffects,
    beside,
    learned,
    measured_effects,
    method_of,
    recipe_of,
    without,
)

FOLDS = 5
_CELLS_PER_GROUP, _OTHER_CELLS = 120, 500


@final
@dataclass(frozen=True, eq=False)
class Findings:
    """A cell, perhaps data, and what one says of the other.

    Attributes:
        cell: The virtual cell.
        data: Cells with their controls, or a table of effects; None where there are none.
        name: What the data are called.
        context: Where the cell is asked.
        ask: The perturbation that is looked at gene by gene; empty chooses one.
        response: What is ranked; empty chooses the feature that differs most between perturbations.
        given_screen: A screen to draw instead.
        plan: A plate to draw.
        series: A simulated series to draw.
        given_scores: The evaluator's JSON, so that nothing is evaluated anew.
        score: Whether to evaluate on the data where no scores are given.
        parts: Knowledge of targets for fits, as `aivc.fit` takes it.
        level: Of the intervals.
        seed: Of everything that draws.
        progress: Called with what is being done.
    """

    cell: VirtualCell
    data: Measurement | None
    name: str
    context: str
    ask: str = ""
    response: str = ""
    given_screen: Screen | None = None
    plan: Plan | None = None
    series: SeriesTables | None = None
    given_scores: Mapping[str, Any] | None = None
    score: bool = True
    parts: Parts = "auto"
    level: float = 0.9
    seed: int = 0
    progress: Progress | None = None

    @property
    def method(self) -> str:
        """The method that answers: by the card, or the name of the cell's own manipulator."""
        return method_of(self.cell) or "this model"

    @cached_property
    def learned(self) -> LearnedEffects:
        """Effects the cell answers for the perturbations it was fitted on."""
        return learned(self.cell, self.context, level=self.level, progress=self.progress)

    @cached_property
    def measured(self) -> MeasuredEffects | None:
        """Mean effects of the data in this context; None without data."""
        if self.data is None:
            return None
        said = self.cell.decode(self.cell.start(self.context).sample(1))
        return measured_effects(self.data, self.context, said.profile_units, said.draws[0].features.astype(str))

    @cached_property
    def scores(self) -> Mapping[str, Any] | None:
        """The evaluator's JSON on the data; None where there are no data, or they are not to be scored.

        Raises:
            SplitError: The data hold too few perturbations to leave some out.
            UnavailableError: The method needs knowledge of targets that cannot be had here.
        """
        if self.given_scores is not None or self.data is None or not self.score or not method_of(self.cell):
            return self.given_scores
        families = {Perturbation.parse(text).family for text in set(map(str, self.data.perturbations)) - {CONTROL}}
        split = unseen_perturbation(self.data, folds=min(FOLDS, len(families)), seed=self.seed)
        found = evaluate(
            self.data,
            split,
            [method_of(self.cell)],
            parts=self.parts,
            recipe=recipe_of(self.cell),
            name=self.name,
            progress=self.progress,
        )
        return found.to_json()

    @cached_property
    def asked(self) -> str:
        """The perturbation that is looked at: the one named, or that whose measured effect repeats best, or is largest.

        Raises:
            DataError: There is none to choose.
        """
        if self.ask:
            return str(Perturbation.parse(self.ask))
        if self.measured is None:
            return self.learned.strongest[0]
        table = self.measured.table
        halves = [] if self.scores is None else self.scores["halves"]
        known = [
            each
            for each in halves
            if each["pearson"] is not None and each["perturbation"] in table.index and each["context"] == self.context
        ]
        if known:
            return str(max(known, key=lambda each: each["pearson"])["perturbation"])
        if table.empty:
            raise DataError([f"The data hold no perturbed cells of {self.context!r}, so none can be looked at."])
        return str(np.sqrt((table**2).sum(axis=1)).idxmax())

    @property
    def hidden(self) -> bool:
        """Whether the perturbation looked at is in the data, so that it is hidden from a fit of its own."""
        return self.measured is not None and self.asked in self.measured.table.index and bool(method_of(self.cell))

    @cached_property
    def answer(self) -> Prediction[Measurement]:
        """The prediction that is looked at; of a cell that never saw it, where it can be held against data.

        Raises:
            DataError: Without it nothing is left to learn from.
        """
        cell = self.cell
        if self.hidden:
            assert self.data is not None
            if self.progress is not None:
                self.progress(f"fitting without {self.asked}", 0, 0)
            cell = without(cell, self.data, self.asked, parts=self.parts, progress=self.progress)
        # What was hidden may be unlike anything left; the measured answer stands beside it.
        return predict(cell, cell.start(self.context), Perturbation.parse(self.asked), allow_unknown=self.hidden)

    @cached_property
    def compared(self) -> pd.DataFrame:
        """The prediction beside what was measured.

        Raises:
            DataError: There are no data, or they do not hold the perturbation.
        """
        if self.measured is None:
            raise DataError(["Predicted against measured needs measured cells: add the data of the experiment."])
        if self.asked not in self.measured.table.index:
            raise DataError([f"{self.asked} was not measured in {self.context}, so its prediction stands alone."])
        return beside(self.answer, self.measured, self.asked, self.level)

    @cached_property
    def screen(self) -> Screen:
        """The screen given, or what was learned ranked by a response.

        Raises:
            DataError: There is nothing to rank, or no such feature.
        """
        if self.given_screen is not None:
            return self.given_screen
        found = self.learned
        response = Response.parse(self.response) if self.response else Response.of([self.telling])
        return screen(self.cell, found.perturbations, response, context=self.context, level=self.level)

    @property
    def telling(self) -> str:
        """The feature whose effect differs most between perturbations that do not act on it."""
        return str(self.learned.features[int(self.learned.others.std(axis=0).argmax())])

    def sample(self) -> Measurement:
        """Cells to draw: as many of the strongest perturbations as of the control, and some of all others.

        Raises:
            DataError: There are no data.
        """
        if self.data is None:
            raise DataError(["Cells in two dimensions need cells, which a saved model does not keep: add the data."])
        texts, named = self.data.perturbations.astype(str), {CONTROL, *self.named()}
        random = np.random.default_rng(self.seed)
        kept = [random.permutation(np.flatnonzero(texts == name))[:_CELLS_PER_GROUP] for name in sorted(named)]
        kept.append(random.permutation(np.flatnonzero(~np.isin(texts, list(named))))[:_OTHER_CELLS])
        return self.data.take(np.sort(np.concatenate(kept)))

    def named(self) -> list[str]:
        """The perturbations that a map of cells colors: the strongest that the cell learned, or else of the data."""
        assert self.data is not None
        there = set(map(str, self.data.perturbations))
        strongest = self.learned.strongest if self.cell.card.get("perturbations") else sorted(there - {CONTROL})
        return [text for text in strongest if text in there][:5]
