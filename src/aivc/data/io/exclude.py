"""Leaves out entities whose labels the schema excludes, such as cells without a called guide, and counts them."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import StoredRows
from aivc.data.io.formats import Raw
from aivc.data.io.labels import labels, some
from aivc.data.io.schema import Schema

_FIELDS = ("perturbation", "context", "donor", "batch", "section", "cell_type")
_BLOCK = 8192


def without_excluded(raw: Raw, schema: Schema) -> Raw:
    """Drop what the schema excludes, with a note of how many entities that were.

    Args:
        raw: A file as it came.
        schema: ``exclude`` lists labels of perturbations, contexts, donors, batches, sections and cell types; an empty
            text stands for blank ones, but not of others than perturbations where ``blank`` names these.
    """
    if not schema.exclude or len(raw.entities) != raw.values.shape[0]:
        return raw
    out, found = np.zeros(len(raw.entities), dtype=bool), dict.fromkeys(schema.exclude, 0)
    for field, texts in _labelled(raw.entities, schema):
        for name in schema.exclude:
            named = (name == "") & (field != "perturbation") & (schema.blank is not None)
            same = (texts == name) & ~out
            if not named:
                found[name] += int(same.sum())
                out |= same
    notes = list(_notes(found, out))
    if not out.any():
        return replace(raw, notes=(*raw.notes, *notes))
    problems = raw.problems
    if out.all():
        problems = (*problems, "exclude leaves no entity. Take labels out of it.")
    kept = np.flatnonzero(~out)
    observed = raw.observed
    return replace(
        raw,
        values=KeptRows(raw.values, kept) if isinstance(raw.values, StoredRows) else raw.values[kept],
        entities=raw.entities.iloc[kept],
        coordinates=None if raw.coordinates is None else raw.coordinates[kept],
        observed=observed[kept] if observed is not None and observed.ndim == 2 else observed,
        links=None if raw.links is None else raw.links[kept][:, kept],
        problems=problems,
        notes=(*raw.notes, *notes),
    )


def _labelled(entities: pd.DataFrame, schema: Schema) -> list[tuple[str, np.ndarray]]:
    found = []
    for field in _FIELDS:
        source = getattr(schema, field)
        if isinstance(source, str) and source in entities:
            found.append((field, labels(entities[source])))
        elif field == "perturbation" and source is None:
            # Of wide tables of effects the names of entities are the labels.
            named = entities.get(schema.entity, entities.index)
            found.append((field, np.array([str(name).strip() for name in named], dtype=object)))
    return found


def _notes(found: dict[str, int], out: np.ndarray) -> list[str]:
    counts = [f"{name!r} ({count})" if name else f"blank ({count})" for name, count in found.items() if count]
    unused = [repr(name) if name else "blank" for name, count in found.items() if not count]
    notes = [f"{out.sum()} of {len(out)} entities were left out, as exclude says: {some(counts)}."] if counts else []
    return [*notes, *([f"exclude names labels that no entity has: {some(unused)}."] if unused else [])]


@final
@dataclass(frozen=True, eq=False)
class KeptRows:
    """Some of the rows of values that stay on disk.

    Attributes:
        source: All rows.
        kept: ``(n,)`` positions of those that are kept, ascending.
    """

    source: StoredRows
    kept: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of entities that are kept, of features, and of what else there is of each."""
        return (len(self.kept), *self.source.shape[1:])

    def rows(self, start: int, stop: int) -> sparse.csr_matrix | np.ndarray:
        """Rows ``start`` to ``stop`` of those that are kept; of long gaps between them nothing is read."""
        wanted = self.kept[start:stop]
        if not len(wanted):
            return self.source.rows(0, 0)
        cuts = np.flatnonzero(np.diff(wanted) > _BLOCK) + 1
        pieces = [self.source.rows(int(run[0]), int(run[-1]) + 1)[run - run[0]] for run in np.split(wanted, cuts)]
        if len(pieces) == 1:
            return pieces[0]
        return sparse.vstack(pieces, format="csr") if sparse.issparse(pieces[0]) else np.concatenate(pieces)
