"""Which measurements teach most: those that take away most of the variance of all answers together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve

from aivc.core.errors import DataError
from aivc.core.joint_error import JointlyUnsure
from aivc.core.perturbation import Perturbation
from aivc.core.virtual_cell import VirtualCell

# Standard deviations from the middle to the end of a normal 90 % interval; other levels differ by a common factor,
# which changes no choice.
_HALF = 1.645


class Informative(NamedTuple):
    """One choice.

    Attributes:
        place: Of the perturbation among the candidates.
        share: Expected share of the variance of all candidates that measuring it takes away, after those before it.
    """

    place: int
    share: float


def most_informative(
    covariance: Float[np.ndarray, "p p"], count: int, *, given: Sequence[int] = (), noise: float = 0.0
) -> list[Informative]:
    """Choose what to measure, one after the other, each the best after those before it.

    Under a normal model, measuring ``i`` takes ``sum_j C_ji^2 / (C_ii + noise)`` of the summed variance away, whatever
    is found: the integrated variance reduction of Bayesian active learning (Cohn, Ghahramani & Jordan 1996).

    Args:
        covariance: ``(p, p)`` of the errors of the candidates.
        count: How many; fewer where there are no more candidates.
        given: Places of what is measured anyway: what they tell is not asked again, and they are not chosen.
        noise: Variance of a measurement.

    >>> near = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.3]])
    >>> [(each.place, round(each.share, 2)) for each in most_informative(near, 2)]
    [(0, 0.55), (2, 0.39)]
    """
    left, total = _after(covariance, list(given), noise), max(float(np.trace(covariance)), 1e-300)
    tiny = 1e-12 * total
    # Squared columns and diagonal of what is left are kept up to date; the matrix itself would be slow to change.
    squares_p, own_p = np.einsum("ij,ij->j", left, left), np.diag(left).copy()
    taken_pk, found = np.zeros((len(left), count)), list[Informative]()
    open_p = ~np.isin(np.arange(len(left)), list(given))
    while len(found) < count and open_p.any():
        gain_p = np.maximum(squares_p, 0.0) / np.maximum(own_p + noise, tiny)
        best, k = int(np.argmax(np.where(open_p, gain_p, -np.inf))), len(found)
        found.append(Informative(best, float(gain_p[best]) / total))
        column_p = left[:, best] - taken_pk[:, :k] @ taken_pk[best, :k]
        through_p = left @ column_p - taken_pk[:, :k] @ (taken_pk[:, :k].T @ column_p)
        size = max(float(column_p[best]) + noise, tiny)
        squares_p = squares_p - 2 * column_p * through_p / size + (column_p / size) ** 2 * float(column_p @ column_p)
        own_p, open_p[best] = own_p - column_p**2 / size, False
        taken_pk[:, k] = column_p / size**0.5
    return found


def joint_errors(
    cell: VirtualCell, perturbations: Sequence[str], context: str, half: Float[np.ndarray, " p"]
) -> Float[np.ndarray, "p p"]:
    """Covariance of the errors of scores: as large as their intervals say, as alike as the manipulator says.

    Args:
        cell: With one manipulator.
        perturbations: ``p`` texts.
        context: Where they were asked about.
        half: ``(p,)`` half widths of the intervals; what is not finite counts as the widest that is.

    Raises:
        DataError: The manipulator cannot say how its errors go together.
    """
    start = cell.start(context, new_context=True).sample(1)
    asked = [Perturbation.parse(text) for text in perturbations]
    unsure = [part for part in cell.instruments.values() if isinstance(part, JointlyUnsure)]
    stated = unsure[0].joint(start, asked) if len(unsure) == 1 else None
    if stated is None:
        raise DataError(
            [
                "This virtual cell cannot say how the errors of its answers go together. Fit it with effect.v2, or as "
                "an ensemble (--members 8), or propose without a cell: then the widest intervals are explored."
            ]
        )
    scale_p = np.sqrt(np.maximum(np.diag(stated), 1e-300))
    known = pd.Series(half).replace([np.inf, -np.inf], np.nan)
    size_p = known.fillna(known.max() if known.notna().any() else _HALF).to_numpy(dtype=float) / _HALF
    return np.asarray(stated / np.outer(scale_p, scale_p) * np.outer(size_p, size_p))


def _after(covariance: np.ndarray, measured: list[int], noise: float) -> np.ndarray:
    """Covariance after measurements."""
    if not measured:
        return np.array(covariance, dtype=float)
    across = covariance[:, measured]
    # Two that are the same would leave nothing to solve for.
    least = noise + 1e-9 * float(np.diag(covariance).max())
    inside = covariance[np.ix_(measured, measured)] + least * np.eye(len(measured))
    return np.asarray(covariance - across @ cho_solve(cho_factor(inside, lower=True), across.T))
