"""Sequences with what was measured of each, by name: one row per molecule, or per pair of a protein and a compound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.foreign_text import parse_json
from aivc.core.molecule import Molecule
from aivc.core.units import parse_units
from aivc.core.variant import Variant
from aivc.data import catalog
from aivc.data.molecules.letters import read_fasta
from aivc.data.names.gene_files import open_text

# The measured domain; the chain that FLIP writes goes on with the protein it was crystallized with.
_GB1_LETTERS, _GB1_SITES = 56, (38, 39, 40, 53)
_LAC = "AATTAATGTGAGTTAGCTCACTCATTAGGCACCCCAGGCTTTACACTTTATGCTTCCGGCTCGTATGTTGTGTGG"
_AMYLOID = "DAEFRHDSGYEVHHQKLVFFAEDVGSNKGAIIGLMVGGVVIA"
_PARTS = {"training": "train", "validation": "valid", "test": "test"}
_GENE_COLUMNS = ("ensembl_gene_id", "external_gene_name")
_LEVELS = {"protein": "p", "dna": "n", "rna": "n"}


@final
@dataclass(frozen=True, eq=False)
class SequenceTable:
    """Molecules, what was measured of each, and the splits that were published.

    Attributes:
        name: Name in the catalog.
        kind: ``protein``, ``dna`` or ``rna``.
        names: ``(n,)`` what each molecule is called; the sequence itself where it has no other name.
        sequence: ``(n,)`` letters; empty where the data do not hold them.
        values: ``n`` rows, one column per readout; NaN where not measured; no column where nothing was.
        units: Of every readout.
        splits: ``n`` rows, one column per published split, with ``train``, ``valid``, ``test`` or, for a molecule that
            the split leaves out, an empty text; no column where none was published.
        reference: The molecule that all rows are variants of; empty where there is none.
        background: ``(n,)`` the molecule that a row is a variant of: the reference, where there is one for all.
        group: ``(n,)`` molecules of one group must not be parted by a split: they are one but for a name, a direction
            or a small change.
        details: ``n`` rows, other columns: counts, errors, distances.
        compound: ``(n,)`` SMILES of the other partner of a pair, or None.
        compound_names: ``(n,)`` its names, or None.
        provenance: JSON-ready notes of the catalog: source, licence, checksums, caveats.

    Raises:
        DataError: Columns of another length than the sequences, or labels of a split that are none.
    """

    name: str
    kind: str
    names: np.ndarray
    sequence: np.ndarray
    values: pd.DataFrame
    units: str
    splits: pd.DataFrame
    reference: str
    background: np.ndarray
    group: np.ndarray
    details: pd.DataFrame
    provenance: Mapping[str, Any] = field(default_factory=dict)
    compound: np.ndarray | None = None
    compound_names: np.ndarray | None = None

    def __post_init__(self) -> None:
        parse_units(self.units)
        sides = (self.names, self.values, self.splits, self.background, self.group, self.details)
        pair = [side for side in (self.compound, self.compound_names) if side is not None]
        if any(len(side) != len(self.sequence) for side in (*sides, *pair)):
            raise DataError([f"Every column of {self.name} has {len(self.sequence)} rows, one per sequence."])
        labels = {str(label) for split in self.splits for label in self.splits[split].unique()}
        if odd := labels - {"train", "valid", "test", ""}:
            raise DataError([f"A split of {self.name} says {sorted(odd)[0]!r}. Say train, valid, test or nothing."])

    def __len__(self) -> int:
        return len(self.sequence)

    def __repr__(self) -> str:
        readouts = ", ".join(map(str, self.values)) or "nothing measured"
        return f"SequenceTable({self.name}: {len(self)} {self.kind} rows, {readouts})"

    @property
    def protein(self) -> np.ndarray:
        """``(n,)`` sequences of the proteins, one partner of each pair.

        Raises:
            DataError: The rows are not proteins.
        """
        if self.kind != "protein":
            raise DataError([f"{self.name} holds {self.kind}. Its letters are in `sequence`."])
        return self.sequence

    def take(self, rows: np.ndarray) -> "SequenceTable":
        """Keep some rows: positions, or True per row."""
        arrays = {name: getattr(self, name)[rows] for name in ("names", "sequence", "background", "group")}
        frames = {name: getattr(self, name).iloc[rows] for name in ("values", "splits", "details")}
        pair = [None if side is None else side[rows] for side in (self.compound, self.compound_names)]
        return replace(self, **arrays, **frames, compound=pair[0], compound_names=pair[1])

    def molecules(self) -> tuple[Molecule, ...]:
        """Return the rows as molecules: variants of a named reference say what they change; without letters, genes."""
        species = self.provenance.get("species", "human")
        species = species if species in ("human", "mouse") else ""
        level, parent = _LEVELS[self.kind], str(self.provenance.get("molecule", ""))
        rows = zip(self.names, self.sequence, self.background, strict=True)
        return tuple(_molecule(self.kind, level, species, parent, *map(str, row)) for row in rows)


def load_sequences(name: str) -> SequenceTable:
    """Read sequences and what was measured of them.

    Args:
        name: Name in the catalog, such as ``gb1-four-site``; `sequence_names` lists them.

    Raises:
        UnknownNameError: No such table of sequences.
        UnavailableError: It is nowhere here and cannot be fetched.
        IntegrityError: A file is there, but is not the one the catalog means.
    """
    if name not in _READERS:
        raise UnknownNameError("table of sequences", name, _READERS)
    files = {file.name: catalog.path(name, file.name) for file in catalog.entry(name).files}
    columns = _READERS[name](files)
    provenance = {
        **catalog.entry(name).provenance(),
        "species": catalog.entry(name).species,
        "molecule": _PARENTS.get(name, ""),
    }
    return _table(name, provenance, **columns)


def sequence_names() -> list[str]:
    """Every table that `load_sequences` reads.

    >>> "davis" in sequence_names()
    True
    """
    return sorted(_READERS)


def _table(name: str, provenance: Mapping[str, Any], *, sequence: Any, kind: str, **columns: Any) -> SequenceTable:
    """Fill in what a table of this kind does not have."""
    letters = _texts(sequence)
    reference = columns.pop("reference", "")
    empty = pd.DataFrame(index=pd.RangeIndex(len(letters)))
    frames = {part: columns.pop(part, empty).reset_index(drop=True) for part in ("values", "splits", "details")}
    names = _texts(columns.pop("names", letters))
    background = _texts(columns.pop("background", np.full(len(letters), reference, dtype=object)))
    group = _texts(columns.pop("group", letters if letters.all() else names))
    units = columns.pop("units", "arbitrary")
    return SequenceTable(
        name=name,
        kind=kind,
        names=names,
        sequence=letters,
        units=units,
        reference=reference,
        background=background,
        group=group,
        provenance=provenance,
        **frames,
        **columns,
    )


def _texts(values: Any) -> np.ndarray:
    return np.array([str(value) for value in values], dtype=object)


def _molecule(kind: str, level: str, species: str, parent: str, name: str, letters: str, background: str) -> Molecule:
    if not letters:
        return Molecule("gene", name, species)
    if not parent or not background or len(background) != len(letters):
        return Molecule(kind, name, species, "", letters)
    variant = Variant.between(background, letters, level)
    # Behind a stop nothing is made, whatever letters the file goes on with.
    made = variant.apply(background)
    return Molecule(kind, parent, species, str(variant) if variant.changes else "", made)


def _gb1(files: Mapping[str, Path]) -> dict[str, Any]:
    path = files["variants"]
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, keep_default_na=False)
    with open_text(files["reference"]) as lines:
        chain = "".join(line.strip() for line in lines if not line.startswith(">"))
    reference = chain[:_GB1_LETTERS]
    a, b, c, d = _GB1_SITES
    sequence = [
        f"{reference[:a]}{v[0]}{reference[a + 1 : b]}{v[1]}{reference[b + 1 : c]}{v[2]}{reference[c + 1 : d]}{v[3]}"
        f"{reference[d + 1 :]}"
        for v in table["Variants"]
    ]
    splits = table[["one_vs_rest", "two_vs_rest", "three_vs_rest", "sampled", "low_vs_high"]]
    return {
        "kind": "protein",
        "sequence": sequence,
        "names": table["Variants"],
        "values": table[["Fitness"]].astype(float).rename(columns={"Fitness": "fitness"}),
        "splits": splits.fillna("").astype(object),
        "reference": reference,
        "details": table[["HD", "Count input", "Count selected"]].rename(
            columns={"HD": "changes", "Count input": "count_input", "Count selected": "count_selected"}
        ),
    }


def _mavenn(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = pd.read_csv(path)
    return table, pd.DataFrame({"published": table["set"].map(_PARTS)})


def _amyloid(files: Mapping[str, Path]) -> dict[str, Any]:
    table, splits = _mavenn(files["variants"])
    return {
        "kind": "protein",
        "sequence": table["x"],
        "values": pd.DataFrame({"nucleation": table["y"]}),
        "units": "score",
        "splits": splits,
        "reference": _AMYLOID,
        "details": table[["dist", "dy"]].rename(columns={"dist": "changes", "dy": "standard_error"}),
    }


def _mpsa(files: Mapping[str, Path]) -> dict[str, Any]:
    table, splits = _mavenn(files["variants"])
    return {
        "kind": "rna",
        "sequence": table["x"],
        "values": pd.DataFrame({"log10_psi": table["y"]}),
        "splits": splits,
        "details": table[["tot_ct", "ex_ct"]].rename(columns={"tot_ct": "count_total", "ex_ct": "count_included"}),
    }


def _sortseq(files: Mapping[str, Path]) -> dict[str, Any]:
    table, splits = _mavenn(files["variants"])
    counts = table[[f"ct_{i}" for i in range(10)]].astype(float)
    sorted_nb = counts.to_numpy()[:, 1:]
    reads = sorted_nb.sum(axis=1)
    mean = np.divide(sorted_nb @ np.arange(1, 10), reads, out=np.full(len(reads), np.nan), where=reads > 0)
    return {
        "kind": "dna",
        "sequence": table["x"],
        "values": pd.DataFrame({"mean_bin": mean}),
        "splits": splits,
        "reference": _LAC,
        "details": counts.rename(columns=lambda name: str(name).replace("ct_", "bin_")),
    }


def _lentimpra(files: Mapping[str, Path]) -> dict[str, Any]:
    table = pd.read_csv(files["elements"], sep="\t")
    reverse = table["seq_id"].str.contains(r"_Reversed:|_R(?=$|_)", regex=True)
    return {
        "kind": "dna",
        "sequence": table["seq"],
        "names": table["seq_id"].str.rstrip(":"),
        "values": pd.DataFrame({"log2_rna_per_dna": table["mean_value"]}),
        "units": "log2fc",
        "group": table["seq_id"].str.replace(r"_Reversed:|_[FR](?=$|_)", "", regex=True),
        "details": pd.DataFrame({"reversed": reverse}),
    }


def _fast_utr(files: Mapping[str, Path]) -> dict[str, Any]:
    table = pd.read_csv(files["variants"], sep="\t", header=None, names=["sequence", "effect"])
    letters = table["sequence"].str.replace("T", "U").to_numpy()
    unchanged = letters[1::2]
    return {
        "kind": "rna",
        "sequence": letters[::2],
        "values": pd.DataFrame({"stability_change": table["effect"].to_numpy()[::2]}),
        "units": "score",
        "background": unchanged,
        "group": unchanged,
    }


def _half_lives(files: Mapping[str, Path]) -> dict[str, Any]:
    path = files["table"]
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, sep="\t", keep_default_na=False)
    return {
        "kind": "rna",
        "sequence": np.full(len(table), "", dtype=object),
        "names": table["external_gene_name"].where(table["external_gene_name"] != "", table["ensembl_gene_id"]),
        "values": table.drop(columns=list(_GENE_COLUMNS)).replace("NA", np.nan).astype(float),
        "details": table[["ensembl_gene_id"]],
    }


def _davis(files: Mapping[str, Path]) -> dict[str, Any]:
    ligands, proteins = _entities(files["ligands"], "ligands_smiles"), _entities(files["proteins"], "protein_sequences")
    if files["affinity"].suffix == ".parquet":
        pairs = pd.read_parquet(files["affinity"]).astype({"drug": str, "protein": str})
    else:
        affinity_dp = 9 - np.log10(np.loadtxt(files["affinity"], ndmin=2))
        drug, protein = (side.ravel() for side in np.indices(affinity_dp.shape))
        names = {"drug": _texts(ligands)[drug], "protein": _texts(proteins)[protein]}
        pairs = pd.DataFrame({**names, "affinity": affinity_dp.ravel()})
    sequence = [proteins[name] for name in pairs["protein"]]
    return {
        "kind": "protein",
        "sequence": sequence,
        "names": pairs["protein"],
        "values": pairs[["affinity"]].astype(float).rename(columns={"affinity": "pkd"}),
        "group": sequence,
        "compound": np.array([ligands[name] for name in pairs["drug"]], dtype=object),
        "compound_names": _texts(pairs["drug"]),
    }


def _entities(path: Path, key: str) -> dict[str, str]:
    """Names and texts: both kinds in one prepared file, or each in its own."""
    with open_text(path) as stream:
        found = parse_json(stream.read(), path)
    return {str(name): str(text) for name, text in found.get(key, found).items()}


def _yeast(files: Mapping[str, Path]) -> dict[str, Any]:
    found = read_fasta(files["sequences"], "protein")
    return {"kind": "protein", "sequence": list(found.values()), "names": list(found)}


# What the reference of a table is called, so that its variants can be named after it.
_PARENTS = {"gb1-four-site": "GB1", "amyloid-beta": "amyloid-beta", "sortseq-lac": "lac-promoter"}
_READERS: Mapping[str, Callable[[Mapping[str, Path]], dict[str, Any]]] = {
    "gb1-four-site": _gb1,
    "amyloid-beta": _amyloid,
    "mpsa-brca2": _mpsa,
    "sortseq-lac": _sortseq,
    "lentimpra-hepg2": _lentimpra,
    "lentimpra-wtc11": _lentimpra,
    "fast-utr": _fast_utr,
    "mrna-stability": _half_lives,
    "mrna-halflife": _half_lives,
    "davis": _davis,
    "yeast-proteins": _yeast,
}
