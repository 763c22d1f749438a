"""Finds entities that hold the same values under other names, as where files that share cells were put together."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.data.splits.fingerprints import ENOUGH_BITS, feature_hashes, row_marks

_SHOWN = 3


@final
@dataclass(eq=False)
class SeenRows:
    """What rows hold, in a number each; call `add` block by block.

    Attributes:
        features: ``(f,)`` names.
        marks: Per block, equal where rows hold the same.
        telling: Per block, False where a row holds so little that another may equal it by chance.
    """

    features: np.ndarray
    marks: list[np.ndarray] = field(default_factory=list)
    telling: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._hashes = feature_hashes(self.features)

    def add(self, block: sparse.csr_matrix | np.ndarray) -> None:
        """Look at some rows."""
        marks_n, bits_n = row_marks(block, self._hashes, np.ones(len(self._hashes), dtype=bool))
        self.marks.append(marks_n)
        self.telling.append(bits_n >= ENOUGH_BITS)

    def copies(self, names: pd.Index, perturbations: np.ndarray) -> list[str]:
        """Note the entities that are copies of others.

        Args:
            names: ``(n,)`` of the entities.
            perturbations: ``(n,)`` of the entities: a copy under another label is worse.
        """
        if not self.marks:
            return []
        where = np.flatnonzero(np.concatenate(self.telling))
        frame = pd.DataFrame({"mark": np.concatenate(self.marks)[where], "row": where, "label": perturbations[where]})
        first = frame.groupby("mark")["row"].transform("first").to_numpy()
        copied = frame["row"].to_numpy() != first
        if not copied.any():
            return []
        pairs = [(names[first[i]], names[where[i]]) for i in np.flatnonzero(copied)[:_SHOWN]]
        shown = ", ".join(f"{copy} of {original}" for original, copy in pairs)
        other = int((frame["label"].to_numpy() != perturbations[first])[copied].sum())
        under = f" {other} of them are labeled otherwise." if other else ""
        return [
            f"{int(copied.sum())} entities hold the values of another, as where files that share cells were put "
            f"together: {shown}.{under} Keep one of each: a copy in training would answer for the one that is scored."
        ]
