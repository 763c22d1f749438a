"""Gene names: which gene a name means today, how that is known, and which names mean none; nothing is dropped."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import DataError, UnavailableError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS
from aivc.data import catalog
from aivc.data.names.gene_files import GeneNames, only, read_names, table_from

HOW = ("exact", "case", "previous", "ensembl", "entrez", "ortholog", "ambiguous", "unknown")
FORMS = ("symbol", "ensembl")
# Names in the catalog of the files that say what genes of a species are called.
FILES: Mapping[str, tuple[str, ...]] = {
    "human": ("uniprot-human", "cellphonedb-genes", "mrna-halflife", "orthologs-symbols", "lincs-geneinfo"),
    "mouse": ("orthologs-symbols", "orthologs-ensembl", "cellphonedb-genes", "mrna-halflife"),
}


@final
@dataclass(frozen=True)
class Coverage:
    """How many names were understood, and how.

    Attributes:
        total: Names asked about.
        counts: How many by each way of `HOW`.
        renamed: Names that changed, old to new.
        unknown: Names nobody knows, or that mean several genes; they are kept as they came.
        merged: New names that several old ones share.

    >>> str(Coverage(2, {"exact": 1, "unknown": 1}, {}, ("RP11-1",), ()))
    '1 of 2 names are known genes (50 %): 1 exact; 1 unknown, kept as they are, first RP11-1.'
    """

    total: int
    counts: Mapping[str, int]
    renamed: Mapping[str, str]
    unknown: tuple[str, ...]
    merged: tuple[str, ...]

    @property
    def known(self) -> float:
        """Share of names that were understood, 0 to 1."""
        return 1 - len(self.unknown) / self.total if self.total else 1.0

    def __str__(self) -> str:
        ways = ", ".join(f"{self.counts[how]} {how}" for how in HOW[:6] if self.counts.get(how))
        known = self.total - len(self.unknown)
        lost = f"; {len(self.unknown)} unknown, kept as they are, first {self.unknown[0]}" if self.unknown else ""
        merged = f"; {len(self.merged)} names arose twice, first {self.merged[0]}" if self.merged else ""
        share = f"{known} of {self.total} names are known genes ({100 * self.known:.0f} %)"
        return f"{share}: {ways or 'none'}{lost}{merged}."

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "total": self.total,
            "known": self.known,
            "counts": dict(self.counts),
            "renamed": dict(self.renamed),
            "unknown": list(self.unknown),
            "merged": list(self.merged),
        }


@final
@dataclass(frozen=True)
class Resolved:
    """What each name means.

    Attributes:
        names: As asked.
        resolved: The name each means, or None.
        how: One of `HOW` for each.
    """

    names: tuple[str, ...]
    resolved: tuple[str | None, ...]
    how: tuple[str, ...]

    def to_dict(self) -> dict[str, str]:
        """Return the names that mean something, and what."""
        return {name: new for name, new in zip(self.names, self.resolved, strict=True) if new is not None}

    @property
    def current(self) -> tuple[str, ...]:
        """What each name means; the name as it came where it means none, or several."""
        return tuple(name if new is None else new for name, new in zip(self.names, self.resolved, strict=True))

    @property
    def coverage(self) -> Coverage:
        """How many names were understood, and how."""
        pairs = list(zip(self.names, self.resolved, strict=True))
        arisen = Counter(new for new in self.resolved if new is not None)
        return Coverage(
            total=len(pairs),
            counts=dict(Counter(self.how)),
            renamed={name: new for name, new in pairs if new is not None and new != name},
            unknown=tuple(name for name, new in pairs if new is None),
            merged=tuple(name for name, count in arisen.items() if count > 1),
        )


def resolve(
    names: Iterable[str], to: str = "symbol", *, species: str = "human", table: GeneNames | None = None
) -> Resolved:
    """Say which gene each name means today.

    Args:
        names: Symbols, earlier symbols, Ensembl ids (with or without version) or Entrez numbers, in any case.
        to: ``symbol`` or ``ensembl``.
        species: ``human`` or ``mouse``.
        table: Used instead of the catalog's.

    Raises:
        UnknownNameError: No such form or species.
        UnavailableError: The files about genes are nowhere here.
    """
    if to not in FORMS:
        raise UnknownNameError("form of gene names", to, FORMS)
    known = gene_table(species) if table is None else table
    names = tuple(map(str, names))
    found = [(known.symbol if to == "symbol" else known.identifier)(name) for name in names]
    return Resolved(names, tuple(new for new, _ in found), tuple(how for _, how in found))


def orthologs(names: Iterable[str], *, source: str = "mouse", target: str = "human") -> Resolved:
    """Say which gene of another species each name corresponds to.

    Of several candidates the one of the same name is taken; without one, the name is ambiguous.

    Raises:
        UnknownNameError: No such species.
        UnavailableError: The files about genes are nowhere here.
    """
    if {source, target} != set(FILES):
        raise UnknownNameError("pair of species", f"{source} to {target}", ["human to mouse", "mouse to human"])
    pairs = _ortholog_pairs(source)
    asked = resolve(names, species=source)
    found = [
        (None, how) if symbol is None else _nearest(symbol, pairs)
        for symbol, how in zip(asked.resolved, asked.how, strict=True)
    ]
    return Resolved(asked.names, tuple(new for new, _ in found), tuple(how for _, how in found))


def harmonize(
    measurement: Measurement, to: str = "symbol", *, species: str = "human", table: GeneNames | None = None
) -> tuple[Measurement, Coverage]:
    """Rename features to the names of today, and say what became of each.

    Unknown and ambiguous names are kept as they are. Where several features become one, counts are summed.

    Args:
        measurement: Features named by gene.
        to: ``symbol`` or ``ensembl``.
        species: ``human`` or ``mouse``.
        table: Used instead of the catalog's.

    Raises:
        DataError: Several features become one, and their values cannot be summed.
        UnavailableError: The files about genes are nowhere here.
    """
    found = resolve(measurement.features, to, species=species, table=table)
    renamed = found.current
    codes, unique = pd.factorize(np.array(renamed, dtype=object))
    if len(unique) == len(renamed):
        return measurement.replace(features=np.array(renamed, dtype=object)), found.coverage
    if measurement.units != COUNTS or not measurement.in_memory:
        why = f"values in {measurement.units}" if measurement.units != COUNTS else "values on disk"
        remedy = f"{why} cannot be summed. Keep one of them, or start from counts in memory."
        shared = [name for name, count in Counter(renamed).items() if count > 1]
        raise DataError([f"Several features become {name}, and {remedy}" for name in shared])
    return _summed(measurement, codes, np.asarray(unique, dtype=object)), found.coverage


def _summed(measurement: Measurement, codes: np.ndarray, unique: np.ndarray) -> Measurement:
    measurement.require_table("A sum of features")
    where = (np.ones(len(codes), dtype=np.float32), (np.arange(len(codes)), codes))
    onto = sparse.csr_matrix(where, shape=(len(codes), len(unique)))
    values = measurement.values @ onto
    observed = measurement.observed
    if observed is not None:
        # A sum was measured only where each of its parts was.
        observed = np.asarray((~observed).astype(np.float32) @ onto) == 0
    return measurement.replace(values=values, features=unique, observed=observed)


@cache
def gene_table(species: str = "human") -> GeneNames:
    """Return the genes of a species, from the catalog's files.

    Raises:
        UnknownNameError: No such species.
        UnavailableError: Some of the files are nowhere here; the message names them.
    """
    if species not in FILES:
        raise UnknownNameError("species", species, FILES)
    found, reasons = {}, {}
    for name in FILES[species]:
        try:
            found[name] = catalog.path(name)
        except UnavailableError as error:
            reasons[name] = str(error)
    if reasons:
        raise UnavailableError(
            f"The names of {species} genes are read from {len(FILES[species])} files, of which {len(reasons)} cannot "
            f"be had here: {', '.join(reasons)}. {next(iter(reasons.values()))}"
        )
    return table_from(found, species)


@cache
def _ortholog_pairs(source: str) -> dict[str, frozenset[str]]:
    pairs = read_names(catalog.path("orthologs-symbols"))
    human = resolve(pairs["symbol"], species="human").resolved
    found: dict[str, set[str]] = defaultdict(set)
    for here, there in zip(human, pairs["symbol_mouse"], strict=True):
        if here is not None:
            one, other = (here, there) if source == "human" else (there, here)
            found[one].add(other)
    return {name: frozenset(others) for name, others in found.items()}


def _nearest(symbol: str, pairs: Mapping[str, frozenset[str]]) -> tuple[str | None, str]:
    candidates = pairs.get(symbol, frozenset())
    # Of several relatives, the one that nomenclature gave the same name is the counterpart: Actb and ACTB.
    return only({name for name in candidates if name.casefold() == symbol.casefold()} or candidates, "ortholog")
