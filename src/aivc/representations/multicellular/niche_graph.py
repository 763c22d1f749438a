"""A cell among its neighbours, learned: shells, and a correction of them where held-out tissue gains by it."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Encoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.data.tissue.graph import GraphRule, link, position_problems
from aivc.data.tissue.tissue_blocks import left_out_together
from aivc.nn.niche import NicheNetwork
from aivc.representations.multicellular.niche_training import (
    MaskedCells,
    corrected,
    edges_of,
    gained,
    trained,
    typical_link,
)
from aivc.training.checkpoint import arrays_of
from aivc.training.weights import arrays_to_weights, network_of, pack_with_weights

_NEAR, _AT_ONCE = 2, 20_000
# So few cells teach a network nothing that shells do not hold; so many are enough for every step.
_FEWEST, _MOST = 400, 20_000
# Half a percent of the error, beyond its standard error: less is not worth a network.
_LEAST, _FOLDS = 0.005, 3


@final
@dataclass(frozen=True, eq=False)
class NicheGraph(Encoder):
    """Shell means, corrected by messages from neighbours that know states and distances.

    States have the axes of ``shells``: those of the cell, then those of the mean of each shell. A small network reads
    who is one or two links away, with what state and how far, and corrects the shell means by what these leave out,
    such as who is near together with whom. It learns without labels: the state of a cell is masked and has to be read,
    by a linear regression, from its corrected shells, in two views of the surroundings that lack different neighbours
    and should agree. The correction begins at zero.

    It is kept only where it lowers the error of masked cells in donors, sections or blocks left out of its training,
    by more than the standard error and half a percent; otherwise, and where there are fewer than 400 cells, states are
    those of ``shells`` to the last bit (`opened`).

    Distances alone are read of positions: rotating, moving or mirroring a section, or reading its cells in another
    order, changes nothing.

    Attributes:
        base: The encoder ``shells``.
        middle: ``(d,)`` mean of each axis in training, and
        spread: ``(d,)`` its standard deviation, in which corrections are counted.
        typical: Median length of a link in training, which distances are measured in.
        reach: Number of shells.
        rule: Which cells are neighbours, where the measurement states no links (`GraphRule`).
        opened: Whether the correction is kept.
        gain: By what share it lowered the error of masked cells left out; 0 where there were too few cells to ask.
        gain_error: Standard error of the gain over what was left out together.
        unit: What was left out together: ``donor``, ``section``, ``block``, ``cell`` or ``group``.
        weights: Arrays of the network, by name; none where the correction is not kept.
    """

    name: ClassVar[str] = "niche-graph"
    scale: ClassVar[Scale] = Scale.MULTICELLULAR
    uses_parts: ClassVar[bool] = True
    base: Encoder
    middle: Float[np.ndarray, " d"]
    spread: Float[np.ndarray, " d"]
    typical: float
    reach: int
    rule: str
    opened: bool = False
    gain: float = 0.0
    gain_error: float = 0.0
    unit: str = ""
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def fit(  # noqa: PLR0913 - those of shells, and how the network is learned
        cls,
        measurement: Measurement,
        *,
        dim: int = 32,
        seed: int = 0,
        units: str | None = None,
        parts: UR | None = None,
        reach: int = 3,
        rule: str = "nearest:8",
        by_section: bool = False,
        groups: Sequence[object] | np.ndarray | None = None,
        steps: int = 600,
    ) -> "NicheGraph":
        """Fit on the cells of training sections; their labels are not read.

        Args:
            measurement: Cells with positions.
            dim: Number of axes wanted in all, as of ``shells``.
            seed: Draws folds, weights, batches and, of more than 20,000 cells, those to train on.
            units: Units of the values it reads without ``parts``, as of ``shells``.
            parts: States of the same cells, row by row.
            reach: Number of shells, one at least.
            rule: Text of a `GraphRule`.
            by_section: Whether each section is centered and scaled on its own.
            groups: ``(n,)`` labels of what is left out together; None takes donors, else sections, else blocks.
            steps: Steps of training at most; of few cells it takes fewer.

        Raises:
            DataError: Positions are missing, there is no shell, states do not match the cells, or a cell has no counts.
            SpaceError: The states are not those of cells.
        """
        if parts is None:
            measurement.require_table(cls.name)
        if problems := list(position_problems(measurement)):
            raise DataError(problems)
        if reach < 1:
            raise DataError([f"There is nothing to correct without shells: reach is 1 or more, got {reach}."])
        linked = measurement if measurement.links is not None else link(measurement, GraphRule.parse(rule))
        settings = {"units": units, "reach": reach, "rule": rule, "by_section": by_section}
        shells = ENCODERS.load("shells")
        base = shells.fit(linked, dim=dim, seed=seed, **shells.given(parts), **settings)
        ur = base.encode(linked, parts)
        middle, spread = ur.values.mean(axis=0), np.maximum(ur.values.std(axis=0), 1e-12)
        assert linked.links is not None
        typical = typical_link(linked.links, np.asarray(linked.coordinates))
        shut = cls(base, middle, spread, typical, reach, str(GraphRule.parse(rule)))
        if len(ur) < _FEWEST:
            return shut
        return shut._learned(ur, linked, groups, seed, steps)

    def _learned(
        self, ur: UR, linked: Measurement, groups: Sequence[object] | np.ndarray | None, seed: int, steps: int
    ) -> "NicheGraph":
        """Ask whether tissue left out gains, and train on all of it where it does."""
        rng = np.random.default_rng(seed)
        group_n, unit = left_out_together(ur, np.ones(len(ur), dtype=bool), groups, seed=seed)
        rows = np.sort(rng.permutation(len(ur))[:_MOST])
        cells = self._cells(ur, linked, rows)
        names, code_m = np.unique(group_n[rows], return_inverse=True)
        settings = {"reach": self.reach, "near": min(_NEAR, self.reach), "seed": seed, "steps": steps}
        if len(names) < 2:
            return dataclasses.replace(self, unit=unit)
        fold_m = (rng.permutation(len(names)) % min(_FOLDS, len(names)))[code_m]
        gain, error = gained(cells, code_m, fold_m, **settings)
        asked = dataclasses.replace(self, gain=gain, gain_error=error, unit=unit)
        if gain - error < _LEAST:
            return asked
        network = trained(cells, np.arange(len(rows)), **settings)
        return dataclasses.replace(asked, opened=True, weights=arrays_of(network))

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.base.dim

    @property
    def width(self) -> int:
        """Number of axes of the cell itself, and of each shell."""
        return self.dim // (self.reach + 1)

    @cached_property
    def network(self) -> NicheNetwork:
        """The correction, in evaluation mode."""
        near = min(_NEAR, self.reach)
        return network_of(lambda: NicheNetwork(self.width, self.reach, near).double(), self.weights)

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        return pack_with_weights(self)

    @classmethod
    def from_state(cls, state: State) -> "NicheGraph":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this encoder.
        """
        weights, plain = arrays_to_weights(state.arrays)
        encoder = dataclasses.replace(super().from_state(State(state.settings, plain)), weights=weights)
        if encoder.opened:
            encoder.network  # noqa: B018 - a wrong shape or a missing array is refused now, not at the first question
        return encoder

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Represent cells with their surroundings.

        A shell without anyone is not corrected: it has the value expected of it, and infinite variance.

        Args:
            measurement: Cells with positions.
            parts: States of the same cells, of the encoder whose states it was fitted on.

        Raises:
            DataError: Positions are missing, or states do not match the cells.
            SpaceError: The states are of another space.
        """
        if parts is None:
            measurement.require_table(self.name)
        if problems := list(position_problems(measurement)):
            raise DataError(problems)
        linked = measurement if measurement.links is not None else link(measurement, GraphRule.parse(self.rule))
        ur = self.base.encode(linked, parts)
        values = ur.values
        if self.opened:
            values = np.array(values)
            for start in range(0, len(ur), _AT_ONCE):
                rows = np.arange(start, min(start + _AT_ONCE, len(ur)))
                moved = corrected(self.network, self._cells(ur, linked, rows), np.arange(len(rows)))
                moved *= self.spread[self.width :]
                known = 1.0 if ur.variance is None else np.isfinite(ur.variance[rows, self.width :])
                values[rows, self.width :] += moved * known
        return UR(values, self.writes, ur.entities, ur.variance, ur.mass, ur.links)

    def _cells(self, ur: UR, linked: Measurement, rows: np.ndarray) -> MaskedCells:
        width = self.width
        z_nw = (ur.values[:, :width] - self.middle[:width]) / self.spread[:width]
        z_mp = (ur.values[rows, width:] - self.middle[width:]) / self.spread[width:]
        places, near = np.asarray(linked.coordinates, dtype=np.float64), min(_NEAR, self.reach)
        assert linked.links is not None
        return MaskedCells(z_nw, z_mp, rows, edges_of(linked.links, places, rows, near, self.typical))
