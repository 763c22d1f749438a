"""What a cell expresses, from what it is and what stands around it: never from the reading that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.axes import Axes
from aivc.core.contracts import Decoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.units import LOG_INTENSITY, log1p_target
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.instruments.decoders.block_ridge import evidence, fit_blocks, left_out_error
from aivc.instruments.decoders.kernel_map import KernelMap
from aivc.instruments.decoders.neighbour_blocks import (
    NEIGHBOURS,
    OWN,
    TYPE,
    Around,
    Design,
    around,
    expected_by_kind,
    hidden,
    kinds,
    laid,
    of_kind,
)

_SCALES = (4.0, 2.0, 1.0, 0.5, 0.25)
_PILOT = 150
_PENALTIES = np.geomspace(1e-3, 30.0, 10)


@final
@dataclass(frozen=True, eq=False)
class TissueExpression(Decoder):
    """Regression of each feature on the cell's type or state and on its neighbours, shell by shell.

    Neighbours enter as the mean, over each shell, of how far their state lies from what is expected of their type, and
    as the shares of types; the same feature next door, which holds spill-over and smooth staining, is a block of its
    own. Each block has a penalty of its own, which the evidence chooses (`fit_blocks`). States that are no readings
    are read along a curve: a gaussian kernel over the cell and its shells.

    The reading asked for does not leak into its own prediction. Where states are readings (full-space encoders), the
    feature itself is left out of the own state. A cell is no neighbour of itself, and one of which nothing was measured
    (infinite variance) is nobody's neighbour. Readings that are not observed are no training targets; their cells stay
    neighbours of others.

    Attributes:
        reads: Space it was fitted on.
        features: ``(f,)`` names.
        own: What of the cell itself is used: ``state``, ``type`` (column ``cell_type``), ``both`` or ``nothing``.
        neighbours: What of the neighbours: ``all``, ``same`` (only the feature itself), ``others`` (all but it and the
            types), ``none``.
        reach: Number of shells.
        types: ``(c,)`` names of the types; none where types are not used.
        expected: ``(c + 1, d)`` state expected of each type, that of all cells last.
        typical: ``(c + 1, f)`` reading expected of each type.
        axis: ``(f,)`` the axis of the state that is the feature itself; -1 where none is.
        landmarks: ``(m, e)`` of the curve; none where there is no curve.
        whiten: ``(m, r)`` of the curve.
        size: Of the curve.
        center: ``(k, p)`` means of the columns; one row where all features share them.
        slopes: ``(f, p)`` per unit of each column.
        intercepts: ``(f,)``.
        noise: ``(f,)`` variance of an error.
        units: Of the readings.
        modality: Of the measurement it was fitted on.
        seed: Of the draws.
    """

    name: ClassVar[str] = "tissue-expression"
    uses_axes: ClassVar[bool] = True
    reads: Space
    features: np.ndarray
    own: str
    neighbours: str
    reach: int
    types: np.ndarray
    expected: Float[np.ndarray, "kinds d"]
    typical: Float[np.ndarray, "kinds f"]
    axis: np.ndarray
    landmarks: Float[np.ndarray, "m e"]
    whiten: Float[np.ndarray, "m r"]
    size: float
    center: Float[np.ndarray, "k p"]
    slopes: Float[np.ndarray, "f p"]
    intercepts: Float[np.ndarray, " f"]
    noise: Float[np.ndarray, " f"]
    units: str
    modality: str
    seed: int

    @classmethod
    def fit(  # noqa: PLR0913 - one keyword for each thing a reading may be made from
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        axes: Axes | None = None,
        own: str = "state",
        neighbours: str = "all",
        reach: int = 3,
        landmarks: int = 300,
        groups: Sequence[object] | np.ndarray | None = None,
        source: Float[np.ndarray, "n d"] | None = None,
    ) -> "TissueExpression":
        """Fit on cells with links.

        Args:
            ur: All cells of the sections, those not trained on too: they are neighbours.
            measurement: What was read from them. Only rows that are observed are fitted.
            seed: Draws the landmarks, and is that of the draws.
            units: Of the readings; None means ``log1p_cpN``, or the units of what are no counts.
            axes: Those that the states are projections on; where they are the features themselves, each feature knows
                which axis it is.
            own: See above.
            neighbours: See above.
            reach: Number of shells.
            landmarks: Of the curve; 0 for straight lines.
            groups: ``(n,)`` labels of what is left out together, to choose the penalty of the curve; None takes the
                evidence.
            source: States that neighbours are seen in, such as `shuffled_within`; those of ``ur`` by default.

        Raises:
            DataError: Nothing is observed, types are asked for and not there, or no axis is the feature itself where
                only that of the neighbours is asked for.
        """
        measurement.require_table(cls.name)
        rows = _observed(measurement)
        if problems := _problems(ur, measurement, rows, own, neighbours, groups):
            raise DataError(problems)
        units = units or profile_units(measurement)
        y_nf = normalize(measurement, units).dense()[rows]
        named = sorted(set(ur.entities[TYPE].iloc[rows].astype(str))) if own in ("type", "both") else []
        types = np.array(named, dtype=object)
        kind_nc = kinds(ur, types)
        seen = rows[~hidden(ur)[rows]]
        expected = expected_by_kind(kind_nc[seen], ur.values[seen])
        typical = expected_by_kind(kind_nc[rows], y_nf)
        axis = _axis_of(measurement.features, axes)
        if neighbours == "same" and (axis < 0).all():
            raise DataError(["No axis of the state is a feature itself. Encode with full-space, and pass its axes."])
        whole = around(ur, kind_nc, expected, reach, ur.values if source is None else source)
        given, left_nf = _rows(whole, rows), y_nf - of_kind(kind_nc[rows], typical)
        group_n = None if groups is None else np.asarray([str(each) for each in groups])[rows]
        curve = KernelMap("linear", 1.0, np.zeros((0, 0)), np.zeros((0, 0)))
        if landmarks and (axis < 0).all() and (own != "type" or neighbours != "none"):
            curve = _curve(laid(given, own, neighbours), left_nf, group_n, landmarks, seed)
        parts = _fit(Design(own, neighbours, axis, typical, curve), given, left_nf, group_n)
        return cls(
            ur.space, measurement.features, own, neighbours, reach, types, expected, typical, axis,
            curve.landmarks, curve.whiten, curve.size, *parts, units, measurement.modality, seed,
        )  # fmt: skip

    def expect(
        self, ur: UR, source: Float[np.ndarray, "n d"] | None = None
    ) -> tuple[Float[np.ndarray, "n f"], Float[np.ndarray, " f"]]:
        """``(n, f)`` expected readings, and ``(f,)`` the standard deviation of their errors.

        Args:
            ur: Cells with links.
            source: States that neighbours are seen in; those of ``ur`` by default.

        Raises:
            SpaceError: ``ur`` lives in another space.
            DataError: Types are used, and the column ``cell_type`` is absent.
        """
        self.reads.require(ur.space, self.name)
        if len(self.types) and TYPE not in ur.entities:
            raise DataError([f"{self.name} was fitted with the column {TYPE}. Add it to the entities."])
        kind_nc = kinds(ur, self.types)
        given = around(ur, kind_nc, self.expected, self.reach, ur.values if source is None else source)
        kernel = "gaussian" if len(self.landmarks) else "linear"
        curve = KernelMap(kernel, self.size, self.landmarks, self.whiten)
        design = Design(self.own, self.neighbours, self.axis, self.typical, curve)
        read_nf = of_kind(kind_nc, self.typical) + self.intercepts
        for place, (blocks, features) in enumerate(design.blocks(given)):
            read_nf[:, features] += (np.concatenate(blocks, axis=1) - self.center[place]) @ self.slopes[features].T
        return read_nf, np.sqrt(self.noise)

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Read cells out: one draw around what is expected of each, and the expected mean profile.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        mean_nf, deviation_f = self.expect(ur)
        never_negative = log1p_target(self.units) is not None or self.units == LOG_INTENSITY
        values = mean_nf + np.random.default_rng(self.seed).standard_normal(mean_nf.shape) * deviation_f
        values = np.maximum(values, 0.0) if never_negative else values
        read = Measurement(values, self.features, ur.entities, self.units, self.modality, ur.space.scale)
        profile = ur.mass @ mean_nf / ur.mass.sum()
        least = 0.0 if never_negative else None
        return Prediction((read,), (self.name,), Applicability.IN, profile[None], self.units, least=least)


def _observed(measurement: Measurement) -> np.ndarray:
    seen = measurement.observed
    if seen is None or seen.ndim == 1:
        return np.arange(len(measurement))
    return np.flatnonzero(seen.all(axis=1))


def _problems(
    ur: UR,
    measurement: Measurement,
    rows: np.ndarray,
    own: str,
    neighbours: str,
    groups: Sequence[object] | np.ndarray | None,
) -> list[str]:
    found = []
    if own not in OWN or neighbours not in NEIGHBOURS:
        found.append(
            f"own is one of {', '.join(OWN)}, and neighbours one of {', '.join(NEIGHBOURS)}; got "
            f"{own} and {neighbours}."
        )
    if len(ur) != len(measurement):
        found.append(f"{len(ur)} states need as many readings, got {len(measurement)}. Align them.")
    elif len(rows) < 2:
        found.append(
            f"A fit takes cells of which every feature was observed: two at least, got {len(rows)}. Select features "
            "that were read together."
        )
    elif groups is not None and (len(groups) != len(ur) or len({str(groups[row]) for row in rows}) < 2):
        found.append("Groups are one label per cell, and those observed are of two groups at least. Give other groups.")
    if own in ("type", "both") and TYPE not in ur.entities:
        found.append(f"own={own!r} reads the column {TYPE}, which is absent. Add it, or ask for own='state'.")
    return found


def _axis_of(features: np.ndarray, axes: Axes | None) -> np.ndarray:
    if axes is None or not axes.identity:
        return np.full(len(features), -1)
    place = {name: i for i, name in enumerate(axes.features)}
    return np.array([place.get(name, -1) for name in features])


def _rows(whole: Around, rows: np.ndarray) -> Around:
    return Around(*(part[rows] for part in whole))


def _curve(
    laid_ne: np.ndarray, left_nf: np.ndarray, group_n: np.ndarray | None, landmarks: int, seed: int
) -> KernelMap:
    """Choose how local the kernel is, on a few landmarks."""
    few = min(landmarks, _PILOT)
    tried = [KernelMap.fit(laid_ne, "gaussian", landmarks=few, seed=seed, scale=scale) for scale in _SCALES]
    if group_n is None:
        worth = [evidence(each(laid_ne), left_nf) for each in tried]
    else:
        z_nf = (left_nf - left_nf.mean(axis=0)) / np.maximum(left_nf.std(axis=0), 1e-12)
        worth = [-left_out_error(each(laid_ne), z_nf, group_n, _PENALTIES).min() for each in tried]
    best = _SCALES[int(np.argmax(worth))]
    return KernelMap.fit(laid_ne, "gaussian", landmarks=landmarks, seed=seed, scale=best)


def _fit(
    design: Design, given: Around, left_nf: np.ndarray, group_n: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centers ``(k, p)``, slopes ``(f, p)``, intercepts and noise ``(f,)``."""
    fits = []
    for blocks, features in design.blocks(given):
        block_p = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
        fits.append(fit_blocks(np.concatenate(blocks, axis=1), block_p, left_nf[:, features], group_n))
    return (
        np.array([each.center for each in fits]),
        np.concatenate([each.slopes.T for each in fits]),
        np.concatenate([each.intercepts for each in fits]),
        np.concatenate([each.noise for each in fits]),
    )
