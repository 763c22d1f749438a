"""What a context makes of any agent, plus what each agent does everywhere: hard to beat, easy to read."""

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
from aivc.instruments.manipulators.baselines.sums import fit_sums


@final
@dataclass(frozen=True, eq=False)
class Additive(Manipulator):
    """Two-way ridge regression of effects: for each agent, an offset of the context and a vector of its own.

    Agents add, contexts and agents too. An agent never seen has the offset alone, which is what an average agent does.

    Attributes:
        reads: Space it was fitted on.
        agents: ``a`` agents, as text.
        shifts: ``(a, d)`` what each adds to the offset, in every context.
        contexts: ``c`` contexts seen perturbed.
        offsets: ``(c, d)`` effect of an average agent in each.
        default: ``(d,)`` mean of the offsets, for a context never seen perturbed.
    """

    name: ClassVar[str] = "additive"
    reads: Space
    agents: tuple[str, ...]
    shifts: Float[np.ndarray, "a d"]
    contexts: tuple[str, ...]
    offsets: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0, ridge: float | None = None) -> "Additive":
        """Solve for one offset per context and one vector per agent.

        Args:
            ur: Perturbed and control states.
            parts: Not used.
            seed: Not used.
            ridge: Penalty on the vectors, as a fraction of the weight of an effect with the mean number of cells; None
                takes the one with the smallest error on effects left out.

        Raises:
            ControlError: A context has no control.
        """
        seen, none = effects(ur), np.zeros((0, ur.space.dim))
        acted = np.array([bool(each.agents) for each in seen.parsed], dtype=bool)
        if not acted.any():
            return cls(ur.space, (), none, (), none, np.zeros(ur.space.dim))
        found = fit_sums(seen.take(acted), ridge=ridge)
        return cls(ur.space, found.agents, found.vectors, found.contexts, found.offsets, found.offsets.mean(axis=0))

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Add offsets and vectors of the agents."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        place = {agent: i for i, agent in enumerate(self.agents)}
        known = [place[str(agent)] for agent in perturbation.agents if str(agent) in place]
        offset_nd = mean_effect_of(ur, self.contexts, self.offsets, self.default)
        shift_nd = len(perturbation.agents) * offset_nd + self.shifts[known].sum(axis=0)
        every = bool(known) and len(known) == len(perturbation.agents)
        verdict = Applicability.IN if every else Applicability.EDGE if known else Applicability.OUT
        return Prediction((ur.moved(shift_nd, str(perturbation)),), (self.name,), verdict)
