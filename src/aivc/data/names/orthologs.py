"""Cells of one species under the gene names of another, so that what learned from human cells reads those of mice."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement, StoredRows
from aivc.core.units import COUNTS
from aivc.data.names.genes import orthologs


@final
@dataclass(frozen=True, eq=False)
class SummedRows:
    """Rows on disk whose features are summed as they are read.

    Attributes:
        source: Rows as they lie.
        onto: ``(f, g)`` 1 where a feature counts towards a new one.
    """

    source: StoredRows
    onto: sparse.csr_matrix

    @property
    def shape(self) -> tuple[int, int]:
        """Number of entities and features."""
        return self.source.shape[0], self.onto.shape[1]

    def rows(self, start: int, stop: int) -> sparse.csr_matrix | np.ndarray:
        """Rows ``start`` to ``stop``."""
        return self.source.rows(start, stop) @ self.onto


@final
@dataclass(frozen=True)
class Translated:
    """What became of the genes of one species under the names of another.

    Attributes:
        source: Species the genes are of.
        target: Species whose names they bear now.
        renamed: Genes with an ortholog of their own, old name to new.
        summed: New names that several genes share, each with the old names.
        kept: Genes that have no ortholog or no single one, by their old names; they bear the species before it now.
        ambiguous: Those of ``kept`` that have several orthologs, none of the same name.

    >>> str(Translated("mouse", "human", {"Actb": "ACTB"}, {"INS": ("Ins1", "Ins2")}, ("Gm1",), ()))
    '3 of 4 mouse genes bear human names (75 %): 1 alone, 2 summed into 1; 1 without an ortholog, kept as mouse:Gm1.'
    """

    source: str
    target: str
    renamed: Mapping[str, str]
    summed: Mapping[str, tuple[str, ...]]
    kept: tuple[str, ...]
    ambiguous: tuple[str, ...]

    @property
    def total(self) -> int:
        """Genes in all."""
        return self.transferred + len(self.kept)

    @property
    def transferred(self) -> int:
        """Genes that bear names of the target now."""
        return len(self.renamed) + sum(map(len, self.summed.values()))

    @property
    def known(self) -> float:
        """Share of genes that bear names of the target now, 0 to 1."""
        return self.transferred / self.total if self.total else 1.0

    def __str__(self) -> str:
        summed = f", {self.transferred - len(self.renamed)} summed into {len(self.summed)}" if self.summed else ""
        kept = ""
        if self.kept:
            several = f" or with several ({len(self.ambiguous)})" if self.ambiguous else ""
            first = _prefixed(self.source, self.kept[0])
            kept = f"; {len(self.kept)} without an ortholog{several}, kept as {first}"
        share = (
            f"{self.transferred} of {self.total} {self.source} genes bear {self.target} names "
            f"({100 * self.known:.0f} %)"
        )
        return f"{share}: {len(self.renamed)} alone{summed}{kept}."

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "source": self.source,
            "target": self.target,
            "total": self.total,
            "known": self.known,
            "renamed": dict(self.renamed),
            "summed": {name: list(old) for name, old in self.summed.items()},
            "kept": list(self.kept),
            "ambiguous": list(self.ambiguous),
        }


def to_species(
    measurement: Measurement, source: str, target: str, *, pairs: Mapping[str, str] | None = None
) -> tuple[Measurement, Translated]:
    """Name the genes of cells as another species does.

    A gene with one ortholog takes its name. Counts of several genes with the same ortholog are summed; the sum counts
    as observed where each of them was. A gene without a single ortholog stays, as ``mouse:Gm1234``: an encoder of the
    target species does not know it, and says so in its coverage. Values stay sparse, and on disk where they lie there.

    Args:
        measurement: Features named by gene: symbols, or Ensembl ids of the source.
        source: Species they are of: ``human`` or ``mouse``.
        target: Species to name them by.
        pairs: Name in the source to name in the target, used instead of the catalog's; the species are then any two.

    Raises:
        DataError: No gene has an ortholog, or several share one and their values cannot be summed.
        UnknownNameError: No such pair of species.
        UnavailableError: The files about genes are nowhere here.

    >>> from aivc.testing import sample_measurement
    >>> cells, translated = to_species(sample_measurement(), "rat", "human", pairs={"G00": "A", "G01": "A", "G02": "B"})
    >>> cells.features[:3].tolist(), translated.known
    (['A', 'B', 'rat:G03'], 0.1)
    """
    old = [str(name) for name in measurement.features]
    new, ambiguous = _counterparts(old, source, target, pairs)
    if not any(name is not None for name in new):
        raise DataError(
            [
                f"None of the {len(old)} features has an ortholog from {source} to {target}; the first is "
                f"{old[0] if old else 'absent'}. Say which species the genes are of, and name them by gene."
            ]
        )
    times = Counter(new)
    named = [_prefixed(source, before) if after is None else after for before, after in zip(old, new, strict=True)]
    transferred = Translated(
        source,
        target,
        {before: after for before, after in zip(old, new, strict=True) if after is not None and times[after] == 1},
        _shared(old, new, times),
        tuple(before for before, after in zip(old, new, strict=True) if after is None),
        tuple(ambiguous),
    )
    codes, unique = pd.factorize(np.array(named, dtype=object))
    moved = _summed(measurement, codes, np.asarray(unique, dtype=object)) if transferred.summed else None
    moved = moved or measurement.replace(features=np.array(named, dtype=object))
    notes = {"from": source, "to": target, "known": transferred.known}
    return moved.replace(provenance={**moved.provenance, "species": notes}), transferred


def _prefixed(source: str, name: str) -> str:
    return f"{source}:{name}"


def _counterparts(
    old: list[str], source: str, target: str, pairs: Mapping[str, str] | None
) -> tuple[list[str | None], list[str]]:
    if source == target:
        raise UnknownNameError("pair of species", f"{source} to {target}", ["human to mouse", "mouse to human"])
    if pairs is not None:
        return [pairs.get(name) for name in old], []
    found = orthologs(old, source=source, target=target)
    return list(found.resolved), [name for name, how in zip(old, found.how, strict=True) if how == "ambiguous"]


def _shared(old: list[str], new: list[str | None], times: Mapping[str | None, int]) -> dict[str, tuple[str, ...]]:
    shared: dict[str, tuple[str, ...]] = {}
    for before, after in zip(old, new, strict=True):
        if after is not None and times[after] > 1:
            shared[after] = (*shared.get(after, ()), before)
    return shared


def _summed(measurement: Measurement, codes: np.ndarray, unique: np.ndarray) -> Measurement:
    measurement.require_table("A sum of features")
    if measurement.units != COUNTS:
        twice = unique[np.flatnonzero(np.bincount(codes) > 1)]
        raise DataError(
            [
                f"{(np.bincount(codes) > 1).sum()} orthologs are shared by several genes, first {twice[0]}, and values "
                f"in {measurement.units} cannot be summed. Start from counts, or keep one gene of each: "
                "measurement.select(features)."
            ]
        )
    onto = sparse.csr_matrix(
        (np.ones(len(codes), dtype=np.float32), (np.arange(len(codes)), codes)), shape=(len(codes), len(unique))
    )
    values, observed = measurement.values, measurement.observed
    if observed is not None:
        # A sum was measured only where each of its parts was.
        observed = np.asarray((~observed).astype(np.float32) @ onto) == 0
    moved = SummedRows(values, onto) if isinstance(values, StoredRows) else values @ onto
    return measurement.replace(values=moved, features=unique, observed=observed)
