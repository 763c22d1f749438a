"""Names of features that begin with a genome, GRCh38_TP53: taken off as declared, and the other genome left out."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy import sparse

from aivc.core.measurement import StoredRows
from aivc.data.io.formats import Raw
from aivc.data.io.schema import Schema, toml_value

_PREFIX = re.compile(r"(?P<prefix>(?i:GRC[hmzg]\d{1,2}|hg\d{2}|mm\d{1,2}|rn\d|dm\d|danRer\d{1,2}|human|mouse)_+)(?=.)")
# Below this share such names are a few transgenes or decoys.
_SHARE = 0.05


@final
@dataclass(frozen=True, eq=False)
class KeptColumns:
    """Rows on disk, with some of their features.

    Attributes:
        source: The rows as they lie there.
        columns: ``(f,)`` positions of the features that are kept.
    """

    source: StoredRows
    columns: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of entities and of features that are kept."""
        return (self.source.shape[0], len(self.columns))

    def rows(self, start: int, stop: int) -> sparse.csr_matrix | np.ndarray:
        """Rows ``start`` to ``stop``."""
        return self.source.rows(start, stop)[:, self.columns]


def genomes(names: Iterable[str]) -> dict[str, int]:
    """How many features begin with each genome, the most frequent first; empty where hardly any do.

    >>> genomes(["GRCh38_TP53", "GRCh38_MYC", "mm10___Trp53"])
    {'GRCh38_': 2, 'mm10___': 1}
    """
    found = [match["prefix"] if (match := _PREFIX.match(name)) else "" for name in map(str, names)]
    counts = Counter(found)
    return {prefix: count for prefix, count in counts.most_common() if prefix and count > _SHARE * len(found)}


def prefix_problems(names: Iterable[str], schema: Schema) -> list[str]:
    """Say that names begin with a genome, and which line takes it off."""
    found = genomes(names) if schema.feature_prefix is None else {}
    if not found:
        return []
    shown = ", ".join(f"{prefix} ({count})" for prefix, count in found.items())
    line = f"feature_prefix = {toml_value(next(iter(found)))}"
    if len(found) == 1:
        return [f"Names of features begin with a genome, {shown}, so no gene is known by them. Add {line}."]
    return [
        f"Features are of {len(found)} genomes: {shown}, as where cells of several species were mixed. Keep the cells "
        f"of one species, and add {line}, which takes the prefix off and leaves the features of the others out."
    ]


def of_genome(raw: Raw, schema: Schema) -> Raw:
    """Take a declared prefix off, and leave out what does not begin with it, with a note of how many that are.

    Args:
        raw: A file as it came.
        schema: Its ``feature_prefix``, and ``features``, the column that names features.
    """
    prefix = schema.feature_prefix
    if prefix is None or len(raw.features) != raw.values.shape[1]:
        return raw
    column = schema.features if schema.features in raw.features else None
    names = [str(name) for name in (raw.features.index if column is None else raw.features[column])]
    kept = np.array([i for i, name in enumerate(names) if name.startswith(prefix) and name != prefix], dtype=np.intp)
    if not len(kept):
        problem = f"No feature begins with {prefix!r}, such as {names[0]!r}. Correct feature_prefix, or leave it out."
        return replace(raw, problems=(*raw.problems, problem))
    features = raw.features.iloc[kept].copy()
    bare = [names[i].removeprefix(prefix) for i in kept]
    if column is None:
        features.index = features.index.__class__(bare, dtype=object, name=features.index.name)
    else:
        features[column] = bare
    out = len(names) - len(kept)
    note = f"{out} of {len(names)} features do not begin with {prefix!r} and are left out." if out else ""
    observed = raw.observed
    return replace(
        raw,
        values=KeptColumns(raw.values, kept) if isinstance(raw.values, StoredRows) else raw.values[:, kept],
        features=features,
        observed=None if observed is None else observed[..., kept],
        notes=(*raw.notes, *filter(None, [note])),
    )
