"""Apply what a search found, to control states that it did not start from, and see how far it comes."""

from dataclasses import dataclass
from typing import final

import numpy as np

from aivc.core.matching import matched_columns
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.goal import Goal
from aivc.experiments.predict import predict

# With fewer states than these, halves of them say little of the mean.
_FEWEST = 40
# How often control cells are drawn to see how near the goal chance brings them, and how many of them at a time.
_DRAWS, _CELLS, _QUANTILE = 40, 100, 0.95


@final
@dataclass(frozen=True)
class SelfCheck:
    """The best answer of a search, applied.

    Attributes:
        perturbation: What was applied.
        closes: Fraction of the way to the goal that it closes, as in the table.
        side: Change of what was to stay, as in the table.
        cells: How many control states it was applied to.
        held_out: Whether the search did not start from these.
    """

    perturbation: str
    closes: float
    side: float
    cells: int
    held_out: bool

    def __str__(self) -> str:
        which = "held-out control states" if self.held_out else "control states the search started from"
        return f"Applied to {self.cells:,} {which}, {self.perturbation} closes {100 * self.closes:.3g} % of the way."


def parted(start: UR) -> tuple[UR, UR | None]:
    """Half of the control states to search from, and the other half to check on; all and None where they are few.

    States of one context, batch and set of matched columns are cut alike. Cells of a tissue are not cut.
    """
    if len(start) < _FEWEST or start.links is not None:
        return start, None
    names = [name for name in ("context", "donor", "batch", *matched_columns(start.entities)) if name in start.entities]
    order = np.random.default_rng(0).permutation(len(start))
    shuffled = start.entities.iloc[order]
    groups = [shuffled[name].astype(str).to_numpy() for name in names] or [np.zeros(len(start))]
    rank_n = shuffled.reset_index(drop=True).groupby(groups, sort=False).cumcount().to_numpy()
    first = rank_n % 2 == 0
    if first.all():
        return start, None
    return start.take(np.sort(order[first])), start.take(np.sort(order[~first]))


def self_check(cell: VirtualCell, start: UR, perturbation: str, goal: Goal, *, held_out: bool) -> SelfCheck:
    """Ask `predict` again, with cells drawn, and measure the way to the goal.

    Args:
        cell: That was searched.
        start: Control states to apply it to.
        perturbation: The best answer.
        goal: Of the search.
        held_out: Whether the search did not start from these states.
    """
    said: Prediction[Measurement] = predict(cell, start, Perturbation.parse(perturbation), allow_unknown=True)
    effect_f = said.effect
    return SelfCheck(perturbation, goal.closes(effect_f[goal.places]), goal.side(effect_f), len(start), held_out)


def chance(cell: VirtualCell, start: UR, goal: Goal) -> float:
    """How much of the way control cells go by chance: the 95 % quantile over draws of 100, or of half where fewer.

    Args:
        cell: That decodes them.
        start: Control states.
        goal: Of the search.

    Returns:
        NaN where there are too few states to draw from, as of a table of effects.
    """
    size = min(_CELLS, len(start) // 2)
    if size < _FEWEST // 2 or start.links is not None:
        return float("nan")
    control_f, rng = cell.decode(start).mean, np.random.default_rng(0)
    drawn = (rng.choice(len(start), size, replace=False) for _ in range(_DRAWS))
    found = [goal.closes((cell.decode(start.take(rows)).mean - control_f)[goal.places]) for rows in drawn]
    return float(np.quantile(found, _QUANTILE))
