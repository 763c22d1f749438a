"""Where a perturbation lies in molecular space: the sum over its agents, signed by what they do to their targets."""

from functools import lru_cache

import numpy as np

from aivc.core.perturbation import Agent, Perturbation, kind_of


@lru_cache(maxsize=8)
def index_of(names: tuple[str, ...]) -> dict[str, int]:
    """Row of each name. Members of an ensemble share their priors, so the same index is asked for many times."""
    return {name: i for i, name in enumerate(names)}


def locate(perturbation: Perturbation, index: dict[str, int], values: np.ndarray) -> np.ndarray | None:
    """Return the ``(m,)`` molecular position of a perturbation, or None where nothing is known of any target.

    Args:
        perturbation: Genetic agents are looked up by gene, others by target.
        index: Row of each name in ``values``.
        values: ``(g, m)`` molecular states.
    """
    known = [agent for agent in perturbation.agents if _name(agent) in index]
    if not known:
        return None
    return np.asarray(np.sum([(agent.direction or 1) * values[index[_name(agent)]] for agent in known], axis=0))


def _name(agent: Agent) -> str:
    return agent.target.split(":")[0] if kind_of(agent.kind).genetic else agent.target


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Scale rows to length one; rows of zeros stay."""
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.asarray(values / np.where(length > 0, length, 1.0))
