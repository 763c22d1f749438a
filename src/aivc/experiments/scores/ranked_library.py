"""Rank a library of candidates by a score, in one process, keeping the best alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.streaming.stream import Progress
from aivc.experiments.batch import beginning, was_seen, where
from aivc.experiments.library import Library
from aivc.experiments.predict import Predictor, predict, predictor
from aivc.experiments.scores.answer import Answer
from aivc.experiments.scores.screen_score import Score

# Places asked about at once: their effects on all features are in memory together.
_AT_ONCE = 1000


@final
@dataclass(frozen=True, eq=False)
class RankedLibrary:
    """The best candidates of a library.

    Attributes:
        table: One row per candidate, best first: ``perturbation``, ``score``, ``seen`` and ``applicability``.
        score: Its text.
        units: Of the score; empty where it has none.
        direction: Whether the best are those that ``lower`` or ``raise`` it.
        context: Whose control states were started from.
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
    direction: Literal["lower", "raise"] | None = None,
    top: int = 50,
    allow_unknown: bool = False,
    progress: Progress | None = None,
) -> RankedLibrary:
    """Ask a cell about every candidate of a library, and keep the best by a score.

    Names are resolved once. Memory is that of a thousand answers, whatever the library holds. A score that is not a
    number stands last.

    Args:
        cell: With one manipulator.
        library: Candidates; those that name a context of their own are refused.
        score: What to rank by; other contexts and decoders are asked too where it reads them.
        context: Whose control states to start from; needed where the cell keeps several.
        start: Control states to start from instead.
        direction: Whether to look for what lowers or raises it; the score's own `Score.better` unless given.
        top: How many to keep.
        allow_unknown: Ask also about names of which the cell knows nothing.
        progress: Called with what is being done, how many places are done, of how many.

    Raises:
        DataError: No candidate is left, or the library names contexts.
        UnknownNameError: The cell knows no such name, feature, context or decoder.
    """
    if any(block.contexts != ("",) for block in library.blocks):
        raise DataError(["Contexts are those of the score here. Leave them out of the library, and read at(...)."])
    library = library.known_to(cell, allow_unknown=allow_unknown)
    ask = _LibraryAsker.of(cell, library, score, beginning(cell, context, start))
    way = direction or score.better
    best, units, counts, asked = pd.DataFrame(), "", Counter[str](), 0
    for first in range(0, len(library), _AT_ONCE):
        kept, left_out = library.sift(first, first + _AT_ONCE)
        counts.update(left_out)
        asked += len(kept)
        if kept:
            rows, units = ask.rows([each.perturbation for each in kept], score)
            best = _best([best, rows], top, way)
        if progress:
            progress("asking", min(first + _AT_ONCE, len(library)), len(library))
    return RankedLibrary(best, str(score), units, way, where(context, ask.start), asked, dict(counts))


def _best(tables: Sequence[pd.DataFrame], top: int, way: str) -> pd.DataFrame:
    table = pd.concat([each for each in tables if len(each)], ignore_index=True)
    key = table["score"] if way == "lower" else -table["score"]
    # What divides by zero in a score says nothing of a candidate, and stands last with what is not a number.
    order = pd.DataFrame({"key": key.where(np.isfinite(key)), "text": table["perturbation"]})
    kept = order.sort_values(["key", "text"], na_position="last").index[:top]
    return table.loc[kept].reset_index(drop=True)


@final
@dataclass(frozen=True, eq=False)
class _LibraryAsker:
    """Asks the cell, and whatever else a score reads."""

    cell: VirtualCell
    start: UR
    tell: Predictor
    others: Mapping[str, tuple[UR, Predictor]]
    decoders: Sequence[str]

    @classmethod
    def of(cls, cell: VirtualCell, library: Library, score: Score, start: UR) -> "_LibraryAsker":
        tried = _tried(library)
        others = {}
        for name in sorted(score.contexts):
            begin = beginning(cell, name, None)
            others[name] = begin, predictor(cell, begin, tried)
        return cls(cell, start, predictor(cell, start, tried), others, sorted(score.decoders))

    def rows(self, asked: list[Perturbation], score: Score) -> tuple[pd.DataFrame, str]:
        """A row for each question, and the unit of the score."""
        said = list(self.tell.each(asked))
        here = self._answer(asked, said, self.start)
        there = {
            name: self._answer(asked, list(tell.each(asked)), begin) for name, (begin, tell) in self.others.items()
        }
        answer = replace(here, contexts=there)
        rows: dict[str, Any] = {
            "perturbation": [str(each) for each in asked],
            "score": score.of(answer),
            "seen": [was_seen(self.cell, p, s.applicability) for p, s in zip(asked, said, strict=True)],
            "applicability": [str(each.applicability) for each in said],
        }
        return pd.DataFrame(rows), score.unit(answer)

    def _answer(self, asked: list[Perturbation], said: list[Any], start: UR) -> Answer:
        readouts = {
            name: Answer.of(asked, predict(self.cell, start, asked, decoder=name, allow_unknown=True))
            for name in self.decoders
        }
        return replace(Answer.of(asked, said), readouts=readouts)


def _tried(library: Library) -> list[Perturbation]:
    """The first, one in the middle and the last candidate: on these it is tried whether the fast way holds."""
    places = dict.fromkeys((0, len(library) // 2, len(library) - 1))
    found = [library.question(place).perturbation for place in places] if len(library) else []
    if not found:
        raise DataError(["No candidate is left in the library. Its history says which constraint left out what."])
    return list(dict.fromkeys(found))
