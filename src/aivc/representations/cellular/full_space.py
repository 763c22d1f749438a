"""Nothing measured is lost: every feature of a table of effects, and every axis of effects that cells carry."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.axes import Axes
from aivc.core.contracts import Encoder
from aivc.core.errors import UnknownNameError
from aivc.core.matching import matched_columns
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.units import is_effect
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.streaming.stream import pseudobulk
from aivc.representations.cellular.effect_axes import effect_axes
from aivc.representations.cellular.principal import principal_axes, project

_MOST = 512


@final
@dataclass(frozen=True, eq=False)
class FullSpace(Encoder):
    """The identity for tables of effects; for cells, principal axes and all axes of effects beside them.

    A table's state is its row: a feature that was not measured is 0 with infinite variance, one that was has none, and
    where everything was measured no variance is stated. Any panel with one of its features is read.

    Cells lie on ``dim`` principal axes, those of ``count-pca``, and on orthonormal axes of the effects of their mean
    profiles and of the differences between contexts' controls, up to their rank and at most 512. Every combination of
    training effects is encoded, and read out again, without loss. Panels that lack a feature are refused.

    Attributes:
        features: ``(f,)`` names it was fitted on.
        center: ``(f,)`` mean of the cells, in ``units``; zero for tables, whose origin is the control.
        loadings: ``(f, d)`` orthonormal axes, principal ones first; ``(f, 0)`` for the identity.
        units: ``log1p_cpN``, or the units of data that are not counts.
        principal: How many axes are principal ones; 0 for the identity.
    """

    name: ClassVar[str] = "full-space"
    scale: ClassVar[Scale] = Scale.CELLULAR
    uses_profiles: ClassVar[bool] = True
    features: np.ndarray
    center: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]
    units: str
    principal: int

    @classmethod
    def fit(
        cls,
        measurement: Measurement,
        *,
        dim: int = 32,
        seed: int = 0,
        units: str | None = None,
        profiles: Measurement | None = None,
    ) -> "FullSpace":
        """Fit on training entities.

        Args:
            measurement: A table of effects, or cells in any other units.
            dim: Number of principal axes; a table needs none.
            seed: Starting vector of iterative solvers.
            units: Units to work in; None means ``log1p_cpN``, N the median total of these cells.
            profiles: Mean profiles of contexts, batches and perturbations, in ``units``, whose effects the axes hold;
                None takes those of the cells given.

        Raises:
            DataError: A cell without counts, or a feature that was observed in some cells only.
        """
        measurement.require_table(cls.name)
        units = units or profile_units(measurement)
        if is_effect(units):
            names = measurement.features
            return cls(names, np.zeros(len(names)), np.zeros((len(names), 0)), units, 0)
        features, center, loadings = principal_axes(measurement, units, dim, seed, cls.name)
        means = _profiles(measurement, features, units) if profiles is None else profiles
        means = means if np.array_equal(means.features, features) else means.select(features)
        beside = effect_axes(means, center, loadings, most=_MOST, seed=seed)
        both = np.ascontiguousarray(np.hstack([loadings, beside]))
        return cls(features, center, both, units, loadings.shape[1])

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.features) if self.projection.identity else int(self.loadings.shape[1])

    @property
    def projection(self) -> Axes:
        """Its axes, which lead back to what was read."""
        laid = max(self.loadings.shape[1] - self.principal, 0)
        return Axes(self.features, self.center, self.loadings, laid)

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Represent entities; features are matched by name, and others are ignored.

        Raises:
            UnitsError: The units cannot be brought to those of the fit.
            UnknownNameError: None of the features of a table is present; or one of cells is missing or unobserved.
        """
        if self.projection.identity:
            values, variance = _rows(measurement, self.features, self.units)
        else:
            values = project(measurement, self.features, self.center, self.loadings, self.units, self.name)
            variance = None
        return UR(values, self.writes, measurement.entities, variance, measurement.mass)


def _profiles(measurement: Measurement, features: np.ndarray, units: str) -> Measurement:
    """Mean profiles of the groups that effects are measured by."""
    by = ["context", "perturbation", *(["batch"] if "batch" in measurement.entities else [])]
    by += matched_columns(measurement.entities)
    return pseudobulk(measurement.replace(observed=np.isin(measurement.features, features)), by, units=units)


def _rows(measurement: Measurement, features: np.ndarray, units: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Values ``(n, f)``, 0 where nothing was measured, and variance, infinite there; None if all was measured."""
    measurement.require_table(FullSpace.name)
    measurement = normalize(measurement, units)
    x_nf = measurement.dense()
    seen_nf = np.isfinite(x_nf)
    if measurement.observed is not None:
        seen_nf &= measurement.observed
    if not np.array_equal(measurement.features, features):
        x_nf, seen_nf = _matched(x_nf, seen_nf, measurement.features, features)
    if seen_nf.all():
        return x_nf, None
    return np.where(seen_nf, x_nf, 0.0), np.where(seen_nf, 0.0, np.inf)


def _matched(
    x_nf: np.ndarray, seen_nf: np.ndarray, given: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the features wanted, in their order; those that were not given were not measured."""
    place = {name: i for i, name in enumerate(given)}
    columns = np.array([place.get(name, -1) for name in wanted])
    if (columns < 0).all():
        remedy = "full-space reads tables that share a feature with the one it was fitted on."
        raise UnknownNameError("feature", str(wanted[0]), map(str, given), remedy)
    return x_nf[:, columns], seen_nf[:, columns] & (columns >= 0)
