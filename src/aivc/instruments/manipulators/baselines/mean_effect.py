"""Every perturbation does what perturbations do on average: the baseline that most deep models lose to."""

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
from aivc.instruments.manipulators.baselines.stand_in import mean_effect_of


@final
@dataclass(frozen=True, eq=False)
class MeanEffect(Manipulator):
    """The mean over perturbations (not over cells) of the mean shift; per context where that context was seen.

    Attributes:
        reads: Space it was fitted on.
        contexts: ``c`` contexts seen perturbed.
        shifts: ``(c, d)`` mean shift in each; the mean over the other contexts where one measured nothing.
        default: ``(d,)`` mean over contexts, for a context never seen perturbed.
    """

    name: ClassVar[str] = "mean-effect"
    reads: Space
    contexts: tuple[str, ...]
    shifts: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "MeanEffect":
        """Average the effects.

        Raises:
            ControlError: A context has no control.
        """
        return cls(ur.space, *effects(ur).mean_effects())

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by the mean effect in its context."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        shift_nd = mean_effect_of(ur, self.contexts, self.shifts, self.default)
        return Prediction((ur.moved(shift_nd, str(perturbation)),), (self.name,), Applicability.OUT)
