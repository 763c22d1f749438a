"""The same perturbation does here what it did elsewhere: the bar for a new context."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Manipulator
from aivc.core.effects import effects
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR


@final
@dataclass(frozen=True, eq=False)
class Transfer(Manipulator):
    """Mean shift of the same perturbation over the contexts it was measured in, weighted by cells.

    A perturbation measured nowhere gets the mean effect, and is said to lie outside.

    Attributes:
        reads: Space it was fitted on.
        perturbations: ``p`` texts.
        shifts: ``(p, d)`` shift of each.
        default: ``(d,)`` mean over perturbations.
    """

    name: ClassVar[str] = "transfer"
    reads: Space
    perturbations: tuple[str, ...]
    shifts: Float[np.ndarray, "p d"]
    default: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "Transfer":
        """Tabulate the effects.

        Raises:
            ControlError: A context has no control.
        """
        seen = effects(ur).by_perturbation()
        default = seen.shifts.mean(axis=0) if len(seen) else np.zeros(ur.space.dim)
        return cls(ur.space, tuple(map(str, seen.perturbations)), seen.shifts, default)

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by what the perturbation did elsewhere."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        text = str(perturbation)
        known = text in self.perturbations
        shift = self.shifts[self.perturbations.index(text)] if known else self.default
        told = Applicability.IN if known else Applicability.OUT
        return Prediction((ur.moved(shift, text),), (self.name,), told)
