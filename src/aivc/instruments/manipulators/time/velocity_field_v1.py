"""One field of velocities and growth for all times: two steps lead where one long step leads."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float

from aivc.core.state import State
from aivc.core.ur import UR
from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.growth import EARLY, NONE, PLAN, SPREAD, Counts, declared_counts, require_growth
from aivc.instruments.manipulators.time.judging import FEWEST_HELD, READ, kept_of
from aivc.instruments.manipulators.time.of_time import ManipulatorOfTime, fields_of
from aivc.instruments.manipulators.time.snapshots import Line, table_of
from aivc.instruments.manipulators.time.transporter import Moved, TransportSettings
from aivc.instruments.manipulators.time.velocity_training import FieldFrame, trained_field, words_of
from aivc.nn.drift import DriftNetwork, integrated
from aivc.training.checkpoint import arrays_of
from aivc.training.weights import arrays_to_weights, network_of, pack_with_weights

FIELD = "field"
# Steps of the way over the whole range of times.
_STEPS = 24


@final
@dataclass(frozen=True, eq=False)
class VelocityFieldV1(ManipulatorOfTime):
    """Flow matching over all times at once, with growth, given the context and what was done to the cells.

    Cells on the way along plans (those of ``transport.v1``) teach a network the velocity and the growth rate at any
    state and time. A cell then goes along the field by steps of equal length. As there is one field, going on from a
    time between leads to the same place.

    Where times left out are filled better by mixing, pooling or copying, that answers; ``verdict`` says so.

    Attributes:
        growing: ``none`` or ``plan``.
        center: ``(d,)`` mean state.
        spread: ``(d,)`` standard deviation on each axis.
        verdict: ``kept``: ``field``, ``mixture``, ``pool`` or ``copy``; ``because``; mean ``scores`` on times left out.
        weights: Arrays of the network, by name; none where it was not kept.
    """

    name: ClassVar[str] = "velocity-field.v1"
    growing: str
    center: Float[np.ndarray, " d"]
    spread: Float[np.ndarray, " d"]
    verdict: Mapping[str, Any]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def fit(  # noqa: PLR0913 - one keyword for each thing that may be known better from outside
        cls,
        ur: UR,
        *,
        parts: UR | None = None,
        seed: int = 0,
        steps: int = 800,
        growth: str = NONE,
        reach: float = 1.0,
        curved: bool = True,
        counts: Counts | None = None,
        judged: bool = True,
        extrapolate: bool = False,
    ) -> "VelocityFieldV1":
        """Judge on times left out, and train on all.

        Args:
            ur: States with ``time``; perturbed ones teach what agents do over time, contexts how these differ.
            parts: Not used.
            seed: Draws first weights and batches.
            steps: Of descent.
            growth: ``none``, or ``plan`` with the growth that plans of this reach say, evenly over each interval.
            reach: Penalty on growth in plans, in mean costs.
            curved: Whether cells on the way follow tangents of development.
            counts: Numbers of cells by hours, where known: total mass follows them.
            judged: Leave interior times out to choose between this and cells that were read; otherwise it is declared.
            extrapolate: Whether times after the last are answered, by the last one.

        Raises:
            ConvergenceError: A plan did not converge.
            DataError: Fewer than two times, or none stated.
            UnknownNameError: Growth is neither.
        """
        require_growth(growth if growth in (PLAN, NONE) else f"{growth} of {cls.name}", EARLY)
        kept = fields_of(table_of(cls.name, ur, None, seed))
        hours, numbers = declared_counts(counts)
        made = cls(
            ur.space,
            **kept,
            count_hours=hours,
            counts=numbers,
            seed=seed,
            draws=1,
            extrapolate=extrapolate,
            growing=growth,
            center=np.zeros(ur.space.dim),
            spread=np.ones(ur.space.dim),
            verdict={},
        )
        settings = TransportSettings(
            reach=reach if growth == PLAN else None, growth=growth, timing=SPREAD, curved=curved
        )
        verdict = made._judge(settings, steps, judged=judged)
        if verdict["kept"] != FIELD:
            return dataclasses.replace(made, verdict=verdict)
        frame = FieldFrame.of(made._lines)
        network = trained_field(made._lines, frame, settings, steps=steps, seed=seed)
        return dataclasses.replace(
            made, center=frame.center, spread=frame.spread, verdict=verdict, weights=arrays_of(network)
        )

    @property
    def growth(self) -> str:
        """How cells differ in growth."""
        return self.growing if self.weights else NONE

    def _moved(self, line: Line, cells: CellRows, end: float, salt: str) -> Moved:
        if self.weights:
            name = next(name for name, each in self._lines.items() if each is line)
            return _along(self._network, self._frame, name, self.growing, cells, end, salt)
        return READ[self.verdict["kept"]](line, cells, end, salt)

    def _judge(self, settings: TransportSettings, steps: int, *, judged: bool) -> dict[str, Any]:
        name, line = max(self._lines.items(), key=lambda each: len(each[1]))
        if not judged:
            return {"kept": FIELD, "because": "asked for"}
        if len(line) - 2 < FEWEST_HELD:
            few = f"{len(line)} times are too few to leave any out: the choice was declared, not made on data"
            return {"kept": FIELD, "because": few}

        def learned(rest: Line) -> partial[Moved]:
            lines = {name: rest}
            frame = FieldFrame.of(lines)
            network = trained_field(lines, frame, settings, steps=steps, seed=self.seed)
            return partial(_along, network, frame, name, self.growing)

        return kept_of(line, FIELD, learned, self.seed)

    @cached_property
    def _frame(self) -> FieldFrame:
        return FieldFrame(
            self.center, self.spread, float(self.hours.min()), float(self.hours.max()), words_of(self.lines)
        )

    @cached_property
    def _network(self) -> DriftNetwork:
        return network_of(lambda: DriftNetwork(len(self.center), len(self._frame.words)), self.weights)

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        return pack_with_weights(self)

    @classmethod
    def from_state(cls, state: State) -> "VelocityFieldV1":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this manipulator.
        """
        weights, plain = arrays_to_weights(state.arrays)
        found = dataclasses.replace(super().from_state(State(state.settings, plain)), weights=weights)
        if weights:
            found._network  # noqa: B018 - a wrong shape or a missing array is refused now, not at the first question
        return found


def _along(
    network: DriftNetwork, frame: FieldFrame, name: str, growing: str, cells: CellRows, end: float, salt: str
) -> Moved:
    """Take cells along a field; the salt decides nothing, for each has one way."""
    if end <= cells.start:
        return Moved(cells.values, np.ones(len(cells.values)))
    network = network.double()
    y_nd = torch.tensor((cells.values - frame.center) / frame.spread, dtype=torch.float64)
    condition_nc = torch.tensor(frame.condition(name), dtype=torch.float64).expand(len(y_nd), -1)
    start_s, end_s = ((each - frame.first) / frame.hours for each in (cells.start, end))
    steps = max(1, round((end_s - start_s) * _STEPS))
    found_nd, mass_n = integrated(network, y_nd, condition_nc, (start_s, end_s), steps)
    factor = mass_n.exp().numpy() if growing == PLAN else np.ones(len(y_nd))
    return Moved(found_nd.numpy() * frame.spread + frame.center, factor)
