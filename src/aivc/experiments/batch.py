"""Ask a virtual cell many questions: all checked before work starts, answered fast where that changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError, ScoreError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.streaming.stream import Progress
from aivc.experiments.journal import Journal
from aivc.experiments.predict import PredictedEffect, predict

Predictor: TypeAlias = Callable[[Perturbation], PredictedEffect]

_KEPT_AT_ONCE = 50
# On how many of the perturbations it is tried whether the fast way gives the same answers.
_TRIED = 3


def distinct(perturbations: Sequence[Perturbation | str]) -> list[Perturbation]:
    """Read what is to be asked, all of it before any work starts.

    Raises:
        DataError: Nothing, the control, or a perturbation twice.
        PerturbationError: A text that is no perturbation.
    """
    asked = [Perturbation.parse(each) if isinstance(each, str) else each for each in perturbations]
    texts = pd.Series([str(each) for each in asked], dtype=object)
    problems = []
    if not asked:
        problems.append("There is nothing to ask about. Name at least one perturbation, such as ko:JAK2.")
    if any(each.is_control for each in asked):
        problems.append("The control is what all others are compared with. Leave it out of the list.")
    if twice := list(texts[texts.duplicated()].unique()[:5]):
        problems.append(f"Perturbations stand twice: {', '.join(twice)}. Name each once.")
    if problems:
        raise DataError(problems)
    return asked


def beginning(cell: VirtualCell, context: str, start: UR | None) -> UR:
    """Control states to start from, without the columns that no instrument reads: carrying them along costs time."""
    states = cell.start(context) if start is None else start
    kept = [name for name in ("perturbation", "context", "donor", "batch") if name in states.entities]
    return replace(states, entities=states.entities[kept])


def where(context: str, start: UR) -> str:
    """The context asked about: as it was named, or that of the states started from."""
    return context or ", ".join(sorted(set(map(str, start.contexts))))


def was_seen(cell: VirtualCell, perturbation: Perturbation, applicability: Applicability) -> bool:
    """Whether a perturbation was in training, by the cell's card; by its applicability where the card does not say."""
    if "perturbations" in cell.card:
        return str(perturbation) in cell.card["perturbations"]
    return applicability == Applicability.IN


def ask(
    tell: Predictor,
    perturbations: Sequence[Perturbation],
    row: Callable[[Perturbation, PredictedEffect], dict[str, Any]],
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Ask about perturbations one by one and keep a row of each, in the order given.

    Args:
        tell: Answers.
        perturbations: What to ask about.
        row: Reduces an answer to what is kept, ``perturbation`` among it.
        journal: Where finished rows are kept, so that work cut off goes on.
        progress: Called with what is being done, how many are done, of how many.
    """
    done = {each["perturbation"]: each for each in (journal.read() if journal else [])}
    todo = [each for each in perturbations if str(each) not in done]
    for first in range(0, len(todo), _KEPT_AT_ONCE):
        rows = [row(each, tell(each)) for each in todo[first : first + _KEPT_AT_ONCE]]
        done.update({each["perturbation"]: each for each in rows})
        if journal:
            journal.add(rows)
        if progress:
            progress("asking", len(perturbations) - len(todo) + first + len(rows), len(perturbations))
    return [done[str(each)] for each in perturbations]


def predictor(cell: VirtualCell, start: UR, perturbations: Sequence[Perturbation]) -> Predictor:
    """What answers: fast where the answers are the same, otherwise by reading whole populations out.

    The fast way perturbs one state, the mean of all, and has the decoder state its profile without drawing cells
    (its method ``profile``). Where instruments are linear that changes nothing; whether it does is tried on some of the
    perturbations, the first and the last among them.

    Args:
        cell: With one manipulator and one decoder.
        start: Control states.
        perturbations: What will be asked.
    """

    def whole(perturbation: Perturbation) -> PredictedEffect:
        return predict(cell, start, perturbation)

    decoder = next(part for part in cell.instruments.values() if isinstance(part, Decoder))
    tried = np.unique(np.linspace(0, len(perturbations) - 1, _TRIED).round().astype(int))
    answers = [(perturbations[i], whole(perturbations[i])) for i in tried]
    example = answers[0][1].prediction
    moved_by = cell.manipulate(start.sample(1), perturbations[0]).made_by
    fast = _Fast(cell, start.sample(1), decoder.profile, example, example.made_by[len(moved_by) :])
    return fast if all(_same(answer, fast(perturbation)) for perturbation, answer in answers) else whole


@final
@dataclass(frozen=True, eq=False)
class _Fast:
    cell: VirtualCell
    start: UR
    profile: Callable[[UR], np.ndarray]
    example: Prediction[Measurement]
    read_by: tuple[str, ...]

    def __call__(self, perturbation: Perturbation) -> PredictedEffect:
        moved = self.cell.manipulate(self.start, perturbation)
        profiles = np.array([self.profile(draw) for draw in moved.draws])
        retrieval = None if moved.retrieval is None else self._recognized(moved.retrieval, str(perturbation))
        if not (np.isfinite(profiles).all() and (retrieval is None or np.isfinite(retrieval).all())):
            made_by = " + ".join(self.example.made_by)
            raise ScoreError(f"{made_by} answered {perturbation} with NaN or infinity. Mend the method, or leave it.")
        # No cells were read out: the population is the one mean state that was asked about.
        read = self.example.draws[0]
        named = {"perturbation": [str(perturbation)], "context": [str(self.start.contexts[0])]}
        entities = pd.DataFrame(named, index=["mean"])
        mean = Measurement(
            profiles.mean(axis=0)[None], read.features, entities, self.example.profile_units, read.modality
        )
        draws = (mean,) * len(profiles)
        base = self.profile(self.start)
        said = Prediction(
            draws,
            (*moved.made_by, *self.read_by),
            moved.applicability,
            profiles,
            self.example.profile_units,
            self.example.calibration,
            base,
            retrieval,
            self.example.least,
        )
        return PredictedEffect(said, base)

    def _recognized(self, retrieval: np.ndarray, text: str) -> np.ndarray:
        said = self.profile(self.start.moved(retrieval - self.start.mean, text))
        return said if self.example.least is None else np.maximum(said, self.example.least)


def _same(whole: PredictedEffect, fast: PredictedEffect) -> bool:
    allowed = 1e-9 + 1e-6 * np.abs(whole.effect).max()
    pairs = [(whole.effect, fast.effect), (whole.retrieval_effect, fast.retrieval_effect)]
    pairs += list(zip(whole.interval(), fast.interval(), strict=True))
    stated = whole.prediction.applicability == fast.prediction.applicability
    stated &= whole.prediction.coverage == fast.prediction.coverage
    stated &= whole.prediction.made_by == fast.prediction.made_by
    return stated and all(np.allclose(one, other, rtol=0, atol=allowed) for one, other in pairs)
