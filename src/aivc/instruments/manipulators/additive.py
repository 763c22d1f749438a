"""Each agent shifts the state by its own vector, and agents add: hard to beat on combinations, easy to read."""

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
from aivc.instruments.manipulators.agents import agent_vectors


@final
@dataclass(frozen=True, eq=False)
class Additive(Manipulator):
    """Ridge regression of mean shifts on agents.

    Attributes:
        reads: Space it was fitted on.
        agents: ``a`` agents, as text.
        shifts: ``(a, d)`` displacement per agent.
        default: ``(d,)`` displacement of an agent never seen: the average one.
    """

    name: ClassVar[str] = "additive"
    reads: Space
    agents: tuple[str, ...]
    shifts: Float[np.ndarray, "a d"]
    default: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0, ridge: float = 1e-3) -> "Additive":
        """Solve for one vector per agent, shrunk towards the average vector.

        Args:
            ur: Perturbed and control states.
            parts: Not used.
            seed: Not used.
            ridge: Penalty, as a fraction of the weight of a perturbation with the mean number of cells.

        Raises:
            ControlError: A context has no control.
        """
        seen = effects(ur).by_perturbation()
        if not len(seen):
            return cls(ur.space, (), np.zeros((0, ur.space.dim)), np.zeros(ur.space.dim))
        return cls(ur.space, *agent_vectors(seen, ridge=ridge))

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Add the vectors of the agents."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        known = [str(agent) in self.agents for agent in perturbation.agents]
        vectors = [
            self.shifts[self.agents.index(str(agent))] if seen else self.default
            for agent, seen in zip(perturbation.agents, known, strict=True)
        ]
        told = Applicability.IN if known and all(known) else Applicability.EDGE if any(known) else Applicability.OUT
        shift = np.sum(vectors, axis=0) if vectors else np.zeros(self.reads.dim)
        return Prediction((ur.moved(shift, str(perturbation)),), (self.name,), told)
