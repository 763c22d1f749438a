"""Orthonormal axes that lead from a state back to what was read, exactly."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float


@final
@dataclass(frozen=True, eq=False)
class Axes:
    """States ``z = (x - center) @ loadings`` of readings ``x``, and the way back, ``x = center + loadings @ z``.

    Attributes:
        features: ``(f,)`` names.
        center: ``(f,)`` reading at the origin of the states.
        loadings: ``(f, d)`` orthonormal axes. ``(f, 0)`` stands for the identity: one axis for each feature, ``f`` of
            them, without a matrix of their square.
        laid: How many of the axes, the last ones, were laid along the very mean profiles that states are made from: all
            of a profile's sampling noise beside the others lies in these.
    """

    features: np.ndarray
    center: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]
    laid: int = 0

    @property
    def identity(self) -> bool:
        """Whether the state is the reading itself, less its center."""
        return self.loadings.shape[1] == 0

    def reading(self, values: np.ndarray) -> np.ndarray:
        """Return the reading ``(…, f)`` of states ``(…, d)``."""
        return self.center + (values if self.identity else values @ self.loadings.T)

    def variance(self, variance: np.ndarray) -> np.ndarray:
        """Return the variance ``(…, d)`` of states, from that of independent readings ``(…, f)``."""
        return variance if self.identity else np.asarray(variance @ self.loadings**2)

    def caught(self, variance: np.ndarray, along: np.ndarray) -> np.ndarray:
        """Raise the variance along laid axes to what there is beside the others.

        Args:
            variance: ``(n, f)`` of readings.
            along: ``(n, d)`` of states whose readings had no part in the axes.
        """
        free = along.shape[1] - self.laid
        if not self.laid:
            return along
        beside_n = np.maximum(variance.sum(axis=1) - along[:, :free].sum(axis=1), 0.0)
        inside_n = np.maximum(along[:, free:].sum(axis=1), 1e-300)
        raised = np.array(along)
        raised[:, free:] *= np.maximum(beside_n / inside_n, 1.0)[:, None]
        return raised
