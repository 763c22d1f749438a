"""The same perturbation does here what it did in other contexts: the bar for a new context."""

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
from aivc.instruments.manipulators.baselines.stand_in import filled, gaps, mean_effect_of


@final
@dataclass(frozen=True, eq=False)
class Transfer(Manipulator):
    """Mean shift of the same perturbation over the contexts it was measured in, weighted by cells.

    Where it was measured nowhere, the mean effect of the context stands in, on the axes concerned; a perturbation
    without any measurement is said to lie outside.

    Attributes:
        reads: Space it was fitted on.
        perturbations: ``p`` texts.
        shifts: ``(p, d)`` shift of each, NaN where it was measured nowhere.
        contexts: ``c`` contexts seen perturbed.
        means: ``(c, d)`` mean effect in each.
        default: ``(d,)`` mean over contexts.
    """

    name: ClassVar[str] = "transfer"
    reads: Space
    perturbations: tuple[str, ...]
    shifts: Float[np.ndarray, "p d"]
    contexts: tuple[str, ...]
    means: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "Transfer":
        """Tabulate the effects.

        Raises:
            ControlError: A context has no control.
        """
        measured = effects(ur)
        seen = measured.by_perturbation()
        return cls(ur.space, tuple(map(str, seen.perturbations)), gaps(seen), *measured.mean_effects())

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by what the perturbation did in other contexts."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        text, shift_nd = str(perturbation), mean_effect_of(ur, self.contexts, self.means, self.default)
        known = text in self.perturbations
        if known:
            shift_nd = filled(self.shifts[self.perturbations.index(text)], shift_nd)
        verdict = Applicability.IN if known else Applicability.OUT
        return Prediction((ur.moved(shift_nd, text),), (self.name,), verdict)
