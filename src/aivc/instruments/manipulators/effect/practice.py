"""Learn how much each component carries: hide rows as the questions will be, and make the error there the smallest.

For hidden rows ``h`` and given rows ``t`` the answer is ``W Y_t`` with ``W = K_ht V_tt^-1``, the same weights for every
feature, so the squared error needs no more than inner products of the rows:
``tr(Y_h Y_h') - 2 tr(W S_th) + tr(W S_tt W')``. Its gradient costs one factorization, whatever the components.
What a hidden row shares with a given one by their common control alone is no response, and is taken out of ``S_th``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve

# Logarithms of variances move this far from where they start, down and up.
_DOWN, _UP, _STEPS = 10.0, 7.0, 15
# Of a squared step in a logarithm: few rows move little, since their error is itself a guess.
_COST = 200.0


class Task(NamedTuple):
    """One hiding, of one stratum of the features.

    Attributes:
        given: ``(k, t, t)`` covariance of the given rows, by component.
        across: ``(k, h, t)`` of the hidden with the given rows.
        noise: ``(t, t)`` known noise of the given rows.
        gram: ``(t, t)`` inner products of the given rows.
        target: ``(h, t)`` inner products of the hidden with the given rows, without shared noise.
        size: Sum of squares of the hidden rows.
    """

    given: Float[np.ndarray, "k t t"]
    across: Float[np.ndarray, "k h t"]
    noise: Float[np.ndarray, "t t"]
    gram: Float[np.ndarray, "t t"]
    target: Float[np.ndarray, "h t"]
    size: float


def learn(tasks: Sequence[Task], start: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Variances of the components, and last of what each row has to itself, with the smallest error on hidden rows.

    Args:
        tasks: At least one.
        start: ``(k,)`` variances to start from, positive.
    """
    # Slow to import, and a fitted cell does not need it.
    from scipy.optimize import minimize

    hidden = sum(len(task.target) for task in tasks)
    # In units of one hidden row, so that the search does not stop where gains are small beside what no one can know.
    size = max(sum(task.size for task in tasks), 1e-300) / max(hidden, 1)
    begin, cost = np.log(start), _COST / max(hidden, 1) ** 2

    def loss(log_k: np.ndarray) -> tuple[float, np.ndarray]:
        parts = [_error(task, np.exp(log_k)) for task in tasks]
        away_k = log_k - begin
        error = sum(each[0] for each in parts) / size + cost * float(away_k @ away_k)
        return error, sum(each[1] for each in parts) / size + 2 * cost * away_k

    bounds = [(each - _DOWN, each + _UP) for each in begin]
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS})
    return np.asarray(np.exp(found.x))


def _error(task: Task, variance_k: np.ndarray) -> tuple[float, np.ndarray]:
    """Squared error on the hidden rows, less a constant, and its gradient by the logarithms of the variances."""
    total, across = (np.tensordot(variance_k[:-1], each, axes=1) for each in (task.given, task.across))
    total += task.noise
    total[np.diag_indices_from(total)] += variance_k[-1] * (1 + 1e-8)
    factor = cho_factor(total, lower=True, overwrite_a=True, check_finite=False)
    weights = cho_solve(factor, across.T, check_finite=False).T
    through = weights @ task.gram
    error = float(np.vdot(weights, through) - 2 * np.vdot(weights, task.target))
    slope = cho_solve(factor, 2 * (through - task.target).T, check_finite=False).T
    back = weights.T @ slope
    gradient_k = task.across.reshape(len(variance_k) - 1, -1) @ slope.ravel()
    gradient_k -= task.given.reshape(len(variance_k) - 1, -1) @ back.ravel()
    return error, variance_k * np.append(gradient_k, -np.trace(back))
