"""Where a perturbation lies in molecular space: the sum over its agents, signed by what they do to their targets."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.ur import UR
from aivc.instruments.manipulators.baselines.stand_in import filled


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
    known = [agent for agent in perturbation.agents if agent.molecule in index]
    if not known:
        return None
    return np.asarray(np.sum([(agent.direction or 1) * values[index[agent.molecule]] for agent in known], axis=0))


def shifted(
    name: str,
    ur: UR,
    perturbation: Perturbation,
    instead_nd: np.ndarray,
    shift_of: Callable[[Perturbation], tuple[np.ndarray | None, Applicability]],
) -> Prediction[UR]:
    """Shift every state by what is predicted of a perturbation; by something else where nothing is; control by nothing.

    Args:
        name: Of the manipulator.
        ur: States.
        perturbation: What is done.
        instead_nd: ``(n, d)`` shift where nothing is predicted.
        shift_of: Says the shift ``(d,)``, NaN where it is not known, and whether the perturbation lies near others.
    """
    if perturbation.is_control:
        return Prediction((ur,), (name,), Applicability.IN)
    shift_d, verdict = shift_of(perturbation)
    shift_nd = instead_nd if shift_d is None else filled(shift_d, instead_nd)
    return Prediction((ur.moved(shift_nd, str(perturbation)),), (name,), verdict)


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Scale rows to length one; rows of zeros stay."""
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.asarray(values / np.where(length > 0, length, 1.0))
