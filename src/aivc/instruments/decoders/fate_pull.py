"""Which later states a state could have become: rows of a transport plan, extended to states that it never saw."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from aivc.nn.transport import PlanSettings, couple, squared_distances

# Of the mass: fates change by less than resampling moves them.
_TOLERANCE = 1e-2
# A weight that no draw took: no mass goes there.
NOWHERE = -1e30


class Pull(NamedTuple):
    """One entropic plan between two times, as potentials of the later cells.

    Attributes:
        potential: ``(m,)`` of the later cells, with the logarithm of their weight.
        blur: What squared distances are divided by: ``epsilon`` times their mean.
        axes: How many leading axes distances are measured on.
    """

    potential: Float[np.ndarray, " m"]
    blur: float
    axes: int


def fit_pull(x_nd: np.ndarray, y_md: np.ndarray, weight_m: np.ndarray, *, epsilon: float, axes: int) -> Pull:
    """Plan that takes all earlier cells to all later ones (balanced; Cuturi 2013).

    Args:
        x_nd: Earlier states, each of the same weight.
        y_md: Later states.
        weight_m: Of the later states; those of zero are left out.
        epsilon: Blur, in mean squared distances.
        axes: Number of leading axes.

    Raises:
        ConvergenceError: The plan is not right within a hundredth of the mass.
    """
    used = np.flatnonzero(weight_m > 0)
    start_nd, end_md = (torch.from_numpy(np.ascontiguousarray(z[:, :axes], np.float64)) for z in (x_nd, y_md[used]))
    settings = PlanSettings(epsilon=epsilon, tolerance=_TOLERANCE)
    plan = couple(start_nd, end_md, settings, weight_m=torch.from_numpy(weight_m[used].astype(np.float64)))
    potential_m = np.full(len(y_md), NOWHERE)
    potential_m[used] = (plan.g_m + plan.log_m).numpy()
    return Pull(potential_m, float(plan.unit), axes)


def masses(pull: Pull, x_nd: np.ndarray, y_md: np.ndarray, label_mc: np.ndarray) -> Float[np.ndarray, "n c"]:
    """``(n, c)`` share of the mass of each state that goes to later cells of each class; rows sum to one at most.

    Args:
        pull: The plan.
        x_nd: States at the earlier time, those of the plan or others.
        y_md: Later states of the plan.
        label_mc: Classes of the later states; a row of zeros is of none of them.
    """
    log_nm = pull.potential - _distances(x_nd[:, : pull.axes], y_md[:, : pull.axes]) / pull.blur
    row_nm = np.exp(log_nm - log_nm.max(axis=1, keepdims=True))
    return np.asarray((row_nm / row_nm.sum(axis=1, keepdims=True)) @ label_mc)


def _distances(x_nd: np.ndarray, y_md: np.ndarray) -> np.ndarray:
    return np.asarray(squared_distances(*(torch.from_numpy(np.ascontiguousarray(a, np.float64)) for a in (x_nd, y_md))))
