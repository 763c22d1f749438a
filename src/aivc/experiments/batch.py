"""Ask a virtual cell many questions: all checked before work starts, rows kept as they come."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pandas as pd

from aivc.core.errors import DataError
from aivc.core.matching import matched_columns
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.streaming.stream import Progress
from aivc.experiments.journal import Journal
from aivc.experiments.predict import Predictor

_KEPT_AT_ONCE = 50


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
    kept = [name for name in ("perturbation", "context", "donor", "batch", "time") if name in states.entities]
    kept += matched_columns(states.entities)
    return replace(states, entities=states.entities[kept])


def where(context: str, start: UR) -> str:
    """The context asked about: as it was named, or that of the states started from."""
    return context or ", ".join(sorted(set(map(str, start.contexts))))


def was_seen(cell: VirtualCell, perturbation: Perturbation, applicability: Applicability) -> bool:
    """Whether a perturbation was in training, by the cell's card; by its applicability where the card does not say."""
    if "perturbations" in cell.card:
        return str(perturbation) in cell.trained
    return applicability == Applicability.IN


def ask(
    tell: Predictor,
    perturbations: Sequence[Perturbation],
    row: Callable[[Perturbation, Prediction[Measurement]], dict[str, Any]],
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
    with journal.held() if journal else nullcontext():
        return _asked(tell, perturbations, row, journal, progress)


def _asked(
    tell: Predictor,
    perturbations: Sequence[Perturbation],
    row: Callable[[Perturbation, Prediction[Measurement]], dict[str, Any]],
    journal: Journal | None,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    done = {each["perturbation"]: each for each in (journal.read() if journal else [])}
    todo = [each for each in perturbations if str(each) not in done]
    answers = tell.each(todo)
    for first in range(0, len(todo), _KEPT_AT_ONCE):
        # The answers come last, so that none is taken beyond the block.
        rows = [row(each, said) for each, said in zip(todo[first : first + _KEPT_AT_ONCE], answers, strict=False)]
        done.update({each["perturbation"]: each for each in rows})
        if journal:
            journal.add(rows)
        if progress:
            progress("asking", len(perturbations) - len(todo) + first + len(rows), len(perturbations))
    return [done[str(each)] for each in perturbations]
