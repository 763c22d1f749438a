"""Leaves out entities without a label where a schema says so, and says how many."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy import sparse

from aivc.core.measurement import StoredRows, Values
from aivc.data.io.formats import Raw
from aivc.data.io.labels import labels
from aivc.data.io.schema import Schema


@final
@dataclass(frozen=True, eq=False)
class KeptRows:
    """Some rows of a matrix on disk, in their order.

    Attributes:
        source: The matrix.
        kept: ``(n,)`` positions of the rows, rising.
    """

    source: StoredRows
    kept: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows kept, and of features."""
        return (len(self.kept), *self.source.shape[1:])

    def rows(self, start: int, stop: int) -> sparse.csr_matrix | np.ndarray:
        """Rows ``start`` to ``stop`` of those kept."""
        asked = self.kept[start:stop]
        if not len(asked):
            return self.source.rows(0, 0)
        return self.source.rows(int(asked[0]), int(asked[-1]) + 1)[asked - asked[0]]


def labeled(raw: Raw, schema: Schema) -> Raw:
    """Leave out the entities whose label is blank, where the schema says ``unlabeled = "drop"``.

    A blank that the schema declares as control is a label.
    """
    source = schema.perturbation
    if schema.unlabeled != "drop" or not isinstance(source, str) or source not in raw.entities or "" in schema.controls:
        return raw
    kept = np.flatnonzero(labels(raw.entities[source]) != "")
    n = len(raw.entities)
    if len(kept) == n or raw.values.shape[0] != n:
        return raw
    note = f'{n - len(kept)} of {n} entities have no label in {source!r} and are left out, as unlabeled = "drop" says.'
    return replace(
        raw,
        values=_kept(raw.values, kept),
        entities=raw.entities.iloc[kept],
        coordinates=None if raw.coordinates is None else raw.coordinates[kept],
        observed=None if raw.observed is None else raw.observed[kept],
        notes=(*raw.notes, note),
    )


def _kept(values: Values, kept: np.ndarray) -> Values:
    return KeptRows(values, kept) if isinstance(values, StoredRows) else values[kept]
