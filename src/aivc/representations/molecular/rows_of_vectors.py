"""What providers share that are tables: a vector is the row of a molecule, and a molecule without a row is masked."""

import numpy as np
from jaxtyping import Float, Int

from aivc.core.provider import Embedding, Provider


class VectorRows(Provider):
    """Vectors in rows.

    Attributes:
        values: ``(g, d)`` vectors.
    """

    values: Float[np.ndarray, "g d"]

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self.values.shape[1])

    def taken(self, rows: Int[np.ndarray, " n"]) -> Embedding:
        """Vectors of some rows, in order; a row of -1 is not known."""
        known = rows >= 0
        values = np.zeros((len(rows), self.dim))
        values[known] = self.values[rows[known]]
        return Embedding(values, known, self.provenance)
