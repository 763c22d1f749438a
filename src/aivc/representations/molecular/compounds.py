"""Compounds by structure and by known targets; what needs RDKit says so, and the rest works without it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any, ClassVar, final
from zlib import crc32

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnavailableError
from aivc.core.molecule import Molecule
from aivc.core.provider import Embedding, Provider
from aivc.data import catalog
from aivc.data.names.compound_names import compound
from aivc.data.names.genes import resolve
from aivc.representations.molecular.compound_table import find
from aivc.representations.molecular.gene_table import NAMES, lacking, notes

_REMEDY = 'pip install "aivc[chem]"'
_VERSION = "1"
# Atoms in brackets, two-letter elements and ring numbers above nine are one letter of a SMILES.
_SYMBOL = re.compile(r"\[[^\]]+\]|Br|Cl|%\d\d|.")


def _no_rdkit() -> str | None:
    if find_spec("rdkit") is None:
        return f"The package rdkit is not installed: {_REMEDY}. SmilesWords reads structures without it, less well."
    return None


@final
@dataclass(frozen=True, eq=False)
class Morgan(Provider):
    """Circular fingerprint of the structure (RDKit's Morgan), counts of environments damped by a logarithm.

    Attributes:
        radius: Bonds around each atom.
        width: Number of axes that environments are folded to.
    """

    name: ClassVar[str] = "morgan"
    kinds: ClassVar[tuple[str, ...]] = ("compound",)
    radius: int = 2
    width: int = 2048

    @classmethod
    def available(cls) -> str | None:
        """None where RDKit is installed."""
        return _no_rdkit()

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Fold the environments of each compound that has a SMILES.

        Raises:
            UnavailableError: RDKit is not installed.
            DataError: A SMILES cannot be read.
        """
        if (missing := self.available()) is not None:
            raise UnavailableError(missing)
        from rdkit.Chem import rdFingerprintGenerator

        maker = rdFingerprintGenerator.GetMorganGenerator(radius=self.radius, fpSize=self.width)
        known = _with_structure(molecules)
        values = np.zeros((len(molecules), self.width), dtype=np.float32)
        for row in np.flatnonzero(known).tolist():
            values[row] = np.log1p(maker.GetCountFingerprintAsNumPy(_read(molecules[row])).astype(np.float32))
        return Embedding(_unit(values), known, self.provenance)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.width

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and that it saw no data."""
        return _stateless(self, "RDKit BSD-3-Clause")


# Middle and spread over drug-like compounds, so that no axis outweighs the others; rounded, not fitted.
_DESCRIPTORS: Mapping[str, tuple[float, float]] = {
    "MolWt": (380.0, 120.0),
    "MolLogP": (3.0, 1.8),
    "TPSA": (80.0, 40.0),
    "NumHDonors": (1.8, 1.5),
    "NumHAcceptors": (5.0, 2.3),
    "NumRotatableBonds": (5.0, 3.0),
    "RingCount": (3.3, 1.4),
    "NumAromaticRings": (2.3, 1.2),
    "FractionCSP3": (0.35, 0.2),
    "HeavyAtomCount": (27.0, 8.5),
    "NumHeteroatoms": (7.0, 3.0),
    "MolMR": (103.0, 32.0),
    "LabuteASA": (160.0, 50.0),
    "BertzCT": (900.0, 400.0),
    "BalabanJ": (1.8, 0.5),
}


@final
@dataclass(frozen=True, eq=False)
class Descriptors(Provider):
    """Size, polarity, flexibility and rings of a compound (RDKit), on fixed scales and squashed to -3 … 3."""

    name: ClassVar[str] = "descriptors"
    kinds: ClassVar[tuple[str, ...]] = ("compound",)

    @classmethod
    def available(cls) -> str | None:
        """None where RDKit is installed."""
        return _no_rdkit()

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Compute the descriptors of each compound that has a SMILES.

        Raises:
            UnavailableError: RDKit is not installed.
            DataError: A SMILES cannot be read.
        """
        if (missing := self.available()) is not None:
            raise UnavailableError(missing)
        from rdkit.Chem import Descriptors as Computed
        from rdkit.Chem import rdMolDescriptors

        known = _with_structure(molecules)
        values = np.zeros((len(molecules), self.dim))
        for row in np.flatnonzero(known).tolist():
            structure = _read(molecules[row])
            for column, (name, (middle, spread)) in enumerate(_DESCRIPTORS.items()):
                compute = rdMolDescriptors.CalcLabuteASA if name == "LabuteASA" else getattr(Computed, name)
                values[row, column] = 3 * np.tanh((compute(structure) - middle) / spread / 3)
        return Embedding(values, known, self.provenance)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(_DESCRIPTORS)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and that it saw no data."""
        return {**_stateless(self, "RDKit BSD-3-Clause"), "axes": list(_DESCRIPTORS)}


@final
@dataclass(frozen=True, eq=False)
class SmilesWords(Provider):
    """Words of 1 to k symbols in a SMILES as it is written: no chemistry, so two ways to write one compound differ.

    It stands in where RDKit is not installed; with it, canonical SMILES make it more stable, and `Morgan` is better.

    Attributes:
        longest: k.
        width: Number of axes.
    """

    name: ClassVar[str] = "smiles-words"
    kinds: ClassVar[tuple[str, ...]] = ("compound",)
    longest: int = 5
    width: int = 1024

    @classmethod
    def available(cls) -> str | None:
        """None: it needs nothing."""
        return None

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Count the words of each compound that has a SMILES."""
        known = _with_structure(molecules)
        values = np.zeros((len(molecules), self.width), dtype=np.float32)
        for row in np.flatnonzero(known).tolist():
            symbols = _SYMBOL.findall(molecules[row].sequence)
            for length in range(1, self.longest + 1):
                for start in range(len(symbols) - length + 1):
                    # Lengths are distinguished, so that "C" twice is not "CC".
                    word = crc32(f"{length}:{''.join(symbols[start : start + length])}".encode())
                    values[row, word % self.width] += 1
        return Embedding(_unit(np.log1p(values)), known, self.provenance)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.width

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and that it saw no data."""
        return _stateless(self, "Apache-2.0")


@final
@dataclass(frozen=True, eq=False)
class KnownTargets(Provider):
    """Which genes a compound is known to act on, one axis per gene, scaled to length one.

    Attributes:
        compounds: ``c`` names, without salt and punctuation.
        genes: ``d`` current symbols.
        values: ``(c, d)`` vectors.
        made_from: JSON-ready notes for the provenance.
    """

    name: ClassVar[str] = "known-targets"
    kinds: ClassVar[tuple[str, ...]] = ("compound",)
    compounds: tuple[str, ...]
    genes: tuple[str, ...]
    values: np.ndarray
    made_from: dict[str, Any]

    @classmethod
    def available(cls) -> str | None:
        """None where its file is here."""
        return lacking("jump-target")

    @classmethod
    def build(cls) -> "KnownTargets":
        """Read the annotations of the JUMP target set.

        Raises:
            UnavailableError: The file is nowhere here.
        """
        table = pd.read_csv(catalog.path("jump-target"), sep="\t", dtype=str, keep_default_na=False)
        table = table[(table["target_list"] != "") & (table["target_list"] != "NA")]
        # Salts and batches of one compound may be annotated apart: together they are what is known of it.
        rows: dict[str, set[str]] = {}
        for name, targets in zip(table["pert_iname"], table["target_list"], strict=True):
            rows.setdefault(compound(name), set()).update(targets.split("|"))
        return cls.of({name: sorted(each) for name, each in rows.items()}, notes("jump-target"))

    @classmethod
    def of(cls, targets: Mapping[str, Sequence[str]], made_from: Mapping[str, Any] | None = None) -> "KnownTargets":
        """Take compounds and their targets as they are given.

        Args:
            targets: Compound name → gene symbols.
            made_from: Where they come from: ``sources``, ``licence``, and under ``saw`` what was measured.

        Raises:
            DataError: Two compounds have one name, but not the same targets.
        """
        found: dict[str, tuple[str, ...]] = {}
        for name, given in targets.items():
            current = given if lacking(*NAMES) is not None else resolve(given).current
            mine = tuple(sorted(set(current)))
            if found.setdefault(compound(name), mine) != mine:
                raise DataError(
                    [f"Two compounds are called {compound(name)!r} and have other targets. Rename one of them."]
                )
        genes = sorted({gene for each in found.values() for gene in each})
        names = sorted(found)
        column = {gene: i for i, gene in enumerate(genes)}
        values = np.zeros((len(names), len(genes)), dtype=np.float32)
        for row, name in enumerate(names):
            values[row, [column[gene] for gene in found[name]]] = 1.0
        return cls(tuple(names), tuple(genes), _unit(values), dict(made_from or {}))

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Look compounds up by name, and by the names in brackets behind it."""
        rows = find(molecules, self._index)
        known = rows >= 0
        values = np.zeros((len(rows), self.dim), dtype=np.float32)
        values[known] = self.values[rows[known]]
        return Embedding(values, known, self.provenance)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.genes)

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and what data it saw."""
        return {"licence": "not stated", "saw": [], **self.made_from, "name": self.name, **_version(self)}

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.compounds)}


def _with_structure(molecules: Sequence[Molecule]) -> np.ndarray:
    return np.array([m.kind == "compound" and bool(m.sequence) for m in molecules], dtype=bool)


def _read(molecule: Molecule) -> Any:
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")
    structure = Chem.MolFromSmiles(molecule.sequence)
    if structure is None:
        raise DataError(
            [f"The SMILES of {molecule.name!r} cannot be read: {molecule.sequence!r}. Correct it, or leave it out."]
        )
    return structure


def _unit(values: np.ndarray) -> np.ndarray:
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12))


def _version(provider: Provider) -> dict[str, str]:
    return {"version": _VERSION, "digest": provider.state().digest()}


def _stateless(provider: Provider, licence: str) -> dict[str, Any]:
    return {"name": provider.name, **_version(provider), "licence": licence, "saw": []}
