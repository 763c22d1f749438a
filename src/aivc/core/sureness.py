"""How sure an answer is, in one sentence: how many intervals lie clear of zero, and what is promised of them."""

import numpy as np


def clear_of_zero(low: np.ndarray, high: np.ndarray) -> int:
    """Count the intervals that do not hold zero; one that is not known, or infinite, is not clear of it.

    Args:
        low: Lower ends, of any shape.
        high: Upper ends.

    >>> clear_of_zero(np.array([0.1, -0.2, np.nan]), np.array([0.3, 0.1, np.nan]))
    1
    """
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    return int(((low > 0) | (high < 0)).sum())


def sureness(clear: int, total: int, what: str, level: float, promise: str = "") -> str:
    """Say it.

    Args:
        clear: How many intervals are clear of zero.
        total: Of how many.
        what: They are of, in the plural, such as ``features``.
        level: Of the intervals.
        promise: What is promised of them (`aivc.core.prediction.Prediction.coverage`); empty where nothing is said.

    >>> sureness(0, 18553, "unseen perturbations", 0.9)
    '0 of 18,553 unseen perturbations have an interval clear of zero (90 %).'
    """
    has = "has" if clear == 1 else "have"
    stated = f"{100 * level:g} %" + (f", {promise}" if promise else "")
    return f"{clear:,} of {total:,} {what} {has} an interval clear of zero ({stated})."
