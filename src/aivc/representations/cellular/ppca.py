"""Probabilistic PCA: a closed-form posterior, so a feature that was not measured widens it instead of becoming zero."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Encoder
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.ur import UR
from aivc.data.streaming.normalize import profile_units
from aivc.representations.cellular.gaussian import fit_linear, posterior, readings


@final
@dataclass(frozen=True, eq=False)
class PPCA(Encoder):
    """Linear-Gaussian model ``x = center + loadings z + noise`` (Tipping & Bishop 1999, equations 4 and 6).

    Counts of a smaller panel are scaled to the share of a cell's counts that the panel holds on average, so that a
    feature left out does not make the others look higher.

    Attributes:
        features: ``(f,)`` names it was fitted on.
        center: ``(f,)`` mean, in ``units``.
        loadings: ``(f, d)``; states are standard normal a priori.
        noise: Variance of what the axes leave out, per feature, in squared ``units``.
        units: ``log1p_cpN``, or the units of data that are not counts.
    """

    name: ClassVar[str] = "ppca"
    scale: ClassVar[Scale] = Scale.CELLULAR
    features: np.ndarray
    center: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]
    noise: float
    units: str

    @classmethod
    def fit(cls, measurement: Measurement, *, dim: int = 32, seed: int = 0, units: str | None = None) -> "PPCA":
        """Fit on training entities: the closed-form maximum of the likelihood, or EM where something is missing.

        Args:
            measurement: Counts, intensities, or values in any other units; ``observed`` is respected.
            dim: Number of axes; at most one less than features and entities.
            seed: Not used: the answer is the same for every seed.
            units: Units to work in; None means ``log1p_cpN``, N the median total of these cells.

        Raises:
            DataError: A cell without counts.
        """
        units = units or profile_units(measurement)
        return cls(measurement.features, *fit_linear(measurement, units, dim), units)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self.loadings.shape[1])

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Posterior mean and variance of each state, from whichever features were measured.

        Raises:
            UnitsError: The units cannot be brought to those of the fit.
            UnknownNameError: None of the features of the fit are present.
        """
        z_nd, variance_nd = np.empty((len(measurement), self.dim)), np.empty((len(measurement), self.dim))
        for rows, x_nf, here, seen in readings(measurement, self.features, self.center, self.units):
            z_nd[rows], variance_nd[rows] = posterior(x_nf - self.center[here], seen, self.loadings[here], self.noise)
        return UR(z_nd, self.writes, measurement.entities, variance_nd, measurement.mass)
