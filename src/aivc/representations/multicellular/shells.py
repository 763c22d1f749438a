"""A cell among its neighbours: its own state, and the mean state of those one, two, three steps away."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Encoder
from aivc.core.errors import DataError, SpaceError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.streaming.normalize import profile_units
from aivc.data.tissue.graph import GraphRule, link, sections
from aivc.data.tissue.rings import shell_means
from aivc.representations.cellular.principal import principal_axes, project


@final
@dataclass(frozen=True, eq=False)
class Shells(Encoder):
    """Own state and shell means of the cell representation: hard to beat, and to be beaten by any learned encoder.

    Each entity is a cell with its surroundings. Axes are the leading principal axes of the states of the cells, own
    first, then those of the mean of each shell: axis ``j`` of shell ``s`` stands at ``s * width + j``. Means of
    neighbours at growing distance are as good a description of a niche as published encoders give (Singhal et al. 2024,
    Nat Genet 56:431; Varrone et al. 2024, Nat Genet 56:74).

    Nothing but who is a neighbour of whom enters: rotating, moving or mirroring a section, or reading its cells in
    another order, changes nothing.

    Attributes:
        cells: Space of the cell states it was fitted on; None where it reads the values of the measurement themselves.
        features: ``(f,)`` names it reads where it reads values; none where it reads states.
        units: Of the values it reads; empty where it reads states.
        center: ``(p,)`` mean state, or ``(f,)`` mean of the values.
        loadings: ``(p, width)`` or ``(f, width)`` leading axes of these.
        expected: ``(reach + 1, width)`` mean of each shell in training; what stands for a shell without anyone.
        scale_d: ``(width,)`` standard deviation of the states along each axis.
        rule: Which cells are neighbours, where the measurement states no links (`GraphRule`).
        reach: Number of shells.
        by_section: Whether axes are centered and scaled in each section of its own, which takes out what differs
            between sections, technique and biology alike.
    """

    name: ClassVar[str] = "shells"
    scale: ClassVar[Scale] = Scale.MULTICELLULAR
    uses_parts: ClassVar[bool] = True
    cells: Space | None
    features: np.ndarray
    units: str
    center: Float[np.ndarray, " p"]
    loadings: Float[np.ndarray, "p width"]
    expected: Float[np.ndarray, "shells width"]
    scale_d: Float[np.ndarray, " width"]
    rule: str
    reach: int
    by_section: bool

    @classmethod
    def fit(
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
    ) -> "Shells":
        """Fit on the cells of training sections.

        Args:
            measurement: Cells with positions, or with links.
            dim: Number of axes wanted in all: ``dim // (reach + 1)``, at least one, for the cell and each shell.
            seed: Starting vector of iterative solvers.
            units: Units of the values it reads without ``parts``; None means ``log1p_cpN`` for counts, N the median
                total of these cells.
            parts: States of the same cells, row by row. Without them the leading axes of the values are the states.
            reach: Number of shells.
            rule: Text of a `GraphRule`.
            by_section: Whether each section is centered and scaled on its own.

        Raises:
            DataError: Positions are missing, states do not match the cells, or a cell has no counts.
            SpaceError: The states are not those of cells.
        """
        wanted = max(dim // (reach + 1), 1)
        features, units = np.array([], dtype=object), "" if parts is not None else units or profile_units(measurement)
        if parts is None:
            features, center, loadings = principal_axes(measurement, units, wanted, seed, cls.name)
            axes = project(measurement, features, center, loadings, units, cls.name)
        else:
            states = _matched(measurement, parts)
            center = states.mean(axis=0)
            loadings = _axes(states - center, min(wanted, *states.shape))
            axes = (states - center) @ loadings
        width = loadings.shape[1]
        scale_d = np.maximum(axes.std(axis=0), 1e-12)
        blank = np.zeros((reach + 1, width))
        space = None if parts is None else parts.space
        frozen = (space, features, units, center, loadings)
        made = cls(*frozen, blank, scale_d, str(GraphRule.parse(rule)), reach, by_section)
        laid, counts = made._shells(measurement, parts)
        known = np.concatenate([np.ones((len(laid), 1)), counts], axis=1) > 0
        expected = (laid * known[..., None]).sum(axis=0) / np.maximum(known.sum(axis=0), 1)[:, None]
        return cls(*frozen, expected, scale_d, made.rule, reach, by_section)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self.expected.size)

    @property
    def width(self) -> int:
        """Number of axes of the cell itself, and of each shell."""
        return int(self.expected.shape[1])

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Represent cells with their surroundings.

        A shell without anyone has the value expected of it, and infinite variance: nothing was measured there.

        Args:
            measurement: Cells with links, or with positions.
            parts: States of the same cells, of the encoder whose states it was fitted on.

        Raises:
            DataError: Positions are missing, or states do not match the cells.
            SpaceError: The states are of another space.
        """
        if (parts is None) != (self.cells is None):
            wanted = "states of cells, as parts" if self.cells is not None else "no parts: it reads values"
            raise SpaceError(f"These shells were fitted on {self.cells or 'values'} and need {wanted}.")
        if parts is not None and self.cells is not None:
            self.cells.require(parts.space, self.name)
        linked = self.linked(measurement)
        laid, counts = self._shells(linked, parts)
        empty = np.concatenate([np.zeros((len(laid), 1)), counts == 0], axis=1).astype(bool)
        laid = np.where(empty[..., None], self.expected, laid)
        variance = (
            np.where(empty[..., None], np.inf, np.zeros_like(laid)).reshape(len(laid), -1) if empty.any() else None
        )
        values = laid.reshape(len(laid), -1)
        return UR(values, self.writes, measurement.entities, variance, measurement.mass, linked.links)

    def linked(self, measurement: Measurement) -> Measurement:
        """Return the measurement with its links: those it states, or those of the rule."""
        return measurement if measurement.links is not None else link(measurement, GraphRule.parse(self.rule))

    def _axes_of(self, measurement: Measurement, parts: UR | None) -> np.ndarray:
        """``(n, width)`` leading axes of each cell on its own."""
        if parts is None:
            return project(measurement, self.features, self.center, self.loadings, self.units, self.name)
        return np.asarray((_matched(measurement, parts) - self.center) @ self.loadings)

    def _shells(self, measurement: Measurement, parts: UR | None) -> tuple[np.ndarray, np.ndarray]:
        """``(n, reach + 1, width)`` own axes and shell means, and ``(n, reach)`` how many are in each shell."""
        measurement = self.linked(measurement)
        assert measurement.links is not None
        own = self._axes_of(measurement, parts) / self.scale_d
        if self.by_section:
            own = np.array(own)
            for where in sections(measurement):
                spread = own[where].std(axis=0)
                own[where] = (own[where] - own[where].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        means, counts = shell_means(measurement.links, own, self.reach)
        return np.concatenate([own[:, None], means], axis=1), counts


def _matched(measurement: Measurement, parts: UR) -> np.ndarray:
    if parts.space.scale is not Scale.CELLULAR:
        raise SpaceError(f"Shells are made of states of cells, got {parts.space}. Encode the cells first.")
    if not parts.entities.index.equals(measurement.entities.index):
        raise DataError(
            [f"The states are of {len(parts)} other entities than the {len(measurement)} given. Align them."]
        )
    return parts.values


def _axes(centered: np.ndarray, width: int) -> np.ndarray:
    _, vectors = np.linalg.eigh(centered.T @ centered)
    axes = vectors[:, ::-1][:, :width]
    # The sign of an axis is arbitrary: the largest loading is positive.
    return np.ascontiguousarray(axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(width)]))
