"""The features in strata: the few directions along which effects are large, those after, and the rest.

Each stratum has variances of its own: what is strong and common is shrunk less than what is weak.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh

_CUTS = (4, 24)
_FEWEST, _MOST = 60, 1500


class Stratum(NamedTuple):
    """Some directions.

    Attributes:
        basis: ``(k, d)`` orthonormal directions; None for what lies beside those of all others.
        beside: ``(m, d)`` directions of the others, for the stratum that has none itself.
    """

    basis: np.ndarray | None
    beside: np.ndarray

    def of(self, values_rd: np.ndarray) -> np.ndarray:
        """Coordinates ``(r, k)`` along the directions, or what is left ``(r, d)`` beside them."""
        if self.basis is not None:
            return np.asarray(values_rd @ self.basis.T)
        return values_rd - (values_rd @ self.beside.T) @ self.beside if len(self.beside) else values_rd

    def back(self, answer_qk: np.ndarray) -> np.ndarray:
        """``(q, d)`` from coordinates to features."""
        return answer_qk if self.basis is None else np.asarray(answer_qk @ self.basis)

    def noise(self, variance_rd: np.ndarray) -> np.ndarray:
        """``(r,)`` variance of each row inside the stratum, summed over its directions."""
        if self.basis is not None:
            return np.asarray((variance_rd @ (self.basis**2).T).sum(axis=1))
        inside = (variance_rd @ (self.beside**2).T).sum(axis=1) if len(self.beside) else 0.0
        return np.asarray(np.maximum(variance_rd.sum(axis=1) - inside, 0.0))


def leading(shifts_rd: Float[np.ndarray, "r d"], count: int, seed: int = 0) -> Float[np.ndarray, "k d"]:
    """Orthonormal directions along which rows are largest, at most ``count``, the largest first.

    Args:
        shifts_rd: EffectRows; beyond 1,500 of them, as many are drawn.
        count: How many.
        seed: Draws them.
    """
    if len(shifts_rd) > _MOST:
        shifts_rd = shifts_rd[np.sort(np.random.default_rng(seed).permutation(len(shifts_rd))[:_MOST])]
    gram = shifts_rd @ shifts_rd.T
    values, vectors = eigh(gram, subset_by_index=[max(len(gram) - count, 0), len(gram) - 1])
    kept = values[::-1] > 1e-9 * max(float(values[-1]), 1e-300)
    length = np.sqrt(np.maximum(values[::-1], 1e-300))
    return np.asarray(((vectors[:, ::-1].T @ shifts_rd) / length[:, None])[kept])


def strata(shifts_rd: Float[np.ndarray, "r d"], seed: int = 0) -> list[Stratum]:
    """Cut the space along the leading directions of the rows; few rows or directions are one stratum.

    Args:
        shifts_rd: EffectRows; beyond 1,500 of them, as many are drawn.
        seed: Draws them.
    """
    rows, dim = shifts_rd.shape
    cuts = [cut for cut in _CUTS if cut < min(rows, dim) // 2]
    if rows < _FEWEST or not cuts:
        return [Stratum(None, np.zeros((0, dim)))]
    directions = leading(shifts_rd, cuts[-1], seed)
    edges = [0, *(min(cut, len(directions)) for cut in cuts)]
    found = [Stratum(directions[a:b], directions[:0]) for a, b in pairwise(edges)]
    return [*found, Stratum(None, directions)]
