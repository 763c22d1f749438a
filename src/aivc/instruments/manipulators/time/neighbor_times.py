"""What cells of the times beside say of a time between: the baselines of dynamics, which copy, mix and pool."""

from dataclasses import dataclass
from typing import ClassVar, final

from aivc.core.ur import UR
from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.copying import mixture_moved, nearest_moved
from aivc.instruments.manipulators.time.growth import Counts, declared_counts
from aivc.instruments.manipulators.time.of_time import ManipulatorOfTime, fields_of
from aivc.instruments.manipulators.time.snapshots import Line, table_of
from aivc.instruments.manipulators.time.transporter import Moved


@dataclass(frozen=True, eq=False)
class _NeighborTimes(ManipulatorOfTime):
    """Replace cells by cells that were read at other times; nothing is learned."""

    @classmethod
    def fit(
        cls,
        ur: UR,
        *,
        parts: UR | None = None,
        seed: int = 0,
        counts: Counts | None = None,
        draws: int = 1,
        extrapolate: bool = False,
    ) -> "_NeighborTimes":
        """Keep the cells of each time.

        Args:
            ur: States with ``time``.
            parts: Not used.
            seed: Draws which cell becomes which.
            counts: Numbers of cells by hours, where known: mass follows them.
            draws: How many populations are drawn.
            extrapolate: Whether times after the last are answered, by the last one.

        Raises:
            DataError: Fewer than two times, or none stated.
        """
        kept = fields_of(table_of(cls.name, ur, None, seed))
        hours, numbers = declared_counts(counts)
        return cls(ur.space, **kept, count_hours=hours, counts=numbers, seed=seed, draws=draws, extrapolate=extrapolate)


@final
@dataclass(frozen=True, eq=False)
class CopyTime(_NeighborTimes):
    """Replace each cell by one of the time nearest to that asked for, or leave it where its own is as near.

    Of two times as near, that with more cells is copied.
    """

    name: ClassVar[str] = "copy-time"

    def _moved(self, line: Line, cells: CellRows, end: float, salt: str) -> Moved:
        return nearest_moved(line, cells, end, salt)


@final
@dataclass(frozen=True, eq=False)
class MixtureTime(_NeighborTimes):
    """Replace as many cells by those of the next time as the way there is done; leave the others."""

    name: ClassVar[str] = "mixture-time"

    def _moved(self, line: Line, cells: CellRows, end: float, salt: str) -> Moved:
        return mixture_moved(line, cells, end, salt)


@final
@dataclass(frozen=True, eq=False)
class PoolTime(_NeighborTimes):
    """The same, but a time counts by its number of cells as well: halfway, the cells of both times are pooled.

    Numbers are those declared, or of cells as they were read, which is not how many were alive.
    """

    name: ClassVar[str] = "pool-time"

    def _moved(self, line: Line, cells: CellRows, end: float, salt: str) -> Moved:
        return mixture_moved(line, cells, end, salt, counted=True)
