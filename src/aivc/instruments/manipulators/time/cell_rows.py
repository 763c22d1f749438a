"""Some of the cells that were given, with the numbers that decide what each becomes."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from aivc.instruments.manipulators.time.snapshots import Places


@final
@dataclass(frozen=True, eq=False)
class CellRows:
    """Some rows of what was given.

    Attributes:
        values: ``(p, d)`` states.
        rates: ``(p,)`` net growth per hour; NaN where not known.
        start: Hours at which they are.
        places: Numbers of all rows.
        rows: Which of them.
    """

    values: np.ndarray
    rates: np.ndarray
    start: float
    places: Places
    rows: np.ndarray

    def at(self, what: str) -> np.ndarray:
        """Their numbers for one purpose."""
        return self.places(what)[self.rows]

    def take(self, some: np.ndarray) -> "CellRows":
        """Some of them, by position."""
        return replace(self, values=self.values[some], rates=self.rates[some], rows=self.rows[some])
