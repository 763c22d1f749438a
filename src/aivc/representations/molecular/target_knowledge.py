"""Compounds by what is known of the genes they act on, so that two drugs of one pathway are near each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.errors import DataError
from aivc.core.molecule import Molecule
from aivc.core.provider import Embedding
from aivc.core.ur import UR
from aivc.data.priors.gene_priors import SOURCES, gene_priors
from aivc.data.priors.mechanism_table import mechanism_of, mechanisms
from aivc.representations.molecular.compound_table import CompoundTable
from aivc.representations.molecular.compounds import KnownTargets
from aivc.representations.molecular.gene_table import NAMES, lacking, notes

_PATHWAYS = ("drug-mechanisms", *NAMES, *SOURCES["reactome"])
_FILES = ("jump-target", *NAMES, *dict.fromkeys(source for block in SOURCES.values() for source in block))


@final
@dataclass(frozen=True, eq=False)
class TargetKnowledge(CompoundTable):
    """Mean of the gene priors of a compound's known targets (`aivc.data.priors.gene_priors.gene_priors`)."""

    name: ClassVar[str] = "target-knowledge"

    @classmethod
    def available(cls) -> str | None:
        """None where its files are here or can be fetched."""
        return lacking(*_FILES)

    @classmethod
    def build(cls) -> "TargetKnowledge":
        """Join the targets of the JUMP target set with interactions and annotations of genes.

        Raises:
            UnavailableError: A file is nowhere here.
        """
        return cls.of(KnownTargets.build(), gene_priors())

    @classmethod
    def of(cls, targets: KnownTargets, genes: UR) -> "TargetKnowledge":
        """Take targets and what is known of genes as they are given.

        Args:
            targets: Which genes each compound acts on.
            genes: Molecular UR of genes, rows named by symbol.

        Raises:
            DataError: Nothing is known of any target.
        """
        return cls(*_means(targets, genes), {**notes(*_FILES), "genes": str(genes.space)})


@final
@dataclass(frozen=True, eq=False)
class TargetPathways(CompoundTable):
    """Mean of the pathways (Reactome) of a compound's targets in the packaged table of drug mechanisms."""

    name: ClassVar[str] = "target-pathways"

    @classmethod
    def available(cls) -> str | None:
        """None where its files are here or can be fetched."""
        return lacking(*_PATHWAYS)

    @classmethod
    def build(cls) -> "TargetPathways":
        """Join the targets of the packaged table with the pathways of genes.

        Raises:
            UnavailableError: A file is nowhere here.
        """
        targets = KnownTargets.of({each.compound: each.targets for each in mechanisms().values() if each.targets})
        genes = gene_priors(blocks=["reactome"])
        return cls(*_means(targets, genes), {**notes(*_PATHWAYS), "genes": str(genes.space)})

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Look compounds up by any of their names; the other isomer of one in the table comes back masked."""
        said = super().embed(molecules)
        known = said.known & np.array([mechanism_of(m.name) is not None for m in molecules], dtype=bool)
        return Embedding(said.values * known[:, None], known, said.provenance)


def _means(targets: KnownTargets, genes: UR) -> tuple[tuple[str, ...], Float[np.ndarray, "c d"]]:
    """Compounds of which anything is known, and the mean of their targets' rows, scaled to length one.

    Raises:
        DataError: Nothing is known of any target.
    """
    row_t = genes.entities.index.get_indexer(list(targets.genes))
    acts_ct = (targets.values > 0) & (row_t >= 0)
    known = acts_ct.any(axis=1)
    if not known.any():
        raise DataError(["None of the targets has a row among the genes. Name both by current human symbols."])
    weight_ct = acts_ct[known] / acts_ct[known].sum(axis=1, keepdims=True)
    mean_cd = weight_ct @ np.where((row_t >= 0)[:, None], genes.values[row_t], 0.0)
    length_c1 = np.linalg.norm(mean_cd, axis=1, keepdims=True)
    compounds = tuple(name for name, kept in zip(targets.compounds, known, strict=True) if kept)
    return compounds, mean_cd / np.where(length_c1 > 0, length_c1, 1.0)
