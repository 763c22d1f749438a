"""A provider that is a table: one vector per compound, found by its name, whatever its salt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from aivc.core.molecule import Molecule
from aivc.core.provider import Embedding
from aivc.data.names.compound_names import aliases, compound
from aivc.representations.molecular.rows_of_vectors import VectorRows

VERSION = "1"


@dataclass(frozen=True, eq=False)
class CompoundTable(VectorRows):
    """Vectors of length one for compounds; salts share what is known of the compound, and so do other names.

    Attributes:
        compounds: ``c`` names, as `aivc.data.names.compound_names.bare` gives them.
        values: ``(c, d)`` vectors.
        made_from: JSON-ready notes for the provenance: ``sources``, ``licence``, ``saw``, and what a maker adds.
    """

    kinds: ClassVar[tuple[str, ...]] = ("compound",)
    compounds: tuple[str, ...]
    values: Float[np.ndarray, "c d"]
    made_from: dict[str, Any]

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Look compounds up by name, and by the names in brackets behind it; other kinds come back masked."""
        return self.taken(find(molecules, self._index))

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and what data it saw."""
        return {"name": self.name, "version": VERSION, "saw": [], **self.made_from, "digest": self.state().digest()}

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.compounds)}


def find(molecules: Sequence[Molecule], index: Mapping[str, int]) -> np.ndarray:
    """``(n,)`` row of each compound by any of its names, -1 where it has none."""
    keys = [[compound(each) for each in aliases(m.name)] if m.kind == "compound" else [] for m in molecules]
    return np.array([next((index[key] for key in own if key in index), -1) for own in keys], dtype=int)
