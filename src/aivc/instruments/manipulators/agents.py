"""The vector of each agent, where agents add."""

import numpy as np
from jaxtyping import Float

from aivc.core.effects import Effects
from aivc.core.perturbation import Perturbation


def agent_vectors(
    seen: Effects, *, ridge: float = 1e-3
) -> tuple[tuple[str, ...], Float[np.ndarray, "a d"], Float[np.ndarray, " d"]]:
    """Agents, the vector of each, and the average one, which they are shrunk towards.

    Args:
        seen: One row per perturbation; at least one.
        ridge: Penalty, as a fraction of the weight of a perturbation with the mean number of cells.
    """
    given = [[str(agent) for agent in Perturbation.parse(str(text)).agents] for text in seen.perturbations]
    agents = tuple(sorted({agent for each in given for agent in each}))
    design_pa = np.array([[agent in each for agent in agents] for each in given], dtype=float)
    weight_p = seen.cells / seen.cells.mean()
    size_p = np.maximum(design_pa.sum(axis=1), 1)
    default = (seen.shifts / size_p[:, None]).mean(axis=0)
    residual_pd = seen.shifts - design_pa.sum(axis=1, keepdims=True) * default
    gram_aa = design_pa.T @ (design_pa * weight_p[:, None]) + ridge * np.eye(len(agents))
    return agents, default + np.linalg.solve(gram_aa, design_pa.T @ (residual_pd * weight_p[:, None])), default
