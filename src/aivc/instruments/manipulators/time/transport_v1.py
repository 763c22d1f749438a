"""Populations taken along optimal transport between the times that were read, growing and dying on the way."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np

from aivc.core.errors import DataError
from aivc.core.ur import UR
from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.growth import (
    EARLY,
    NONE,
    PLAN,
    SCORES,
    Counts,
    declared_counts,
    rates_of,
    require_growth,
)
from aivc.instruments.manipulators.time.judging import (
    FEWEST_HELD,
    READ,
    cells_of,
    energy_distance,
    kept_of,
)
from aivc.instruments.manipulators.time.of_time import TODAY, ManipulatorOfTime, fields_of
from aivc.instruments.manipulators.time.progress import Progress
from aivc.instruments.manipulators.time.snapshots import Line, table_of
from aivc.instruments.manipulators.time.transporter import Moved, Transporter, TransportSettings

TRANSPORT, FURTHER = "transport", "displacement"


def transporter_of(line: Line, settings: TransportSettings) -> Transporter:
    """Plans of a line."""
    return Transporter(line, settings, Progress.of(line) if settings.curved else None)


@final
@dataclass(frozen=True, eq=False)
class TransportV1(ManipulatorOfTime):
    """Displacement interpolation (McCann 1997) along entropic plans, on ways that follow the tangents of development.

    Between two consecutive times cells are coupled by an entropic plan. A cell draws its descendant from its row of
    the plan, and is found between the two: on a straight way, or on a cubic whose velocities at both ends are the
    tangents of development there (`Progress`); partners are then chosen so that ways bend little. Growth is none by
    default: every cell keeps its mass. With a ``reach`` and ``growth='plan'`` it is what a semi-relaxed plan sends.

    Where times left out of the fit are filled better by mixing, pooling or copying, that answers; ``verdict`` says so.

    Attributes:
        epsilon: Blur of plans, in mean costs.
        reach: Penalty on growth in plans; 0 where sums are exact.
        growing: ``none``, ``scores`` or ``plan``.
        timing: ``early``, ``spread`` or ``late`` in an interval.
        curved: Whether ways follow tangents.
        verdict: ``kept``: ``transport``, ``mixture``, ``pool`` or ``copy``; ``because``; mean ``scores`` on times left
            out, in those of the better copy; ``beyond``: what answers after the last time.
    """

    name: ClassVar[str] = "transport.v1"
    epsilon: float
    reach: float
    growing: str
    timing: str
    curved: bool
    verdict: Mapping[str, Any]

    @classmethod
    def fit(  # noqa: PLR0913 - one keyword for each thing that may be known better from outside
        cls,
        ur: UR,
        *,
        parts: UR | None = None,
        seed: int = 0,
        epsilon: float = 0.02,
        reach: float | None = None,
        growth: str = NONE,
        timing: str = EARLY,
        counts: Counts | None = None,
        curved: bool = True,
        judged: bool = True,
        draws: int = 1,
        extrapolate: bool = False,
    ) -> "TransportV1":
        """Couple the times, and judge on times left out.

        Args:
            ur: States with ``time``.
            parts: Not used.
            seed: Draws descendants, and cells to judge on.
            epsilon: Blur of plans, in mean costs.
            reach: Penalty on growth in plans, in mean costs; None keeps their sums exactly.
            growth: ``none``; ``scores``, of the columns ``proliferation`` and ``apoptosis``; or ``plan``, which needs
                a reach.
            timing: When in an interval cells grow: ``early``, ``spread`` or ``late``.
            counts: Numbers of cells by hours, where known: total mass follows them.
            curved: Follow tangents of development.
            judged: Leave interior times out to choose between this and cells that were read; otherwise it is declared.
            draws: How many populations are drawn.
            extrapolate: Whether times after the last are answered.

        Raises:
            ConvergenceError: A plan did not converge.
            DataError: Fewer than two times, none stated, or growth without what it needs.
            UnknownNameError: No such growth or timing.
        """
        require_growth(growth, timing)
        if growth == PLAN and reach is None:
            raise DataError([f"{cls.name} with growth='plan' needs a reach in mean costs, such as reach=0.5."])
        rates = rates_of(cls.name, ur) if growth == SCORES else None
        kept = fields_of(table_of(cls.name, ur, rates, seed))
        hours, numbers = declared_counts(counts)
        made = cls(
            ur.space,
            **kept,
            count_hours=hours,
            counts=numbers,
            seed=seed,
            draws=draws,
            extrapolate=extrapolate,
            epsilon=epsilon,
            reach=reach or 0.0,
            growing=growth,
            timing=timing,
            curved=curved,
            verdict={},
        )
        verdict = made._judge(judged=judged)
        made = dataclasses.replace(made, verdict=verdict)
        if verdict["kept"] == TRANSPORT:
            plans = {name.replace("\t", " ").strip(): each.certificates for name, each in made._transporters.items()}
            said = {name: [plan.to_json() for plan in found] for name, found in plans.items()}
            made = dataclasses.replace(made, verdict={**verdict, "plans": said})
        return made

    @property
    def growth(self) -> str:
        """How cells differ in growth."""
        return self.growing if self.verdict.get("kept", TRANSPORT) == TRANSPORT else NONE

    @property
    def settings(self) -> TransportSettings:
        """How cells are taken along plans."""
        return TransportSettings(self.epsilon, self.reach or None, self.growing, self.timing, self.curved)

    def _moved(self, line: Line, cells: CellRows, end: float, salt: str) -> Moved:
        kept = self.verdict["kept"]
        if kept == TRANSPORT:
            return self._by_line[id(line)].advance(cells, end, salt)
        return READ[kept](line, cells, end, salt)

    def _beyond(self, line: Line, cells: CellRows, hours: float) -> tuple[np.ndarray, str]:
        if self.verdict.get("beyond") == FURTHER:
            return self._by_line[id(line)].beyond(cells.values, hours), ""
        return cells.values, TODAY

    @cached_property
    def _transporters(self) -> dict[str, Transporter]:
        return {name: transporter_of(line, self.settings) for name, line in self._lines.items()}

    @cached_property
    def _by_line(self) -> dict[int, Transporter]:
        return {id(self._lines[name]): each for name, each in self._transporters.items()}

    def _judge(self, *, judged: bool) -> dict[str, Any]:
        line = max(self._lines.values(), key=len)
        beyond = beyond_verdict(line, self.settings, self.seed) if self.extrapolate else {}
        if not judged:
            return {"kept": TRANSPORT, "because": "asked for", **beyond}
        if len(line) - 2 < FEWEST_HELD:
            few = f"{len(line)} times are too few to leave any out: the choice was declared, not made on data"
            return {"kept": TRANSPORT, "because": few, **beyond}

        return {
            **kept_of(line, TRANSPORT, lambda rest: transporter_of(rest, self.settings).advance, self.seed),
            **beyond,
        }


def beyond_verdict(line: Line, settings: TransportSettings, seed: int) -> dict[str, Any]:
    """Whether going on as in the last interval is better than staying, for the last time that was read.

    Args:
        line: Populations.
        settings: Of plans.
        seed: Draws cells.
    """
    if len(line) < 3:
        return {"beyond": TODAY, "beyond_because": "two times are too few to leave the last one out"}
    rest, last = line[:-1], line[-1]
    cells = cells_of(rest[-1], seed)
    further = transporter_of(rest, settings).beyond(cells.values, last.hours - rest[-1].hours)
    scores = {FURTHER: energy_distance(further, last.values), TODAY: energy_distance(cells.values, last.values)}
    better = scores[FURTHER] < scores[TODAY]
    said = "better than today" if better else "no better than today"
    because = f"going on was {said} for the last time, left out"
    return {"beyond": FURTHER if better else TODAY, "beyond_because": because, "beyond_scores": scores}
