"""Principal axes of log-normalized counts: the linear baseline that every cell encoder has to beat."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Encoder
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.ur import UR
from aivc.data.streaming.normalize import profile_units
from aivc.representations.cellular.principal import principal_axes, project


@final
@dataclass(frozen=True, eq=False)
class CountPCA(Encoder):
    """PCA of ``log1p(count * N / total)``.

    It states no posterior variance and therefore refuses a panel that lacks one of its features, or did not observe
    it everywhere; ``ppca`` takes any. Totals are over its own features, so that others cannot change an answer.

    Attributes:
        features: ``(f,)`` names it was fitted on.
        center: ``(f,)`` mean, in ``units``; zero for tables of effects, whose origin is the control.
        loadings: ``(f, d)`` orthonormal axes; each axis' largest loading is positive.
        units: ``log1p_cpN``, or the units of data that are not counts.
    """

    name: ClassVar[str] = "count-pca"
    scale: ClassVar[Scale] = Scale.CELLULAR
    features: np.ndarray
    center: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]
    units: str

    @classmethod
    def fit(cls, measurement: Measurement, *, dim: int = 32, seed: int = 0, units: str | None = None) -> "CountPCA":
        """Fit on training cells.

        Args:
            measurement: Counts, intensities, or values in any other units, taken as they are.
            dim: Number of axes; fewer are kept where the data have fewer.
            seed: Starting vector of the iterative solver, used above 2,000 features.
            units: Units to work in; None means ``log1p_cpN``, N the median total of these cells.

        Raises:
            DataError: A cell without counts, or a feature that was observed in some entities only.
        """
        units = units or profile_units(measurement)
        return cls(*principal_axes(measurement, units, dim, seed, cls.name), units)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self.loadings.shape[1])

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Project cells onto the axes; features are matched by name, and others are ignored.

        Raises:
            UnitsError: The units cannot be brought to those of the fit.
            UnknownNameError: A feature of the fit is missing, or was not observed.
        """
        z_nd = project(measurement, self.features, self.center, self.loadings, self.units, self.name)
        return UR(z_nd, self.writes, measurement.entities, None, measurement.mass)
