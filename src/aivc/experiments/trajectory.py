"""Cells taken through a schedule: development by one manipulator, and what agents do by another, step by step."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import numpy as np

from aivc.core.contracts import Manipulator
from aivc.core.errors import DataError, PerturbationError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.schedule import Schedule
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.batch import was_seen
from aivc.experiments.exposure import Exposure, at_different_times, courses

# What goes on after an agent is gone. Cells taken on from the states it brought them to would be coupled with those
# that were read, and so catch up with untreated ones, which nobody saw them do.
BESIDE = "Cells develop as untreated ones, and what agents did to them stays as it was."


class Moment(NamedTuple):
    """Populations at the end of a step, one of each draw; rows are the cells of the start and what became of them.

    Attributes:
        step: Its number, 0 for the start.
        time: Hours on the clock of the data.
        done: What was done in the step; None at the start.
        draws: ``k`` populations.
        untreated: ``k`` populations to which nothing was done, at the same time.
        applicability: Whether the step lies where the parts have evidence.
        inside: Whether its hours lie inside the range of times that were read.
        seen: Whether its agents were in training; None where there are none.
        made_by: Names of the parts that answered.
    """

    step: int
    time: float
    done: Perturbation | None
    draws: tuple[UR, ...]
    untreated: tuple[UR, ...]
    applicability: Applicability
    inside: bool
    seen: bool | None
    made_by: tuple[str, ...]


@final
@dataclass(frozen=True, eq=False)
class Trajectory:
    """Who answers, and how answers are put together.

    Attributes:
        cell: The virtual cell.
        develops: Takes cells to a later time.
        acts: Says what agents do; None where the cell has no such part, and what was read over time answers alone.
        schedule: What is done.
        exposures: Courses of agents.
        draws: How many populations the manipulator of time draws.
        still: Whether untreated cells are taken to stay as they were, since none were read later.
    """

    cell: VirtualCell
    develops: Manipulator
    acts: Manipulator | None
    schedule: Schedule
    exposures: tuple[Exposure, ...]
    draws: int = 1
    still: bool = False

    @classmethod
    def of(
        cls,
        cell: VirtualCell,
        schedule: Schedule,
        *,
        extrapolate: bool = False,
        manipulators: tuple[str, str] = ("", ""),
        allow_unknown: bool = False,
    ) -> "Trajectory":
        """Find the parts that answer.

        Args:
            cell: With a manipulator of time, and one of effects where agents are given.
            schedule: What is done.
            extrapolate: Answer also outside of the range of times that were read.
            manipulators: Names of the manipulator of time and of that of effects, where there are several.
            allow_unknown: Answer also where nothing is known of a name.

        Raises:
            PerturbationError: An agent acts on some cells of a tissue only.
            UnknownNameError: No manipulator of time, several of a kind and no name, or nothing is known of an agent.
        """
        if any(step.of_tissue for step in schedule.steps):
            raise PerturbationError(
                "A schedule is simulated for cells that stand alone, and one of its steps names cells of a tissue. "
                "Leave out where …=…, or ask about each step with aivc predict."
            )
        develops = _pick(cell, manipulators[0], of_time=True)
        if develops is None:
            raise UnknownNameError(
                "manipulator of time", manipulators[0], [], "Fit one on cells read at several times: "
                "aivc fit FILE --schema S.toml --manipulator development.v1 --out CELL; --onto adds it to a cell.",
            )  # fmt: skip
        fields = {each.name for each in dataclasses.fields(develops)}  # type: ignore[arg-type]
        draws = int(getattr(develops, "draws", 1))
        # Each draw is followed by itself: what one step draws for all of them is not needed.
        changes: dict[str, Any] = {"draws": 1} if "draws" in fields else {}
        changes |= {"extrapolate": True} if extrapolate and "extrapolate" in fields else {}
        develops = dataclasses.replace(develops, **changes) if changes else develops  # type: ignore[type-var]
        acts = _pick(cell, manipulators[1], of_time=False) if schedule.agents else None
        given = courses(schedule) if acts is not None else []
        exposures = tuple(Exposure.of(cell, each, allow_unknown=allow_unknown) for each in given)
        return cls(cell, develops, acts, schedule, exposures, draws)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is taken for granted, a sentence each."""
        if not self.schedule.agents:
            return ()
        if self.acts is None:
            stay = ("No untreated cells were read later: beside treated ones they stay as they were.",) * self.still
            return ("Cells under an agent go the way of those read under it at the same times.", *stay)
        of_agents = [each.assumption for each in self.exposures]
        added = "What an agent does is added to development, as effects are measured against controls of the same time."
        grows = ("Cells divide and die under an agent as without it.",) if self.develops.grows else ()
        different = filter(None, [at_different_times(self.exposures)])
        return (*dict.fromkeys(of_agents), *different, added, BESIDE, *grows)

    def beside(self, start: UR) -> "Trajectory":
        """The same, with untreated cells that stay as they are where none were read later than the controls.

        That is so where controls were read at one time only, and answers for treated cells alone: a schedule with a
        wait is refused when it is run.

        Args:
            start: Cells with ``time``, all read at the same.
        """
        if self.acts is not None or not all(step.agents for step in self.schedule.steps):
            return self
        try:
            self._developed(start.take(np.arange(1)), self.schedule.hours)
        except UnknownNameError:
            return dataclasses.replace(self, still=True)
        return self

    def run(self, start: UR) -> Iterator[Moment]:
        """Take cells through the schedule.

        Args:
            start: Cells with ``time``, all read at the same.

        Yields:
            The start, and then the end of each step.

        Raises:
            DataError: The cells were read at several times, or do not say when.
            PerturbationError: A time outside of what was read, or agents that no part knows.
        """
        begin = common_time(start)
        now: Sequence[UR] = _named_apart(start, self._require_answers(start))
        apart = now
        yield Moment(0, begin, None, tuple(now), tuple(apart), Applicability.IN, True, None, ())  # noqa: FBT003
        at = (0.0, *self.schedule.ends)
        for i, step in enumerate(self.schedule.steps):
            moved, beside = self._step(now, apart, step, (at[i], at[i + 1]))
            now, apart = moved.draws, beside.draws
            seen = self._seen(step)
            inside = (moved if self.still else beside).applicability != Applicability.OUT
            yield Moment(
                i + 1, begin + at[i + 1], step, tuple(now), tuple(apart), moved.applicability, inside, seen,
                moved.made_by,
            )  # fmt: skip

    def _require_answers(self, start: UR) -> int:
        """Ask everything once of two cells, so that what is refused is refused at once; return the number of draws."""
        few = start.take(np.arange(min(2, len(start))))
        counts = [self.draws, len(self._developed(few, self.schedule.hours).draws)]
        if self.schedule.agents and self.acts is None:
            given = [step for step in self.schedule.steps if step.agents]
            counts += [len(self._read_over_time(few, step).draws) for step in given]
        for each in self.exposures:
            assert self.acts is not None
            counts += [len(self.acts.manipulate(few, question).draws) for question in each.questions]
        return max(counts)

    def _step(
        self, now: Sequence[UR], apart: Sequence[UR], step: Perturbation, span: tuple[float, float]
    ) -> "tuple[_Draws, _Draws]":
        hours = span[1] - span[0]
        beside = self._each(apart, lambda ur: self._developed(ur, hours))
        if self.acts is None and step.agents:
            return self._each(now, lambda ur: self._read_over_time(ur, step)), beside
        if not step.agents and all(one is other for one, other in zip(now, apart, strict=True)):
            return beside, beside
        draws = [_beside(*each, step) for each in zip(beside.draws, now, apart, strict=True)]
        return self._acted(beside._replace(draws=draws), step, span), beside

    def _acted(self, moved: "_Draws", step: Perturbation, span: tuple[float, float]) -> "_Draws":
        """Add the part of each effect that sets in during a step."""
        parts = [(exposure, *part) for exposure in self.exposures for part in exposure.increments(*span)]
        if not parts:
            return moved
        assert self.acts is not None
        acts, shifts, worst = self.acts, [0.0 * draw.values for draw in moved.draws], moved.applicability
        made_by: tuple[str, ...] = ()
        for exposure, question, share in parts:
            said = self._each(moved.draws, partial(_asked, acts, question))
            for i, (draw, before) in enumerate(zip(said.draws, moved.draws, strict=True)):
                shifts[i] = shifts[i] + share * (draw.values - before.values)
            late = exposure.too_long and span[1] - exposure.course.begin > exposure.hours[-1]
            worst = _worst(worst, said.applicability, Applicability.EDGE if late else Applicability.IN)
            made_by = said.made_by
        draws = [_at(draw, draw.values + shift, step) for draw, shift in zip(moved.draws, shifts, strict=True)]
        return _Draws(draws, worst, (*moved.made_by, *made_by))

    def _seen(self, step: Perturbation) -> bool | None:
        if not step.agents:
            return None
        own = [each for each in self.exposures if set(each.course.agents) <= set(step.agents)]
        if not own:
            return self.acts is None
        return all(was_seen(self.cell, question, Applicability.EDGE) for each in own for question in each.questions)

    def _developed(self, ur: UR, hours: float) -> Prediction[UR]:
        if self.still:
            later = ur.entities.assign(time=np.asarray(ur.times) + hours, perturbation=str(Perturbation((), hours)))
            return Prediction((dataclasses.replace(ur, entities=later),), (self.develops.name,), Applicability.EDGE)
        return self.develops.manipulate(ur, Perturbation((), hours))

    def _read_over_time(self, ur: UR, step: Perturbation) -> Prediction[UR]:
        try:
            return self.develops.manipulate(ur, step)
        except UnknownNameError as error:
            raise PerturbationError(
                f"This virtual cell has no manipulator of effects, and {self.develops.name} did not read {step} over "
                f"time. Fit a cell on perturbed cells first, and add time to it (--onto). {error}"
            ) from error

    def _each(self, states: Sequence[UR], ask: Callable[[UR], Prediction[UR]]) -> "_Draws":
        """Ask about every draw, once where they are the same, and let draw ``i`` go the way of answer ``i``."""
        known: dict[int, Prediction[UR]] = {}
        for ur in states:
            if id(ur) not in known:
                known[id(ur)] = ask(ur)
        said = [known[id(ur)] for ur in states]
        draws = [each.draws[i % len(each.draws)] for i, each in enumerate(said)]
        return _Draws(draws, _worst(*(each.applicability for each in said)), said[0].made_by)


class _Draws(NamedTuple):
    draws: Sequence[UR]
    applicability: Applicability
    made_by: tuple[str, ...]


def common_time(start: UR) -> float:
    """When all cells were read.

    Raises:
        DataError: At several times, or they do not say when.
    """
    times = start.times
    if times is None or not len(times) or not np.isfinite(times).all():
        raise DataError(
            [
                "A simulation begins at a time, and these cells do not say when they were read. Declare time and "
                "time_unit in the schema."
            ]
        )
    if len(found := np.unique(times)) > 1:
        shown = ", ".join(f"{each:g}" for each in found[:6])
        raise DataError([f"A simulation begins at one time, and these cells were read at {shown} h. Name one of them."])
    return float(found[0])


def _named_apart(start: UR, count: int) -> list[UR]:
    """The same cells once for each draw, under names of their own: by names it is drawn what a cell becomes."""
    names = start.entities.index.astype(str)
    tables = [start.entities.set_axis(names + f"/{k}" if k else names, axis=0) for k in range(count)]
    return [dataclasses.replace(start, entities=table) for table in tables]


def _pick(cell: VirtualCell, name: str, *, of_time: bool) -> Manipulator | None:
    """The manipulator of a name, or the only one of time or of effects; None where there is none.

    Raises:
        UnknownNameError: No such manipulator, or several and no name.
    """
    found = {
        key: part
        for key, part in cell.instruments.items()
        if isinstance(part, Manipulator) and part.needs_times == of_time and not part.edits_tissue
    }
    if not name and len(found) < 2:
        return next(iter(found.values()), None)
    if name not in found:
        what = "manipulator of time" if of_time else "manipulator of effects"
        raise UnknownNameError(what, name, found, "" if name else f"This cell has {len(found)}: name the one you mean.")
    return found[name]


def _asked(acts: Manipulator, question: Perturbation, ur: UR) -> Prediction[UR]:
    return acts.manipulate(ur, question)


def _at(draw: UR, values: np.ndarray, step: Perturbation) -> UR:
    """The same cells in other states."""
    return dataclasses.replace(
        draw, values=values, entities=draw.entities.assign(perturbation=str(step)), variance=None, links=None
    )


def _beside(draw: UR, now: UR, apart: UR, step: Perturbation) -> UR:
    """Cells that have developed as untreated ones, as far from these as before, and as many for each of them."""
    moved = _at(draw, draw.values + now.values - apart.values, step)
    return dataclasses.replace(moved, mass=draw.mass * (now.mass / apart.mass))


def _worst(*said: Applicability) -> Applicability:
    return max(said, key=list(Applicability).index)
