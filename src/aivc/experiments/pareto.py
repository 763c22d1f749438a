"""Which rows of a table are beaten in every way by another: what is left is a choice, not a mistake."""

import numpy as np
from jaxtyping import Bool, Float


def dominated(better_nk: Float[np.ndarray, "n k"]) -> Bool[np.ndarray, " n"]:
    """Mark rows that another is at least as good as in everything, and better than in something.

    Args:
        better_nk: ``k`` numbers a row, of which more is better; NaN counts as the worst. Equal rows do not
            dominate each other.

    >>> dominated(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])).tolist()
    [False, False, True, False]
    """
    good_nk = np.where(np.isnan(better_nk), -np.inf, better_nk)
    # Best first: a row can only be dominated by one that stands before it.
    order = np.lexsort(-good_nk.T[::-1])
    front_mk, held, lost = np.empty_like(good_nk), 0, np.zeros(len(good_nk), dtype=bool)
    for i in order:
        before_mk = front_mk[:held]
        at_least = (before_mk >= good_nk[i]).all(axis=1)
        lost[i] = bool((at_least & (before_mk > good_nk[i]).any(axis=1)).any())
        if not lost[i] and not at_least.any():
            front_mk[held] = good_nk[i]
            held += 1
    return lost
