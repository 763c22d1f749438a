"""A whole plugin: a manipulator that believes half of the mean effect, and nanobodies as perturbations."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Manipulator
from aivc.core.effects import effects
from aivc.core.perturbation import Kind, Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR

NANOBODY = Kind("nanobody", -1, genetic=False)


@final
@dataclass(frozen=True, eq=False)
class HalfEffect(Manipulator):
    """Every perturbation does half of what perturbations do on average.

    Attributes:
        reads: Space it was fitted on.
        shift: ``(d,)`` half of the mean shift.
    """

    name: ClassVar[str] = "half-effect"
    reads: Space
    shift: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "HalfEffect":
        """Average the effects and halve them.

        Raises:
            ControlError: A context has no control.
        """
        seen = effects(ur)
        return cls(ur.space, seen.shifts.sum(axis=0) / (2 * max(len(seen), 1)))

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by the same vector; nothing was learned about any perturbation, so all lie outside."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        return Prediction((ur.moved(self.shift, str(perturbation)),), (self.name,), Applicability.OUT)
