"""Many rows without a matrix of all their pairs: conjugate gradients on the grid of contexts and perturbations."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from aivc.instruments.manipulators.effect.components import Covariance, Queries, by_contexts

_STEPS, _TOLERANCE, _COLUMNS = 100, 1e-4, 256


@final
@dataclass(frozen=True, eq=False)
class Grid:
    """The covariance of rows as products of tables of contexts and of perturbations.

    Attributes:
        contexts: By likeness of contexts, ``(c, c)``.
        perturbations: By the same, ``(p, p)`` weighted sum of what it is multiplied with.
        at: ``(r,)`` context of each row, and
        place: ``(r,)`` its perturbation, as numbers.
        diagonal: ``(r,)`` what each row has to itself.
    """

    contexts: dict[str, Float[np.ndarray, "c c"]]
    perturbations: dict[str, Float[np.ndarray, "p p"]]
    at: Int[np.ndarray, " r"]
    place: Int[np.ndarray, " r"]
    diagonal: Float[np.ndarray, " r"]

    @classmethod
    def of(cls, covariance: Covariance, rows: Queries, variance_k: np.ndarray, diagonal: np.ndarray) -> "Grid":
        """Take the tables of these rows."""
        tables = covariance.tables(rows, rows)
        parts = by_contexts(covariance.parts, variance_k, tables)
        at, place = (np.unique(each, return_inverse=True)[1] for each in (rows.contexts, rows.texts))
        return cls({name: tables["c", name] for name in parts}, parts, at, place, diagonal)

    def product(self, values_rm: Float[np.ndarray, "r m"]) -> Float[np.ndarray, "r m"]:
        """Covariance times columns."""
        shape = (int(self.at.max()) + 1, int(self.place.max()) + 1, values_rm.shape[1])
        laid = np.zeros(shape)
        laid[self.at, self.place] = values_rm
        found = np.zeros_like(laid)
        for name, table in self.contexts.items():
            within = np.einsum("pq,cqm->cpm", self.perturbations[name], laid, optimize=True)
            found += np.einsum("cb,bpm->cpm", table, within, optimize=True)
        return np.asarray(found[self.at, self.place] + self.diagonal[:, None] * values_rm)

    def explained(self, across: Float[np.ndarray, "q r"]) -> Float[np.ndarray, " q"]:
        """How much of each question's variance the rows explain."""
        return np.asarray(np.einsum("qr,rq->q", across, self.solve(across.T)))

    def solve(self, wanted_rm: Float[np.ndarray, "r m"]) -> Float[np.ndarray, "r m"]:
        """Solve for columns, as many at a time as fit in memory."""
        pieces = [self._solve(wanted_rm[:, i : i + _COLUMNS]) for i in range(0, wanted_rm.shape[1], _COLUMNS)]
        return np.hstack(pieces) if pieces else np.zeros_like(wanted_rm)

    def _solve(self, wanted_rm: np.ndarray) -> np.ndarray:
        """Conjugate gradients (Hestenes & Stiefel 1952), all columns at once, each with steps of its own."""
        found, left = np.zeros_like(wanted_rm), np.array(wanted_rm)
        ahead, old_m = left.copy(), (left**2).sum(axis=0)
        enough_m = _TOLERANCE**2 * old_m
        for _ in range(_STEPS):
            if (old_m <= enough_m).all():
                break
            through = self.product(ahead)
            step_m = old_m / np.maximum((ahead * through).sum(axis=0), 1e-300)
            found += step_m * ahead
            left -= step_m * through
            new_m = (left**2).sum(axis=0)
            ahead = left + new_m / np.maximum(old_m, 1e-300) * ahead
            old_m = new_m
        return found
