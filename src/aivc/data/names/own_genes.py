"""Finds the gene that a perturbation targets among features, where one has an Ensembl id and the other a symbol."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np

from aivc.core.errors import UnavailableError
from aivc.data.names.gene_files import GeneNames
from aivc.data.names.genes import gene_table

_HUMAN, _MOUSE = re.compile(r"ENSG\d+(?:\.\d+)?"), re.compile(r"ENSMUSG\d+(?:\.\d+)?")
_SHOWN_FIRST = 200


@final
@dataclass(frozen=True, eq=False)
class GeneColumns:
    """Where genes stand among features.

    Attributes:
        width: Number of features.
        at: Columns of each name: as features are called, and, of Ensembl ids, without version and by symbol.
        ids: Table of genes, where features are symbols and targets may be Ensembl ids, or the other way; None where
            names are compared as they are.
    """

    width: int
    at: Mapping[str, tuple[int, ...]]
    ids: GeneNames | None = None

    @classmethod
    def of(cls, features: Iterable[str]) -> "GeneColumns":
        """Look at the names of features; the table of genes is read only where they are Ensembl ids.

        >>> GeneColumns.of(["TP53", "MYC"]).own(["MYC", "JAK2"]).tolist()
        [False, True]
        """
        names = list(map(str, features))
        at: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            at.setdefault(name, []).append(i)
        if not (species := ensembl_species(names)):
            return cls(len(names), {name: tuple(places) for name, places in at.items()})
        table = known_genes(species)
        for i, name in enumerate(names):
            stem = name.split(".")[0]
            symbol = table.symbol(name)[0] if table is not None else None
            for other in {stem, symbol} - {None, name}:
                at.setdefault(str(other), []).append(i)
        return cls(len(names), {name: tuple(places) for name, places in at.items()}, table)

    def find(self, gene: str) -> tuple[int, ...]:
        """Columns of a gene; none where it was not measured, or goes by a name that nobody knows."""
        if gene in self.at or not ((species := ensembl_species([gene])) or self.ids is not None):
            return self.at.get(gene, ())
        table = known_genes(species) if species else self.ids
        symbol = None if table is None else table.symbol(gene)[0]
        return self.at.get(gene.split(".")[0], ()) or self.at.get(symbol or "", ())

    def own(self, genes: Iterable[str]) -> np.ndarray:
        """``(f,)`` True for the features that are one of the genes."""
        mask = np.zeros(self.width, dtype=bool)
        for gene in genes:
            mask[list(self.find(str(gene)))] = True
        return mask


def ensembl_species(names: Iterable[str]) -> str:
    """Return ``human`` or ``mouse`` where most of the first names are Ensembl ids of one; else an empty text.

    >>> ensembl_species(["ENSG00000141510.5", "ENSG00000136997"]), ensembl_species(["TP53"])
    ('human', '')
    """
    first = [name for name, _ in zip(names, range(_SHOWN_FIRST), strict=False)]
    counts = {species: sum(map(bool, map(form.fullmatch, first))) for species, form in _FORMS.items()}
    return next((species for species, count in counts.items() if count * 2 > len(first)), "")


_FORMS = {"human": _HUMAN, "mouse": _MOUSE}


@cache
def known_genes(species: str) -> GeneNames | None:
    """The table of genes of a species; None where its files are nowhere here, which `check` says."""
    try:
        return gene_table(species)
    except UnavailableError:
        return None
