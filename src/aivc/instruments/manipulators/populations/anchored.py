"""What manipulators share that correct the populations of another one, their anchor: judged first, and then used."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from torch import nn

from aivc.core.contracts import Manipulator
from aivc.core.effects import effects
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.registry import MANIPULATORS
from aivc.core.ur import UR
from aivc.instruments.manipulators.populations.frame import (
    Frame,
    Group,
    energy_score,
    folds_of,
    frame,
    groups_of,
    single_cells,
)
from aivc.nn.flow import Condition
from aivc.training.checkpoint import arrays_of

SHIFT = "shift"
FOLDS, FEWEST_TEXTS, FEWEST_CELLS = 3, 6, 500
_JUDGED = 200
# Few perturbations are soon learned by heart: twenty knockouts of Papalexi 2021 gained most after thirty steps, and
# lost after a hundred and fifty.
_STEPS, _BOUNDS = 3, (30, 300)

Scores = dict[str, tuple[float, ...]]


@final
@dataclass(frozen=True, eq=False)
class Training:
    """A fitted anchor, and single cells that a correction of it may be learned from.

    Attributes:
        states: Perturbed and control states, whose means the anchor has learned.
        cells: States of single cells, controls among them.
        parts: Molecular UR of what can be perturbed.
        texts: ``p`` perturbations of the cells.
        scale: How states are measured.
        means: Kind of the anchor.
        anchor: Fitted on all states.
        seed: Of the fit.
    """

    states: UR
    cells: UR
    parts: UR | None
    texts: Sequence[str]
    scale: Frame
    means: type[Manipulator]
    anchor: Manipulator
    seed: int

    @classmethod
    def of(
        cls, name: str, states: UR, cells: UR | None, parts: UR | None, anchor: str, seed: int, *, trained: bool
    ) -> "Training":
        """Fit the anchor.

        Args:
            name: Of the manipulator, for messages.
            states: Perturbed and control states.
            cells: States of single cells; None where ``states`` is that.
            parts: Molecular UR, for the anchor and the correction.
            anchor: Registered name of the manipulator that predicts means.
            seed: Of the anchor.
            trained: Whether anything is learned from single cells.

        Raises:
            ControlError: A context has no control.
            DataError: States that stand for many cells each, and no single cells.
            SpaceError: Cells of another space than the states.
        """
        means = MANIPULATORS.load(anchor)
        cells = single_cells(name, states, cells, anchor, trained=trained)
        texts = sorted(set(cells.perturbations.astype(str)) - {CONTROL})
        scale = frame(cells, parts, texts)
        fitted = means.fit(states, parts=parts, seed=seed)
        return cls(states, cells, parts, texts, scale, means, fitted, seed)

    @property
    def measures(self) -> dict[str, Any]:
        """Fields of the frame, by name."""
        return {each.name: getattr(self.scale, each.name) for each in dataclasses.fields(Frame)}

    @property
    def count(self) -> int:
        """How many cells are perturbed."""
        return int((self.cells.perturbations.astype(str) != CONTROL).sum())

    @property
    def folds(self) -> Mapping[str, int]:
        """With which part of the perturbations each is left out."""
        return folds_of(self.texts, FOLDS, self.seed)

    @property
    def groups(self) -> list[Group]:
        """Cells beside their controls."""
        return groups_of(self.cells, self.scale)

    def steps(self, asked: int | None) -> int:
        """Of descent: those asked for, or three for every perturbation, 30 to 300."""
        return asked or int(np.clip(_STEPS * len(self.texts), *_BOUNDS))

    def left_out(
        self,
        groups: Sequence[Group],
        train: Callable[[list[Group]], nn.Module],
        score: Callable[[Manipulator, dict[str, np.ndarray], list[Group]], Scores],
    ) -> Scores:
        """Scores of perturbations left out of the training of the correction, and of the anchor.

        Args:
            groups: All of them.
            train: Trains a network on some.
            score: Of an anchor and the weights of a network, on other groups.
        """
        folds, scores = self.folds, Scores()
        rows = np.array([folds.get(str(text), -1) for text in self.states.perturbations])
        for fold in range(FOLDS):
            network = train([group for group in groups if folds[group.text] != fold])
            given = self.states.take(rows != fold)
            anchor = self.means.fit(given, parts=self.parts, seed=self.seed, **self.anchor.refits)
            scores.update(score(anchor, arrays_of(network), [group for group in groups if folds[group.text] == fold]))
        return scores


def population_scores(
    groups: Sequence[Group],
    cells: UR,
    anchor: Manipulator,
    corrections: Callable[[UR, np.ndarray, Perturbation], Sequence[np.ndarray]],
    *,
    unit: float,
    seed: int,
) -> Scores:
    """Energy scores of the shift, and of it with each correction, for each perturbation; mean over its contexts.

    Args:
        groups: Perturbations and contexts to judge on.
        cells: States of single cells.
        anchor: Predicts the shift.
        corrections: ``(n, d)`` each, of control states that move by a shift ``(n, d)`` under a perturbation.
        unit: In which distances are measured.
        seed: Draws at most 200 cells of either side.
    """
    found: dict[str, list[list[float]]] = {}
    rng = np.random.default_rng(seed)
    texts, contexts = cells.perturbations.astype(str), cells.contexts.astype(str)
    for text, context in sorted({(group.text, group.context) for group in groups}):
        start = cells.take(_some((texts == CONTROL) & (contexts == context), rng))
        seen_nd = cells.take(_some((texts == text) & (contexts == context), rng)).values / unit
        asked = Perturbation.parse(text)
        shift_nd = shift_of(start, anchor.manipulate(start, asked))
        moved_nd = start.values + shift_nd
        said = [moved_nd, *(moved_nd + more_nd for more_nd in corrections(start, shift_nd, asked))]
        found.setdefault(text, []).append([energy_score(each / unit, seen_nd) for each in said])
    return {text: tuple(map(float, np.mean(each, axis=0))) for text, each in found.items()}


def anchored(
    name: str,
    anchor: Manipulator,
    ur: UR,
    perturbation: Perturbation,
    correction: Callable[[np.ndarray], np.ndarray] | None,
) -> Prediction[UR]:
    """Draws of the anchor, each with the correction of its expected shift ``(n, d)``; None corrects nothing."""
    predicted = anchor.manipulate(ur, perturbation)
    predicted = predicted.replace(made_by=(name, *predicted.made_by))
    if perturbation.is_control or correction is None:
        return predicted
    more_nd = correction(shift_of(ur, predicted))
    return predicted.replace(
        draws=tuple(dataclasses.replace(draw, values=draw.values + more_nd) for draw in predicted.draws)
    )


def shift_of(ur: UR, predicted: Prediction[UR]) -> np.ndarray:
    """``(n, d)`` expected displacement of each state."""
    return np.asarray(np.mean([draw.values for draw in predicted.draws], axis=0) - ur.values)


def frame_of(part: Any) -> Frame:
    """The frame whose fields a manipulator keeps beside its own."""
    return Frame(*(getattr(part, each.name) for each in dataclasses.fields(Frame)))


def measured_conditions(groups: Sequence[Group], states: UR, scale: Frame) -> list[Condition]:
    """What each group became: the shift that was measured, from the mean control of its context."""
    seen = effects(states)
    shift = {(str(c), str(p)): s for c, p, s in zip(seen.contexts, seen.perturbations, seen.shifts, strict=True)}
    return [
        scale.condition(
            shift[each.context, each.text],
            scale.centers[scale.contexts.index(each.context)],
            Perturbation.parse(each.text),
        )
        for each in groups
    ]


def _some(rows_n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most `_JUDGED` of the rows."""
    return np.sort(rng.permutation(np.flatnonzero(rows_n))[:_JUDGED])
