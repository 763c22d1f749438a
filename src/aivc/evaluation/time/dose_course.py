"""Cells by the hours they were under one agent, and the controls that each hour is measured against."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.data.streaming.normalize import normalize, profile_units

# Cells of one time and control halves: with fewer, a mean profile is mostly noise.
FEWEST = 10
_SHOWN = 8


@final
@dataclass(frozen=True, eq=False)
class DoseCourse:
    """What an agent does hour by hour, with time in the place of a dose.

    Attributes:
        values: ``(n, f)`` on a log scale: ``log1p_cpN`` of counts, and other units as they are.
        hours: ``(n,)`` under the agent; 0 for controls.
        clock: ``(n,)`` when each was read, where that is stated; else 0.
        agent: Its text; empty where nothing was given, and hours are those since the first time.
    """

    values: Float[np.ndarray, "n f"]
    hours: Float[np.ndarray, " n"]
    clock: Float[np.ndarray, " n"]
    agent: str

    @classmethod
    def of(cls, cells: Measurement, agent: str = "") -> "DoseCourse":
        """Read the course of an agent, of the only one by default.

        Hours are those that the perturbation states; where it states none, those since the controls were read. Without
        any agent, cells of the first time are the controls. Cells under an agent for 0 h are controls too.

        Args:
            cells: Of one context, in memory.
            agent: Such as ``drug:dexamethasone@100nM``.

        Raises:
            DataError: No controls, no hours, or fewer than two later times, with ten cells each.
            UnknownNameError: No such agent, or several and none named.
        """
        texts = cells.perturbations.astype(str)
        asked = {text: Perturbation.parse(text) for text in set(texts)}
        plain = {text: str(Perturbation(each.agents)) if each.agents else "" for text, each in asked.items()}
        known = sorted(set(plain.values()) - {""})
        if agent not in known and (agent or len(known) > 1):
            raise UnknownNameError("agent", agent, known, "Name the one whose hours are asked about.")
        agent = agent or (known[0] if known else "")
        done_n = np.array([plain[text] for text in texts], dtype=object)
        stated_n = np.array([asked[text].hours if plain[text] else 0.0 for text in texts], dtype=np.float64)
        hours_n, clock_n = _hours(cells, (texts == CONTROL) | (done_n == ""), stated_n)
        keep = np.flatnonzero(np.isin(done_n, ["", agent]))
        course = cells.take(keep)
        values_nf = normalize(course, profile_units(course)).dense().astype(np.float64)
        found = cls(values_nf, hours_n[keep], clock_n[keep], agent)
        found._require()
        return found

    def _require(self) -> None:
        few = [f"{hours:g}" for hours in (0.0, *self.later) if (self.hours == hours).sum() < 2 * FEWEST]
        if len(self.later) < 2 or few or not (self.hours == 0).any():
            read = ", ".join(f"{each:g}" for each in np.unique(self.hours)[:_SHOWN])
            raise DataError(
                [
                    f"Time as dose needs controls and two later times, {2 * FEWEST} cells or more of each; got hours "
                    f"{read}{f', with too few at {chr(44).join(few)} h' if few else ''}. Leave small times out, or "
                    "declare time, time_unit and control in the schema."
                ]
            )

    @property
    def later(self) -> np.ndarray:
        """``(t,)`` hours under the agent, rising, without 0."""
        return np.unique(self.hours[self.hours > 0])

    def at(self, hours: float) -> np.ndarray:
        """Rows of the cells that were under the agent for so long."""
        return np.flatnonzero(self.hours == hours)

    def controls_for(self, hours: float) -> np.ndarray:
        """Rows of the controls read when cells under the agent for so long were; of all controls where too few were."""
        control = self.hours == 0
        beside = np.flatnonzero(control & np.isin(self.clock, self.clock[self.hours == hours]))
        return beside if len(beside) >= 2 * FEWEST else np.flatnonzero(control)

    def halves(self, seed: int) -> np.ndarray:
        """``(n,)`` whether a cell is in the first half of those of its hours and time on the clock."""
        rng, first = np.random.default_rng(seed), np.zeros(len(self.hours), dtype=bool)
        for kind in np.unique(np.stack([self.hours, self.clock], axis=1), axis=0):
            rows = np.flatnonzero((self.hours == kind[0]) & (self.clock == kind[1]))
            first[rng.permutation(rows)[: len(rows) // 2]] = True
        return first


def _hours(cells: Measurement, control_n: np.ndarray, stated_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hours under an agent, and when cells were read."""
    times = cells.times
    clock_n = np.zeros(len(cells)) if times is None else times
    if np.isfinite(stated_n).all() and not control_n.all():
        return stated_n, clock_n
    if times is None or not np.isfinite(times).all() or not control_n.any():
        raise DataError(
            [
                "Time as dose needs the hours under the agent, or when its cells and the controls were read. Declare "
                "hours, or time and time_unit, and control in the schema."
            ]
        )
    since_n = times - times[control_n].min()
    if control_n.all():
        return since_n, np.zeros(len(cells))
    return np.where(control_n, 0.0, np.where(np.isfinite(stated_n), stated_n, since_n)), clock_n
