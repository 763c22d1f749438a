"""How much of the effect of an agent has set in, hour by hour of a schedule."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, final

import numpy as np

from aivc.core.perturbation import Agent, Perturbation
from aivc.core.schedule import Schedule
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.known_names import KnownNames


class Course(NamedTuple):
    """Agents given together from one hour of a schedule to another.

    Attributes:
        agents: One or more.
        begin: Hours from the start of the schedule.
        end: The same.
    """

    agents: tuple[Agent, ...]
    begin: float
    end: float


def courses(schedule: Schedule) -> list[Course]:
    """Cut a schedule into courses: the longest times for which each agent is given, agents of one time together.

    >>> [(str(c.agents[0]), c.begin, c.end) for c in courses(Schedule.parse("ko:A for 2h; ko:A + ko:B for 2h"))]
    [('ko:A', 0.0, 4.0), ('ko:B', 2.0, 4.0)]
    """
    runs: dict[Agent, list[tuple[float, float]]] = {}
    for begin, end, step in zip((0.0, *schedule.ends), schedule.ends, schedule.steps, strict=False):
        for agent in step.agents if end > begin else ():
            windows = runs.setdefault(agent, [])
            if windows and windows[-1][1] == begin:
                windows[-1] = (windows[-1][0], end)
            else:
                windows.append((begin, end))
    together: dict[tuple[float, float], list[Agent]] = {}
    for agent, windows in runs.items():
        for window in windows:
            together.setdefault(window, []).append(agent)
    return [Course(tuple(sorted(agents, key=str)), *window) for window, agents in sorted(together.items())]


@final
@dataclass(frozen=True)
class Exposure:
    """A course, and the questions whose answers say what it does.

    The effect sets in on a line from nothing at its begin to what was measured after the shortest time, and on lines
    between measured times; after the longest it stays. Where no hours were measured, all of it has set in at the end.

    Attributes:
        course: What is given when.
        questions: ``k`` perturbations.
        hours: ``k`` times they were measured after, rising; none where no hours were measured.
    """

    course: Course
    questions: tuple[Perturbation, ...]
    hours: tuple[float, ...]

    @classmethod
    def of(cls, cell: VirtualCell, course: Course, *, allow_unknown: bool = False) -> "Exposure":
        """Find the hours after which a cell was fitted on the effect of these agents; else on that of any.

        Raises:
            PerturbationError: A dose is missing where doses were measured.
            UnknownNameError: Nothing is known of a name.
        """
        known, trained = KnownNames.of(cell), [Perturbation.parse(text) for text in sorted(cell.trained)]
        asked = known.question(Perturbation(course.agents), allow_unknown=allow_unknown)
        # A dose in another unit is found where hours are those that were measured.
        for hours in sorted({each.hours for each in trained if each.hours}):
            same = known.question(Perturbation(asked.agents, hours), allow_unknown=True)
            asked = Perturbation(same.agents) if str(same) in cell.trained else asked
        own = [each for each in trained if each.agents == asked.agents] or trained
        measured = tuple(sorted({each.hours for each in own if each.hours}))
        questions = tuple(Perturbation(asked.agents, each) for each in measured) or (Perturbation(asked.agents),)
        return cls(course, questions, measured)

    def increments(self, begin: float, end: float) -> list[tuple[Perturbation, float]]:
        """Which part of the effect of each question sets in between two hours of the schedule.

        >>> ko = Perturbation.parse("ko:A")
        >>> Exposure(Course(ko.agents, 24.0, 48.0), (ko,), ()).increments(24.0, 30.0)
        [(Perturbation(agents=(Agent(kind='ko', target='A', dose=None, unit=None, direction=-1, where=None),), \
hours=None), 0.25)]
        """
        if not self.course.begin <= begin < end <= self.course.end:
            return []
        share_k = self._share(end - self.course.begin) - self._share(begin - self.course.begin)
        return [(each, float(share)) for each, share in zip(self.questions, share_k, strict=True) if share]

    def _share(self, exposed: float) -> np.ndarray:
        if not self.hours:
            return np.array([exposed / (self.course.end - self.course.begin)])
        knots = (0.0, *self.hours)
        return np.array([np.interp(exposed, knots, [0.0, *row]) for row in np.eye(len(self.hours))])

    @property
    def name(self) -> str:
        """What is given, without hours."""
        return str(Perturbation(self.course.agents))

    @property
    def too_long(self) -> bool:
        """Whether it is given for longer than was ever measured."""
        return bool(self.hours) and self.course.end - self.course.begin > self.hours[-1]

    @property
    def assumption(self) -> str:
        """What is taken for granted about it, in one sentence."""
        if not self.hours:
            return f"The hours of {self.name} were not measured: its effect sets in evenly and is whole at its end."
        after = ", ".join(f"{each:g}" for each in self.hours)
        late = " More hours than these do no more." if self.too_long else ""
        return f"The effect of {self.name} was measured after {after} h and sets in evenly up to then.{late}"


def at_different_times(found: Sequence[Exposure]) -> str:
    """Say that effects are added where agents overlap without beginning and ending together; empty otherwise."""
    spans = sorted((each.course.begin, each.course.end) for each in found)
    overlap = any(later[0] < sooner[1] for sooner, later in pairwise(spans))
    return "Effects of agents that overlap, but begin or end at different times, are added." if overlap else ""
