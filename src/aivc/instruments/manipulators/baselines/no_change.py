"""Nothing happens: the first baseline, and a hard one where most perturbations do little."""

from dataclasses import dataclass
from typing import ClassVar, final

from aivc.core.contracts import Manipulator
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR


@final
@dataclass(frozen=True, eq=False)
class NoChange(Manipulator):
    """Return the control states.

    Attributes:
        reads: Space it was fitted on.
    """

    name: ClassVar[str] = "no-change"
    reads: Space

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "NoChange":
        """Remember the space."""
        return cls(ur.space)

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Return the states as they are, relabelled."""
        self.reads.require(ur.space, self.name)
        verdict = Applicability.IN if perturbation.is_control else Applicability.OUT
        return Prediction((ur.moved(ur.values[0] * 0, str(perturbation)),), (self.name,), verdict)
