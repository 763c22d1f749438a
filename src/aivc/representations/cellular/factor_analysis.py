"""Factor analysis: as probabilistic PCA, but every feature and every cell has a noise of its own."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Encoder
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.ur import UR
from aivc.data.streaming.normalize import profile_units
from aivc.representations.cellular.factors import cell_posterior, fit_factors
from aivc.representations.cellular.gaussian import readings


@final
@dataclass(frozen=True, eq=False)
class FactorAnalysis(Encoder):
    """Linear-Gaussian model ``x = center + loadings z + noise`` with a variance for each feature (Rubin & Thayer 1982).

    A noisy gene says less about the state than a steady one, and counts more in principal components than it should.
    On panels that lack most genes this shows: see `benchmarks/panel_shift.py`.

    A cell that fits badly, as one of few counts does, is read with more noise: its state lies nearer to the mean, and
    its variance is larger. How badly is estimated from its own features by two rounds of expectation-maximization; half
    of the misfit, on the scale of logarithms, is taken as noise, since the axes leave out structure too.

    Axes are principal and measured in units of the noise: the squared distance of two states is that of the readings
    they predict, each feature's over its noise. Neighbours and clusters then weigh an axis by how much it tells.

    Counts of a smaller panel are scaled to the share of a cell's counts that the panel holds on average.

    Attributes:
        features: ``(f,)`` names it was fitted on.
        center: ``(f,)`` mean, in ``units``.
        loadings: ``(f, d)``.
        size: ``(d,)`` standard deviation of states a priori, the largest first.
        noise: ``(f,)`` variance of what the axes leave out, in squared ``units``.
        units: ``log1p_cpN``, or the units of data that are not counts.
    """

    name: ClassVar[str] = "factor-analysis"
    scale: ClassVar[Scale] = Scale.CELLULAR
    features: np.ndarray
    center: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]
    size: Float[np.ndarray, " d"]
    noise: Float[np.ndarray, " f"]
    units: str

    @classmethod
    def fit(
        cls, measurement: Measurement, *, dim: int = 32, seed: int = 0, units: str | None = None
    ) -> "FactorAnalysis":
        """Fit on training entities: up to 20 rounds of expectation-maximization from probabilistic PCA.

        Args:
            measurement: Counts, intensities, or values in any other units; ``observed`` is respected.
            dim: Number of axes; at most one less than features and entities.
            seed: Not used: the answer is the same for every seed.
            units: Units to work in; None means ``log1p_cpN``, N the median total of these cells.

        Raises:
            DataError: A cell without counts.
        """
        units = units or profile_units(measurement)
        return cls(measurement.features, *fit_factors(measurement, units, dim), units)

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
        z_nd, variance_nd = np.empty((2, len(measurement), self.dim))
        for rows, x_nf, here, seen in readings(measurement, self.features, self.center, self.units):
            noise_f = np.sqrt(self.noise[here])
            part_nf, w_fd = (x_nf - self.center[here]) / noise_f, self.loadings[here] * self.size / noise_f[:, None]
            mean_nd, spread_nd = cell_posterior(part_nf, seen, w_fd)
            z_nd[rows], variance_nd[rows] = mean_nd * self.size, spread_nd * self.size**2
        return UR(z_nd, self.writes, measurement.entities, variance_nd, measurement.mass)
