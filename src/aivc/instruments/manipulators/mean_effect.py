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


@final
@dataclass(frozen=True, eq=False)
class MeanEffect(Manipulator):
    """The mean over perturbations (not over cells) of the mean shift; per context where that context was seen.

    Attributes:
        reads: Space it was fitted on.
        contexts: ``c`` contexts seen perturbed.
        shifts: ``(c, d)`` mean shift in each.
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
        seen = effects(ur)
        contexts = tuple(sorted(set(map(str, seen.contexts))))
        shifts = [seen.shifts[seen.contexts == context].mean(axis=0) for context in contexts]
        shifts_cd = np.array(shifts).reshape(len(contexts), ur.space.dim)
        return cls(ur.space, contexts, shifts_cd, shifts_cd.mean(axis=0) if contexts else np.zeros(ur.space.dim))

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by the mean effect in its context."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        table = dict(zip(self.contexts, self.shifts, strict=True))
        shift_nd = np.array([table.get(str(context), self.default) for context in ur.contexts])
        return Prediction((ur.moved(shift_nd, str(perturbation)),), (self.name,), Applicability.OUT)
