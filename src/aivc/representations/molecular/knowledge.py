"""What is annotated of genes, one provider per source: processes, pathways, interactions, compartments."""

from dataclasses import dataclass
from typing import ClassVar, TypeVar, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.data import catalog
from aivc.data.names.genes import resolve
from aivc.data.priors.gene_priors import SOURCES, gene_priors
from aivc.data.priors.regulons import regulons
from aivc.data.priors.spectra import leading_axes
from aivc.representations.molecular.gene_table import NAMES, GeneTable, notes

T = TypeVar("T", bound=GeneTable)


@final
@dataclass(frozen=True, eq=False)
class Processes(GeneTable):
    """Leading axes of the biological processes of the Gene Ontology, rare ones counting more."""

    name: ClassVar[str] = "go"
    sources: ClassVar[tuple[str, ...]] = (*SOURCES["go"], *NAMES)

    @classmethod
    def build(cls, *, seed: int = 0) -> "Processes":
        """Read the annotations and find their axes.

        Raises:
            UnavailableError: A source is nowhere here.
        """
        return _block(cls, seed)


@final
@dataclass(frozen=True, eq=False)
class Pathways(GeneTable):
    """Leading axes of the pathways of Reactome, rare ones counting more."""

    name: ClassVar[str] = "reactome"
    sources: ClassVar[tuple[str, ...]] = (*SOURCES["reactome"], *NAMES)

    @classmethod
    def build(cls, *, seed: int = 0) -> "Pathways":
        """Read the pathways and find their axes.

        Raises:
            UnavailableError: A source is nowhere here.
        """
        return _block(cls, seed)


@final
@dataclass(frozen=True, eq=False)
class Interactions(GeneTable):
    """Leading axes of how near genes are on random walks along physical interactions (IntAct, STRING's experiments)."""

    name: ClassVar[str] = "ppi"
    sources: ClassVar[tuple[str, ...]] = (*SOURCES["ppi"], *NAMES)

    @classmethod
    def build(cls, *, seed: int = 0) -> "Interactions":
        """Read the interactions, walk them, and find their axes.

        Raises:
            UnavailableError: A source is nowhere here.
        """
        return _block(cls, seed)


@final
@dataclass(frozen=True, eq=False)
class Compartments(GeneTable):
    """In which compartments of the cell a gene's protein is found; one axis each, rare ones counting more."""

    name: ClassVar[str] = "compartments"
    sources: ClassVar[tuple[str, ...]] = ("compartments", *NAMES)

    @classmethod
    def build(cls) -> "Compartments":
        """Read the table.

        Raises:
            UnavailableError: A source is nowhere here.
        """
        table = pd.read_csv(catalog.path("compartments")).dropna().astype(str)
        table = table.assign(SYMBOL=resolve(table["SYMBOL"]).current).drop_duplicates()
        genes, places = pd.Index(sorted(set(table["SYMBOL"]))), pd.Index(sorted(set(table["compartment"])))
        values = np.zeros((len(genes), len(places)))
        values[genes.get_indexer(table["SYMBOL"]), places.get_indexer(table["compartment"])] = 1.0
        values *= np.log1p(len(genes) / values.sum(axis=0))
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        return cls(tuple(genes), values, {**notes(*cls.sources), "axes": list(places)})


@final
@dataclass(frozen=True, eq=False)
class Regulators(GeneTable):
    """Leading axes of which transcription factors raise or lower a gene (DoRothEA)."""

    name: ClassVar[str] = "regulated-by"
    sources: ClassVar[tuple[str, ...]] = ("dorothea", *NAMES)

    @classmethod
    def build(cls, *, dim: int = 48, seed: int = 0) -> "Regulators":
        """Read the regulons, and find the axes of targets.

        Args:
            dim: Axes.
            seed: Of the decomposition.

        Raises:
            UnavailableError: A source is nowhere here.
        """
        _, targets, signed = _regulons()
        return cls(targets, leading_axes(signed.T.tocsr(), dim, seed), notes(*cls.sources))


@final
@dataclass(frozen=True, eq=False)
class Targets(GeneTable):
    """Leading axes of which genes a transcription factor raises or lowers (DoRothEA); others are not known."""

    name: ClassVar[str] = "regulates"
    sources: ClassVar[tuple[str, ...]] = ("dorothea", *NAMES)

    @classmethod
    def build(cls, *, dim: int = 48, seed: int = 0) -> "Targets":
        """Read the regulons, and find the axes of factors.

        Args:
            dim: Axes.
            seed: Of the decomposition.

        Raises:
            UnavailableError: A source is nowhere here.
        """
        factors, _, signed = _regulons()
        return cls(factors, leading_axes(signed, dim, seed), notes(*cls.sources))


def _regulons() -> tuple[tuple[str, ...], tuple[str, ...], sparse.csr_matrix]:
    """Factors, targets, and their signed links, a target counting the more the fewer factors it has."""
    links = regulons()
    factors, targets = pd.Index(sorted(set(links["tf"]))), pd.Index(sorted(set(links["target"])))
    rows, columns = factors.get_indexer(links["tf"]), targets.get_indexer(links["target"])
    rarity = np.log1p(len(factors) / np.bincount(columns, minlength=len(targets)))
    weights = links["link"].to_numpy() * rarity[columns]
    signed = sparse.csr_matrix((weights, (rows, columns)), shape=(len(factors), len(targets)))
    return tuple(factors), tuple(targets), signed


def _block(cls: type[T], seed: int) -> T:
    known = gene_priors(blocks=(cls.name,), seed=seed)
    return cls(tuple(map(str, known.entities.index)), known.values, notes(*cls.sources))
