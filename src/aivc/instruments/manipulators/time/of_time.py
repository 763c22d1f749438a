"""What manipulators of time share: who may be asked for when, and answers whose rows are the cells that were given."""

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int

from aivc.core.contracts import Manipulator
from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.growth import NONE, SCORES, count_at, rates_of
from aivc.instruments.manipulators.time.snapshots import (
    POOLED,
    SAME,
    Line,
    LineTable,
    Places,
    Snapshot,
    line_name,
    lines_of,
    plain_agents,
    times_of,
)
from aivc.instruments.manipulators.time.transporter import Moved

# Stands in ``made_by`` where the answer is the population as it is at the last time that was read.
TODAY = "today"


@dataclass(frozen=True, eq=False)
class ManipulatorOfTime(Manipulator):
    """Take cells from the time at which they were read to a later one.

    Row ``i`` of a draw is a descendant of row ``i`` of what was given, at its time plus the hours asked, which stands
    in the column ``time`` of the draw. Mass says how many cells it has become; it stays as it was unless growth or
    counts were declared.

    Attributes:
        reads: Space it was fitted on.
        states: ``(n, d)`` cells that were read.
        masses: ``(n,)`` mass of each.
        hours: ``(n,)`` when each was read.
        rates: ``(n,)`` net growth per hour that scores say; NaN where none do.
        line_of: ``(n,)`` which line each belongs to.
        lines: Contexts and agents of lines.
        count_hours: ``(c,)`` times of declared numbers of cells; none where none are.
        counts: ``(c,)`` the numbers.
        seed: Draws descendants.
        draws: How many descendants are drawn for each cell, each in a population of its own.
        extrapolate: Whether times after the last are answered at all.
    """

    needs_times: ClassVar[bool] = True
    resampled: ClassVar[bool] = False
    reads: Space
    states: Float[np.ndarray, "n d"]
    masses: Float[np.ndarray, " n"]
    hours: Float[np.ndarray, " n"]
    rates: Float[np.ndarray, " n"]
    line_of: Int[np.ndarray, " n"]
    lines: tuple[str, ...]
    count_hours: Float[np.ndarray, " c"]
    counts: Float[np.ndarray, " c"]
    seed: int
    draws: int
    extrapolate: bool

    @abstractmethod
    def _moved(self, line: Line, cells: CellRows, end: float, salt: str) -> Moved:
        """Take cells of one line and one time to another time within the line."""

    def _beyond(self, line: Line, cells: CellRows, hours: float) -> tuple[np.ndarray, str]:
        """Take cells from the last time of their line to so many hours later; and what answers."""
        return cells.values, TODAY

    @property
    def growth(self) -> str:
        """How cells differ in growth: ``none``, ``scores`` or ``plan``."""
        return NONE

    @property
    def grows(self) -> bool:
        """Whether masses may change."""
        return self.growth != NONE or len(self.counts) > 0

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Say what cells have become some hours after they were read.

        Args:
            ur: CellRows with ``time``.
            perturbation: Hours, and perhaps agents that were given from then on.

        Raises:
            DataError: CellRows without a time.
            PerturbationError: No hours; agents never read over time; or a time outside of what was read.
            SpaceError: ``ur`` lives in another space.
        """
        self.reads.require(ur.space, self.name)
        text = str(perturbation)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        if perturbation.hours is None:
            raise PerturbationError(
                f"{self.name} takes cells to a later time, and {text!r} states no hours. Ask for time for 48h, or for "
                f"{text} for 48h."
            )
        names = self._lines_for(ur, perturbation)
        start_n = times_of(self.name, ur)
        if perturbation.hours == 0 and not perturbation.agents:
            return Prediction((ur.moved(ur.values[0] * 0, text),), (self.name,), Applicability.IN)
        self._require_range(names, start_n, perturbation)
        answers = [self._draw(ur, names, start_n, perturbation, salt) for salt in range(self.draws)]
        late = any(who == TODAY for _, who in answers)
        made_by = (self.name, TODAY) if late else (self.name,)
        return Prediction(
            tuple(draw for draw, _ in answers), made_by, self._applicability(names, start_n, perturbation)
        )

    def _draw(self, ur: UR, names: np.ndarray, start_n: np.ndarray, asked: Perturbation, salt: int) -> tuple[UR, str]:
        values_nd, factor_n, said = np.array(ur.values, dtype=np.float64), np.ones(len(ur)), ""
        place, rate_n = Places(list(ur.entities.index), ur.values, self.seed), self._rates(ur)
        for name, start in sorted(set(zip(names, start_n, strict=True))):
            rows = np.flatnonzero((names == name) & (start_n == start))
            line = self._lines[name]
            first, last = line[0].hours, line[-1].hours
            end = float(start) + float(asked.hours or 0.0)
            cells = CellRows(values_nd[rows], rate_n[rows], min(max(float(start), first), last), place, rows)
            moved = self._moved(line, cells, min(max(end, first), last), str(salt))
            if end > last + SAME:
                there = dataclasses.replace(cells, values=moved.values, start=last)
                beyond, said = self._beyond(line, there, end - max(last, float(start)))
                moved = Moved(beyond, moved.factor)
            values_nd[rows], factor_n[rows] = moved.values, moved.factor * self._counted(float(start), end)
        ended = start_n + float(asked.hours or 0.0)
        entities = ur.entities.assign(perturbation=str(asked), time=ended)
        return UR(values_nd, ur.space, entities, None, ur.mass * factor_n, None), said

    def _counted(self, start: float, end: float) -> float:
        if not len(self.counts):
            return 1.0
        return count_at(self.count_hours, self.counts, end) / count_at(self.count_hours, self.counts, start)

    def _rates(self, ur: UR) -> np.ndarray:
        return rates_of(self.name, ur) if self.growth == SCORES else np.full(len(ur), np.nan)

    @cached_property
    def _lines(self) -> Mapping[str, Line]:
        found = lines_of(LineTable(self.states, self.masses, self.hours, self.rates, self.line_of, self.lines))
        if not len(self.counts):
            return found
        return {name: tuple(self._declared(each) for each in line) for name, line in found.items()}

    def _declared(self, snapshot: Snapshot) -> Snapshot:
        return dataclasses.replace(snapshot, total=count_at(self.count_hours, self.counts, snapshot.hours))

    def _lines_for(self, ur: UR, perturbation: Perturbation) -> np.ndarray:
        """``(n,)`` name of the line of each cell: that of its context, or that of all together."""
        agents, contexts = plain_agents(perturbation), ur.contexts.astype(str)
        if line_name(POOLED, agents) not in self._lines:
            known = sorted({name.split("\t")[1] or "time" for name in self.lines})
            raise UnknownNameError(
                "perturbation read at two or more times", agents or "time", known, f"{self.name} knows no other."
            )
        own = {each: line_name(each, agents) for each in set(contexts)}
        found = {each: name if name in self._lines else line_name(POOLED, agents) for each, name in own.items()}
        return np.array([found[each] for each in contexts], dtype=object)

    def _require_range(self, names: np.ndarray, start_n: np.ndarray, asked: Perturbation) -> None:
        for name in sorted(set(names)):
            line = self._lines[name]
            starts = start_n[names == name]
            first, last, end = line[0].hours, line[-1].hours, starts.max() + float(asked.hours or 0.0)
            if not self.extrapolate and (end > last + SAME or starts.min() < first - SAME):
                raise PerturbationError(
                    f"{self.name} was fitted on times from {first:g} to {last:g} h, but {str(asked)!r} takes cells "
                    f"from {starts.min():g} h to {end:g} h. Ask for a time between, or fit with extrapolate=True, "
                    "which says whether anything is known of later times."
                )

    def _applicability(self, names: np.ndarray, start_n: np.ndarray, asked: Perturbation) -> Applicability:
        last = np.array([self._lines[name][-1].hours for name in names])
        first = np.array([self._lines[name][0].hours for name in names])
        if bool((start_n + float(asked.hours or 0.0) > last + SAME).any() or (start_n < first - SAME).any()):
            return Applicability.OUT
        single = len({name.split("\t")[0] for name in self.lines}) <= 2
        pooled = any(name.startswith(f"{POOLED}\t") for name in names)
        return Applicability.EDGE if pooled and not single else Applicability.IN


def fields_of(table: LineTable) -> dict[str, Any]:
    """Cells that are kept, by the names of the fields."""
    return {
        "states": table.states,
        "masses": table.masses,
        "hours": table.hours,
        "rates": table.rates,
        "line_of": table.line_of,
        "lines": table.lines,
    }
