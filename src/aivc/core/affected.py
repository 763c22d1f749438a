"""How far a change in a tissue is felt: how many cells change, within which distance, and how much neighbours say."""

from dataclasses import dataclass
from typing import final

import numpy as np

from aivc.core.errors import DataError


@final
@dataclass(frozen=True, eq=False)
class Affected:
    """Which cells of a tissue change besides those that something was done to.

    Attributes:
        names: ``c`` cells that change by more than a hundredth of the scatter of states.
        steps: ``(c,)`` how many links each is away from the nearest cell that something was done to.
        change: ``(c,)`` size of the change, in units of the scatter of states.
        cells: How many cells there are that nothing was done to.
        rounds: How many rounds of cell to neighbour the change took until it stood.
        damping: What the change handed on is multiplied by in each round; 1 where no damping is needed.
        shuffled: Mean size of the same change where neighbours were shuffled within their types before the fit.
        mean: Mean size of the change over all cells that nothing was done to.

    Raises:
        DataError: Steps or sizes do not match the names.
    """

    names: tuple[str, ...]
    steps: np.ndarray
    change: np.ndarray
    cells: int
    rounds: int
    damping: float
    mean: float
    shuffled: float

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.steps) == len(self.change):
            raise DataError(["One number of steps and one size of change belong to each cell that changes."])

    @property
    def within(self) -> int:
        """Most links between a cell that changes and one that something was done to."""
        return int(self.steps.max(initial=0))

    def __str__(self) -> str:
        if not self.names:
            return f"None of {self.cells:,} other cells changes."
        return (
            f"{len(self.names):,} of {self.cells:,} other cells change, within {self.within} steps, after "
            f"{self.rounds} rounds. The mean change is {self.mean:.3g}, with neighbours shuffled within their types "
            f"{self.shuffled:.3g}: what is no larger than that is who is there, not what state they are in."
        )
