"""What is done to cells one step after another, as text and as an object: waits, and agents given for some hours."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, final

from aivc.core.errors import PerturbationError
from aivc.core.perturbation import Agent, Perturbation, quoted_names, spell_out

_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_WAIT = re.compile(rf"(?:wait|time|control)(?: for)? (?P<hours>{_NUMBER})h")
_WINDOW = re.compile(rf"(?P<body>.*?)\s*(?<!\S)from (?P<start>{_NUMBER})h to (?P<end>{_NUMBER})h", re.DOTALL)
_ALSO = r"|\sfrom\s|\s*;"
_QUOTED, _QUOTED_VALUE = quoted_names(before=r"|;\s*", after=_ALSO)
# Differences of times are whole to this many digits: from 0.1h to 0.3h is for 0.2h.
_DIGITS = 9


class _Span(NamedTuple):
    start: float
    end: float
    step: Perturbation


@final
@dataclass(frozen=True)
class Schedule:
    """Steps one after another, each a set of agents for some hours, or a wait.

    As text, steps stand between semicolons: ``wait 24h`` or agents ``for 3h`` follow the step before, and agents
    ``from 24h to 48h`` are given then, by the clock that starts with the schedule. Where such windows overlap, agents
    are given together; where nothing is given, cells wait. The text of a schedule has steps only.

    Attributes:
        steps: One perturbation each, with its hours.

    Raises:
        PerturbationError: No steps, or one without hours.

    >>> str(Schedule.parse("wait 24h; drug:dexamethasone@100nM for 3h; wait 24h"))
    'wait 24h; drug:dexamethasone@100nM for 3h; wait 24h'
    >>> str(Schedule.parse("drug:X@1uM from 24h to 48h"))
    'wait 24h; drug:X@1uM for 24h'
    >>> str(Schedule.parse("drug:A@1uM from 0h to 12h; drug:B@1uM from 6h to 18h"))
    'drug:A@1uM for 6h; drug:A@1uM + drug:B@1uM for 6h; drug:B@1uM for 6h'
    """

    steps: tuple[Perturbation, ...]

    def __post_init__(self) -> None:
        if not self.steps:
            raise PerturbationError("A schedule has one step at least. Write it as wait 24h; drug:NAME@10uM for 3h.")
        for step in self.steps:
            if step.hours is None:
                raise PerturbationError(
                    f"Every step of a schedule says for how many hours, and {str(step)!r} does not. Write "
                    f"{'wait 24h' if step.is_control else f'{step} for 3h, or {step} from 24h to 48h'}."
                )
            if any(";" in str(agent.unit) for agent in step.agents):
                raise PerturbationError(
                    f"A semicolon ends a step, so no unit holds one, as in {str(step)!r}. Rename it."
                )

    @cached_property
    def ends(self) -> tuple[float, ...]:
        """Hours from the start of the schedule to the end of each step."""
        found, total = [], 0.0
        for step in self.steps:
            total = round(total + _hours(step), _DIGITS)
            found.append(total)
        return tuple(found)

    @property
    def hours(self) -> float:
        """How long all of it takes."""
        return self.ends[-1]

    @property
    def agents(self) -> tuple[Agent, ...]:
        """All agents that are ever given, each once."""
        return tuple(dict.fromkeys(agent for step in self.steps for agent in step.agents))

    def cut(self, times: Sequence[float]) -> "Schedule":
        """The same schedule with steps that also end at some times.

        Args:
            times: Hours from its start; those outside of it change nothing.

        >>> str(Schedule.parse("wait 24h; drug:X@1uM for 6h").cut([12.0]))
        'wait 12h; wait 12h; drug:X@1uM for 6h'
        """
        found = []
        for start, end, step in zip((0.0, *self.ends), self.ends, self.steps, strict=False):
            inner = sorted({round(float(t), _DIGITS) for t in times if start < round(float(t), _DIGITS) < end})
            found += [_step(step.agents, later - sooner) for sooner, later in pairwise((start, *inner, end))]
            if not inner:
                found[-1] = step
        return Schedule(tuple(found))

    def __str__(self) -> str:
        return "; ".join(map(_text, self.steps))

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Read the text form; the inverse of ``str``.

        Raises:
            PerturbationError: The text has another form; the message says what to write.
        """
        spans: list[_Span] = []
        for part in _parts(text):
            spans.append(_span(part, max((span.end for span in spans), default=0.0)))
        in_order = all(later.start >= sooner.end for sooner, later in pairwise(spans))
        return cls(tuple(_filled(spans) if in_order else _together(spans)))


def _hours(step: Perturbation) -> float:
    assert step.hours is not None
    return step.hours


def _text(step: Perturbation) -> str:
    text = str(step) if step.agents else f"wait {str(step).removeprefix('time for ')}"
    return text.replace(";", "%3B")


def _step(agents: tuple[Agent, ...], hours: float) -> Perturbation:
    return Perturbation(agents, round(hours, _DIGITS))


def _parts(text: str) -> list[str]:
    """Texts of steps, with names in quotes written by their escapes: a semicolon in a name ends no step."""
    for quoted in (_QUOTED, _QUOTED_VALUE):
        text = spell_out(quoted, text, also=";")
    return [part.strip() for part in text.split(";")]


def _span(part: str, begin: float) -> _Span:
    """One step on the clock of the schedule, after what stands before it."""
    if wait := _WAIT.fullmatch(part):
        return _after(begin, Perturbation((), float(wait["hours"])))
    if window := _WINDOW.fullmatch(part):
        start, end = float(window["start"]), float(window["end"])
        if start >= end:
            raise PerturbationError(f"A window ends after it begins, unlike {part!r}. Write from 24h to 48h.")
        nothing = window["body"] in ("wait", "time", "control")
        agents = () if nothing else Perturbation.parse(window["body"]).agents
        return _Span(start, end, _step(agents, end - start))
    if not part or re.match(r"(?:wait|time|control)\b(?!:)", part):
        raise PerturbationError(
            f"A step of a schedule is a wait or agents with hours, got {part!r}. Write wait 24h, "
            "drug:NAME@10uM for 3h, or drug:NAME@10uM from 24h to 48h, with a semicolon between steps."
        )
    step = Perturbation.parse(part)
    if step.hours is None:
        raise PerturbationError(
            f"Every step of a schedule says for how many hours, and {part!r} does not. Write {part} for 3h, or "
            f"{part} from 24h to 48h."
        )
    return _after(begin, step)


def _after(begin: float, step: Perturbation) -> _Span:
    return _Span(begin, begin + _hours(step), step)


def _filled(spans: Sequence[_Span]) -> list[Perturbation]:
    """Steps of spans that follow each other, with waits between."""
    found, at = [], 0.0
    for span in spans:
        if span.start > at:
            found.append(_step((), span.start - at))
        found.append(span.step)
        at = span.end
    return found


def _together(spans: Sequence[_Span]) -> list[Perturbation]:
    """Steps between all times at which anything begins or ends, each with all that is given then."""
    times = sorted({0.0, *(time for span in spans for time in (span.start, span.end))})
    return [
        _step(
            tuple(dict.fromkeys(a for s in spans if s.start <= start and end <= s.end for a in s.step.agents)),
            end - start,
        )
        for start, end in pairwise(times)
    ]
