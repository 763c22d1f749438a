"""Rank a library of candidates by a score, in this process, keeping the best alone."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, final

import pandas as pd
import pyarrow as pa

from aivc.compute.executor import cut
from aivc.compute.reducers import TopK
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.streaming.stream import Progress
from aivc.experiments.annotated_rows import annotated, gathering
from aivc.experiments.asked_cell import SHARD, AskedCell, ScreenQuestion
from aivc.experiments.library import Library
from aivc.experiments.scores.screen_score import Score


@final
@dataclass(frozen=True, eq=False)
class RankedLibrary:
    """The best candidates of a library.

    Attributes:
        table: One row per candidate, best first: ``perturbation``, ``context``, ``score``, ``low`` and ``high`` (ends
            of its interval, empty where ``interval`` says that it has none), and the other columns of
            `aivc.experiments.screen.Screen`. An interval is that of the effects that are read, added up as if their
            errors all went the same way.
        score: Its text.
        units: Of the score; empty where it has none.
        direction: Whether the best are those that ``lower`` or ``raise`` it.
        context: Whose control states were started from, all of them.
        asked: How many candidates were asked about.
        left_out: How many were not, by the limit that left them out.
    """

    table: pd.DataFrame
    score: str
    units: str
    direction: Literal["lower", "raise"]
    context: str
    asked: int
    left_out: Mapping[str, int]

    @property
    def note(self) -> str:
        """What was asked, what was left out and why."""
        out = "".join(f", {count:,} left out by {name}" for name, count in self.left_out.items())
        return f"{len(self.table):,} best of {self.asked:,} candidates to {self.direction} {self.score}{out}:"


def rank_library(  # noqa: PLR0913 - one keyword for each thing a ranking may be asked
    cell: VirtualCell,
    library: Library,
    score: Score,
    *,
    context: str = "",
    start: UR | None = None,
    new_context: bool = False,
    direction: Literal["lower", "raise"] | None = None,
    top: int = 50,
    level: float = 0.9,
    allow_unknown: bool = False,
    progress: Progress | None = None,
) -> RankedLibrary:
    """Ask a cell about every candidate of a library, and keep the best by a score.

    What `aivc.experiments.mass_screen.mass_screen` does with a saved cell and several processes, this does here. Names
    are resolved once. Memory is that of a few hundred answers, whatever the library holds. A score that is not a number
    stands last.

    Args:
        cell: With one manipulator.
        library: Candidates, each asked in the context that it names.
        score: What to rank by; other contexts and decoders are asked too where it reads them.
        context: Whose control states to start from where a candidate names no context; needed where the cell keeps
            several.
        start: Control states to start from instead.
        new_context: Whether the name is meant, although it reads like a known one.
        direction: Whether to look for what lowers or raises it; the score's own `Score.better` unless given.
        top: How many to keep.
        level: Of the intervals.
        allow_unknown: Ask also about names of which the cell knows nothing.
        progress: Called with what is being done, how many places are done, of how many.

    Raises:
        DataError: No candidate is left.
        UnknownNameError: The cell knows no such name, feature, context or decoder.
    """
    library = library.known_to(cell, allow_unknown=allow_unknown)
    asked = ScreenQuestion(library, "score", score, context, new_context, level=level, allow_unknown=True)
    state = AskedCell.of(cell, asked, start)
    state.require_output()
    way = direction or score.better
    counts, singles = Counter[str](), list[pa.Table]()

    def answers() -> Iterator[pa.Table]:
        for shard in cut(len(library), SHARD):
            kept, left_out = library.sift(shard.start, shard.stop)
            counts.update({"": len(kept), **left_out})
            yield state.table(kept)
            if progress:
                progress("asking", shard.stop, len(library))

    best = TopK("score", top, largest=way == "raise").joined(gathering(answers(), singles))
    table = annotated(state, best, singles).to_pandas()
    labels = ", ".join(map(state.label, asked.places))
    return RankedLibrary(table, str(score), state.units, way, labels, counts.pop("", 0), dict(counts))
