"""The population at the nearest time that was read: the first baseline of dynamics."""

from dataclasses import dataclass
from typing import ClassVar, final

from aivc.core.ur import UR
from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.copying import nearest_moved
from aivc.instruments.manipulators.time.growth import Counts, declared_counts
from aivc.instruments.manipulators.time.of_time import ManipulatorOfTime, fields_of
from aivc.instruments.manipulators.time.snapshots import Line, table_of
from aivc.instruments.manipulators.time.transporter import Moved


@final
@dataclass(frozen=True, eq=False)
class CopyTime(ManipulatorOfTime):
    """Replace each cell by one of the time nearest to that asked for, or leave it where its own is as near."""

    name: ClassVar[str] = "copy-time"

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
    ) -> "CopyTime":
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

    def _moved(self, line: Line, cells: CellRows, end: float, salt: str) -> Moved:
        return nearest_moved(line, cells, end, salt)
