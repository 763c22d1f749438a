"""What drugs act on and how: the packaged table of 507 compounds, written for this project (CC0)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import final

from aivc.data.names.compound_names import canonical, mechanism_rows

UNKNOWN = "unknown"
_ROTATION = re.compile(r"\(([+\-−–])\)")


@final
@dataclass(frozen=True)
class Mechanism:
    """What one compound does.

    Attributes:
        compound: Canonical name.
        targets: Human gene symbols of the principal targets; empty where none is known, or none is a human protein.
        action: Such as ``inhibitor`` or ``agonist``; ``other`` where none of them fits.
        mechanism: Class; ``unknown`` where it is not established.
        group: Broader class.
        confidence: ``high``, ``medium`` or ``low``.
    """

    compound: str
    targets: tuple[str, ...]
    action: str
    mechanism: str
    group: str
    confidence: str

    @property
    def known(self) -> bool:
        """Whether the table says anything: a target, or a mechanism."""
        return bool(self.targets) or self.mechanism != UNKNOWN


@cache
def mechanisms() -> Mapping[str, Mechanism]:
    """All compounds of the table, by canonical name.

    >>> mechanisms()["trametinib"].targets
    ('MAP2K1', 'MAP2K2')
    """
    found = {row["canonical"]: row for row in mechanism_rows()}
    return MappingProxyType(
        {
            name: Mechanism(
                name,
                tuple(filter(None, row["targets"].split(";"))),
                row["action"],
                row["mechanism"],
                row["mechanism_group"],
                row["confidence"],
            )
            for name, row in sorted(found.items())
        }
    )


def mechanism_of(name: str) -> Mechanism | None:
    """What a compound does, by any of its names (`canonical`); None where nothing is known.

    A name that states the rotation opposite to the one the table states is another isomer, of which nothing is known:
    (-)-JQ1 binds no bromodomain, though it belongs to the family of JQ1.

    >>> mechanism_of("Trametinib (GSK1120212)").mechanism
    'MEK inhibitor'
    >>> mechanism_of("(-)-JQ1") is None
    True
    """
    found = canonical(name)
    if found is None or _opposite(name, found):
        return None
    said = mechanisms()[found]
    return said if said.known else None


def _opposite(name: str, found: str) -> bool:
    asked, stated = _rotations(name), _stated()[found]
    # A compound that the table also names without a sign is meant whatever its rotation.
    return bool(asked) and len(stated) == 1 and "" not in stated and not asked <= stated


@cache
def _stated() -> Mapping[str, frozenset[str]]:
    """Rotations stated by the names of each compound; ``""`` for a name that states none."""
    found: dict[str, set[str]] = {}
    for row in mechanism_rows():
        found.setdefault(row["canonical"], set()).update(_rotations(row["name"]) or {""})
    return {name: frozenset(signs) for name, signs in found.items()}


def _rotations(name: str) -> frozenset[str]:
    return frozenset("+" if sign == "+" else "-" for sign in _ROTATION.findall(name))
