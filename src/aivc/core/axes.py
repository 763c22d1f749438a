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
    """

    features: np.ndarray
    center: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]

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
