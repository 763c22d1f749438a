"""Families of targets, so that a plate does not hold ten subunits of one complex."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from aivc.core.perturbation import Perturbation

# Larger sets, such as all of metabolism, say little of what a target is like.
_LARGEST = 50


@final
@dataclass
class Families:
    """Counts the targets taken from each set of genes.

    Attributes:
        sets: Genes by name of the set, such as `aivc.data.priors.gene_sets.gene_sets("reactome")`; sets of more than
            fifty genes are not looked at.
        most: How many perturbations of one set are admitted.

    >>> families = Families({"A complex": frozenset({"A1", "A2"})}, most=1)
    >>> [families.admits(Perturbation.parse(text)) for text in ("ko:A1", "ko:A2", "ko:B")]
    [True, False, True]
    """

    sets: Mapping[str, frozenset[str]]
    most: int = 3
    _taken: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._of: dict[str, list[str]] = {}
        for name, genes in sorted(self.sets.items(), key=lambda pair: (len(pair[1]), pair[0])):
            for gene in genes if len(genes) <= _LARGEST else ():
                self._of.setdefault(gene, []).append(name)

    def admits(self, perturbation: Perturbation) -> bool:
        """Take a perturbation, unless one of its sets has given enough."""
        names = {name for gene in perturbation.genes for name in self._of.get(gene, ())}
        if any(self._taken[name] >= self.most for name in names):
            return False
        self._taken.update(names)
        return True

    def name(self, perturbation: Perturbation) -> str:
        """The smallest set that holds the target; empty where there is none."""
        return next((self._of[gene][0] for gene in perturbation.genes if gene in self._of), "")
