"""How the errors of answers go together, before anything is measured: what one measurement says of other answers."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from aivc.core.perturbation import Perturbation
from aivc.core.ur import UR


@runtime_checkable
class JointlyUnsure(Protocol):
    """A manipulator that can state the covariance of its errors on several perturbations."""

    def joint(self, ur: UR, perturbations: Sequence[Perturbation]) -> Float[np.ndarray, "p p"] | None:
        """Covariance of the errors of the predicted shifts, summed over axes; None where it cannot be stated.

        Args:
            ur: Control states of one context.
            perturbations: ``p`` questions.
        """
        ...
