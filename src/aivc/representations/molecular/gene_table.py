"""A provider that is a table: one vector per human gene, found by its current, former or protein name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import UnavailableError
from aivc.core.molecule import Molecule
from aivc.core.provider import Embedding
from aivc.data import catalog
from aivc.data.names.genes import FILES, resolve
from aivc.representations.molecular.rows_of_vectors import VectorRows

VERSION = "1"
NAMES = FILES["human"]
PROTEINS = "uniprot-human"
_ACCESSION = re.compile(r"[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2}")


@dataclass(frozen=True, eq=False)
class GeneTable(VectorRows):
    """Vectors of length one for genes; their transcripts, proteins and variants share what is known of the gene.

    Attributes:
        symbols: ``g`` current human symbols.
        values: ``(g, d)`` vectors.
        made_from: JSON-ready notes for the provenance: ``sources``, ``licence``, ``saw``, and what a maker adds.
    """

    kinds: ClassVar[tuple[str, ...]] = ("gene", "transcript", "protein")
    sources: ClassVar[tuple[str, ...]] = ()
    symbols: tuple[str, ...]
    values: Float[np.ndarray, "g d"]
    made_from: dict[str, Any]

    @classmethod
    def available(cls) -> str | None:
        """None where its files are here or can be fetched; otherwise which is missing, and how to get it."""
        return lacking(*cls.sources)

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Look genes up by symbol, former symbol or UniProt accession; other species and kinds come back masked."""
        found = [self._index.get(name, -1) for name in gene_symbols(molecules, self.kinds, known=self._index)]
        return self.taken(np.array(found, dtype=int))

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and what data it saw."""
        return {"name": self.name, "version": VERSION, "saw": [], **self.made_from, "digest": self.state().digest()}

    @cached_property
    def _index(self) -> dict[str, int]:
        return {symbol: row for row, symbol in enumerate(self.symbols)}


def notes(*sources: str) -> dict[str, Any]:
    """Where catalog files come from, and on which terms."""
    entries = [catalog.entry(source) for source in sources]
    return {
        "sources": {each.name: [file.sha256 for file in each.files] for each in entries},
        "licence": "; ".join(f"{each.name}: {each.licence}" for each in entries),
    }


def lacking(*sources: str) -> str | None:
    """None where catalog files are here or can be fetched; otherwise the reason, with its remedy."""
    for source in sources:
        try:
            catalog.path(source, offline=True)
        except UnavailableError as error:
            public = all(
                file.address or (file.original and file.original.address) for file in catalog.entry(source).files
            )
            if not public:
                return str(error)
    return None


def gene_symbols(
    molecules: Sequence[Molecule], kinds: Sequence[str], *, known: Mapping[str, int] | None = None
) -> list[str]:
    """Current human symbol of each molecule; empty where it is of another species or kind.

    A name that is known as it stands is kept, so that nothing but other names needs the files of names.
    """
    names = [m.name if m.species == "human" and m.kind in kinds else "" for m in molecules]
    unknown = sorted({name for name in names if name and name not in (known or {})})
    if not unknown or lacking(*NAMES) is not None:
        return names
    accessions = _accessions(catalog.path(PROTEINS)) if any(map(_ACCESSION.fullmatch, unknown)) else {}
    renamed = dict(zip(unknown, resolve(accessions.get(name, name) for name in unknown).current, strict=True))
    return [renamed.get(name, name) for name in names]


def genes(symbols: Iterable[str]) -> list[Molecule]:
    """Molecules for human gene symbols.

    >>> genes(["TP53"])[0].name
    'TP53'
    """
    return [Molecule("gene", symbol) for symbol in symbols]


@lru_cache(maxsize=2)
def _accessions(path: Path) -> Mapping[str, str]:
    table = pd.read_csv(path, sep="\t", usecols=["Entry", "Gene names"]).dropna()
    firsts = (str(names).split()[0].rstrip(";") for names in table["Gene names"])
    return dict(zip(table["Entry"], firsts, strict=True))
