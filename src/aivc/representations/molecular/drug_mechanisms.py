"""Compounds by what they act on and how, from the packaged table: nothing to download, nothing to install."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.molecule import Molecule
from aivc.core.provider import Embedding, Provider
from aivc.data.priors.mechanism_table import UNKNOWN, Mechanism, mechanism_of, mechanisms
from aivc.representations.molecular.gene_table import notes

_VERSION, _SOURCE = "1", "drug-mechanisms"
# Shares of a drug's squared length: the kernel of two drugs is the sum of the shares that they have in common.
_SHARES: Mapping[str, float] = {"target": 0.25, "action": 0.15, "mechanism": 0.4, "group": 0.2}
# What an action does to its target's activity: drugs that push one target apart share the target and no more.
_WAYS: Mapping[str, str] = {
    "inhibitor": "less",
    "antagonist": "less",
    "degrader": "less",
    "agonist": "more",
    "activator": "more",
}


@final
@dataclass(frozen=True, eq=False)
class DrugMechanisms(Provider):
    """Targets, direction of action, mechanism and group of mechanisms of a compound, scaled to length one.

    The cosine of two drugs is high where the mechanism is the same, some where the group is or where targets are
    shared, and zero where nothing is. What the table leaves open (no target, no established mechanism) goes to an axis
    of the drug's own, so that not knowing makes no two drugs alike. A compound that is not in the table, or of which it
    says nothing, comes back masked.

    Attributes:
        compounds: ``c`` canonical names.
        values: ``(c, d)`` vectors.
        axes: ``d`` texts, such as ``target MAP2K1`` or ``mechanism MEK inhibitor``.
    """

    name: ClassVar[str] = "drug-mechanisms"
    kinds: ClassVar[tuple[str, ...]] = ("compound",)
    compounds: tuple[str, ...]
    values: Float[np.ndarray, "c d"]
    axes: tuple[str, ...]

    @classmethod
    def available(cls) -> str | None:
        """None: its table comes with the package."""
        return None

    @classmethod
    def build(cls) -> "DrugMechanisms":
        """Read the packaged table."""
        return cls.of([each for each in mechanisms().values() if each.known])

    @classmethod
    def of(cls, known: Sequence[Mechanism]) -> "DrugMechanisms":
        """Take mechanisms as they are given."""
        weights = [_weights(each) for each in known]
        axes = sorted({axis for each in weights for axis in each})
        column = {axis: i for i, axis in enumerate(axes)}
        values_cd = np.zeros((len(known), len(axes)))
        for row, each in enumerate(weights):
            values_cd[row, [column[axis] for axis in each]] = np.sqrt(list(each.values()))
        return cls(tuple(each.compound for each in known), values_cd, tuple(axes))

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Look compounds up by any of their names; other kinds come back masked."""
        found = [mechanism_of(m.name) if m.kind == "compound" else None for m in molecules]
        rows = np.array([-1 if each is None else self._index.get(each.compound, -1) for each in found], dtype=int)
        known = rows >= 0
        values = np.zeros((len(rows), self.dim))
        values[known] = self.values[rows[known]]
        return Embedding(values, known, self.provenance)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and that it saw no data."""
        return {"name": self.name, "version": _VERSION, "saw": [], **notes(_SOURCE), "digest": self.state().digest()}

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.compounds)}


def _weights(drug: Mechanism) -> dict[str, float]:
    """Squared length of each axis of a drug; they add up to one."""
    found: dict[str, float] = {}
    if drug.mechanism != UNKNOWN:
        found |= {f"mechanism {drug.mechanism}": _SHARES["mechanism"], f"group {drug.group}": _SHARES["group"]}
    way = _WAYS.get(drug.action, drug.action)
    for gene in drug.targets:
        found[f"target {gene}"] = _SHARES["target"] / len(drug.targets)
        found[f"action {way} {gene}"] = _SHARES["action"] / len(drug.targets)
    left = 1 - sum(found.values())
    return found if left < 1e-9 else {**found, f"own {drug.compound}": left}
