"""What a library of candidates is held to: genes that are expressed or druggable, plates and cost of combinations."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from aivc.core.errors import UnitsError
from aivc.core.perturbation import Perturbation
from aivc.core.units import log1p_target
from aivc.core.virtual_cell import VirtualCell
from aivc.data.names.compound_names import mechanism_rows
from aivc.data.names.own_genes import GeneColumns
from aivc.experiments.batch import beginning
from aivc.experiments.targets import YES, expression


class Limit(ABC):
    """A constraint on whole combinations, applied to what is taken from a library.

    Attributes:
        name: Under which it counts what it leaves out.
    """

    name: ClassVar[str]

    @abstractmethod
    def admits(self, perturbation: Perturbation) -> bool:
        """Whether a candidate is kept."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Its name and what it was given."""

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> "Limit":
        """The inverse of `to_json`.

        Raises:
            ValueError: No such limit.
        """
        if body["name"] == OnPlates.name:
            return OnPlates({str(k): str(v) for k, v in body["plates"].items()}, int(body["most"]))
        if body["name"] == WithinCost.name:
            return WithinCost({str(k): float(v) for k, v in body["prices"].items()}, float(body["most"]))
        raise ValueError(f"limits are {OnPlates.name} and {WithinCost.name}, got {str(body['name'])[:60]!r}")


@final
@dataclass(frozen=True, eq=True)
class OnPlates(Limit):
    """The agents of a candidate come from few plates.

    Attributes:
        plates: Name of its plate by target.
        most: How many plates there may be.
    """

    plates: Mapping[str, str]
    most: int = 1
    name: ClassVar[str] = "plate"

    def admits(self, perturbation: Perturbation) -> bool:
        """Whether all agents are on a plate, and on few enough of them."""
        found = {self.plates.get(target) for target in perturbation.targets}
        return None not in found and len(found) <= self.most

    def to_json(self) -> dict[str, Any]:
        """Its name, plates and how many there may be."""
        return {"name": self.name, "plates": dict(self.plates), "most": self.most}


@final
@dataclass(frozen=True, eq=True)
class WithinCost(Limit):
    """The agents of a candidate cost little together.

    Attributes:
        prices: By target.
        most: Sum of prices that is still admitted.
    """

    prices: Mapping[str, float]
    most: float
    name: ClassVar[str] = "cost"

    def admits(self, perturbation: Perturbation) -> bool:
        """Whether the prices of all agents are known and add up to no more than ``most``."""
        return bool(sum(self.prices.get(target, float("inf")) for target in perturbation.targets) <= self.most)

    def to_json(self) -> dict[str, Any]:
        """Its name, prices and their most."""
        return {"name": self.name, "prices": dict(self.prices), "most": self.most}


def expressed_genes(
    cell: VirtualCell, genes: Iterable[str], context: str = "", least: float | None = None
) -> frozenset[str]:
    """Genes that control cells of a context express, by their decoded mean profile.

    Args:
        cell: Whose control states are read out.
        genes: Names to look for among its features.
        context: Needed where the cell keeps several.
        least: Mean reading from which a gene counts, in the units of the cell; unless given, the rule of
            `aivc.experiments.targets.target_columns`.

    Raises:
        UnitsError: Units that are no logarithms of counts, and no ``least``.
        UnknownNameError: The cell keeps no such context.
    """
    read = cell.decode(beginning(cell, context, None))
    level_f, units = np.asarray(read.mean), read.profile_units
    if least is None and log1p_target(units) is None:
        raise UnitsError(
            f"Whether a gene is expressed is judged in logarithms of counts, and this cell reads {units}. "
            "Say from which mean reading a gene counts: least=0.1."
        )
    columns = GeneColumns.of(read.draws[0].features)

    def is_expressed(gene: str) -> bool:
        # Of a gene with several columns, the one read most speaks for it.
        levels = [float(level_f[place]) for place in columns.find(gene)]
        if not levels or least is not None:
            return bool(levels and max(levels) >= (least or 0.0))
        return bool(expression([max(levels)], units) == YES)

    return frozenset(gene for gene in genes if is_expressed(gene.split(":")[0]))


def gene_targets() -> frozenset[str]:
    """Genes that a drug acts on, by the packaged table of drug mechanisms."""
    return frozenset(gene for row in mechanism_rows() for gene in row["targets"].split(";") if gene)
