"""Links the objects of one frame to those of the next: the assignment of least total distance, after common motion."""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from aivc.core.errors import DataError

_ROUNDS, _NEAREST = 4, 8


def linked(
    before_n2: Float[np.ndarray, "n 2"], after_m2: Float[np.ndarray, "m 2"], reach: float
) -> Int[np.ndarray, "k 2"]:
    """Say which object of a frame is which of the next.

    All objects are assigned at once, each at most one partner, so that the sum of squared distances is least; leaving
    one alone costs as much as a step of ``reach`` (Jaqaman et al. 2008, Nature Methods 5:695). What neighbours moved by
    in common is then taken off, and objects are assigned anew: cells of a tissue move together.

    Args:
        before_n2: ``(n, 2)`` centers, in pixels.
        after_m2: ``(m, 2)`` centers in the next frame.
        reach: Longest step, in pixels.

    Returns:
        ``(k, 2)`` positions in the one and in the other, in the order of the first.

    Raises:
        DataError: The reach is no length.
    """
    if not reach > 0:
        raise DataError([f"The reach of a link is a length above 0 in pixels; got {reach}. Say how far a cell gets."])
    if not len(before_n2) or not len(after_m2):
        return np.zeros((0, 2), dtype=int)
    common_n2 = np.zeros_like(before_n2, dtype=float)
    for _ in range(_ROUNDS):
        pairs = _assigned(before_n2 + common_n2, after_m2, reach)
        if not len(pairs):
            break
        common_n2 = common_step(before_n2, after_m2, pairs)
    return pairs


def common_step(
    before_n2: Float[np.ndarray, "n 2"],
    after_m2: Float[np.ndarray, "m 2"],
    pairs: Int[np.ndarray, "k 2"],
    at_q2: Float[np.ndarray, "q 2"] | None = None,
) -> Float[np.ndarray, "q 2"]:
    """Say how far the nearest linked objects moved, as a median.

    Args:
        before_n2: ``(n, 2)`` centers, in pixels.
        after_m2: ``(m, 2)`` centers in the next frame.
        pairs: ``(k, 2)`` links, one or more, as `linked` returns them.
        at_q2: ``(q, 2)`` places; None takes the objects of the first frame, none of which answers for itself.
    """
    step_k2 = after_m2[pairs[:, 1]] - before_n2[pairs[:, 0]]
    away = cdist(before_n2 if at_q2 is None else at_q2, before_n2[pairs[:, 0]])
    if at_q2 is None:
        away[pairs[:, 0], np.arange(len(pairs))] = np.inf
    nearest = np.argsort(away, axis=1)[:, : min(_NEAREST, len(pairs))]
    return np.asarray(np.median(step_k2[nearest], axis=1))


def _assigned(before_n2: np.ndarray, after_m2: np.ndarray, reach: float) -> np.ndarray:
    square = cdist(before_n2, after_m2, "sqeuclidean")
    # Beside the objects of the next frame, each may be assigned to nobody.
    alone = np.full((len(before_n2), len(before_n2)), reach**2)
    first, second = linear_sum_assignment(np.hstack([np.minimum(square, 10 * reach**2), alone]))
    kept = second < len(after_m2)
    kept[kept] = square[first[kept], second[kept]] <= reach**2
    return np.stack([first[kept], second[kept]], axis=1)
