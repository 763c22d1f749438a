"""Other names of a molecule, and its sequence: genes, proteins and compounds from the catalog's files."""

import importlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, final

import pandas as pd

from aivc.core.errors import MoleculeError, UnavailableError, UnknownNameError
from aivc.core.molecule import Molecule
from aivc.core.smiles import check_smiles, is_inchi_key
from aivc.data import catalog
from aivc.data.molecules.sequence_data import SequenceTable, load_sequences, sequence_names
from aivc.data.names.compound_names import compound
from aivc.data.names.gene_files import only, read_names
from aivc.data.names.genes import Resolved, orthologs, resolve

__all__ = [
    "Identity",
    "SequenceTable",
    "accessions",
    "canonical_smiles",
    "complete",
    "find_compound",
    "genes_of",
    "identify",
    "inchi_key",
    "load_sequences",
    "ortholog",
    "protein_of",
    "sequence_names",
]

# UniProt's own pattern, with the number of an isoform behind a dash.
_ACCESSION = re.compile(r"([OPQ]\d[A-Z\d]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z\d]{2}\d){1,2})(?:-\d+)?")
_CHEM = 'Install RDKit with pip install "aivc[chem]".'


@final
@dataclass(frozen=True)
class Identity:
    """One gene by the names that the catalog's files hold; None where they hold none, or several.

    Attributes:
        species: ``human`` or ``mouse``.
        symbol: Symbol of today.
        ensembl: Ensembl gene id.
        uniprot: Accession of the reviewed protein; of human genes only.
        ortholog: Symbol of the counterpart in the other of the two species.
    """

    species: str
    symbol: str
    ensembl: str | None
    uniprot: str | None
    ortholog: str | None


def identify(name: str, *, species: str = "human") -> Identity:
    """Give the names of a gene in other databases. Transcript ids are in no file of the catalog.

    Args:
        name: Symbol, earlier symbol, Ensembl id, Entrez number or, of a human gene, UniProt accession.
        species: ``human`` or ``mouse``.

    Raises:
        UnknownNameError: No such gene, or several, or no such species.
        UnavailableError: The files about genes are nowhere here.
    """
    symbol = resolve([name], species=species).resolved[0]
    if symbol is None and species == "human" and _ACCESSION.fullmatch(name):
        symbol = genes_of([name]).resolved[0]
    if symbol is None:
        raise UnknownNameError("gene", name, (), f"No {species} gene, or several, go by it: give its symbol of today.")
    other = {"human": "mouse", "mouse": "human"}[species]
    return Identity(
        species,
        symbol,
        resolve([symbol], "ensembl", species=species).resolved[0],
        accessions([symbol]).resolved[0] if species == "human" else None,
        orthologs([symbol], source=species, target=other).resolved[0],
    )


def accessions(names: Iterable[str]) -> Resolved:
    """Say which reviewed protein of UniProt each human gene makes; several make a gene ambiguous.

    Args:
        names: Symbols, earlier symbols, Ensembl ids, Entrez numbers; accessions stay as they are.

    Raises:
        UnavailableError: The files about genes are nowhere here.
    """
    _, proteins = _uniprot()
    asked = tuple(map(str, names))
    symbols = resolve(asked)
    found = []
    for name, symbol, how in zip(asked, symbols.resolved, symbols.how, strict=True):
        if (match := _ACCESSION.fullmatch(name)) and match[1] in _uniprot()[0]:
            found.append((match[1], "exact"))
        elif symbol is None:
            found.append((None, how))
        else:
            found.append(only(proteins.get(symbol, frozenset()), how))
    return Resolved(asked, tuple(new for new, _ in found), tuple(how for _, how in found))


def genes_of(names: Iterable[str]) -> Resolved:
    """Say which human gene each UniProt accession belongs to; of isoforms, the one of their protein.

    Raises:
        UnavailableError: The files about genes are nowhere here.
    """
    genes, _ = _uniprot()
    asked = tuple(map(str, names))
    found = []
    for name in asked:
        match = _ACCESSION.fullmatch(name)
        found.append(only(genes.get(match[1], frozenset()) if match else frozenset(), "exact"))
    return Resolved(asked, tuple(new for new, _ in found), tuple(how for _, how in found))


def ortholog(molecule: Molecule) -> Molecule:
    """Return a gene's or protein's counterpart in the other species, mouse or human, without letters.

    Raises:
        MoleculeError: It is no gene or protein of these species, or a variant, whose positions need not correspond.
        UnknownNameError: None is known, or several are.
        UnavailableError: The files about genes are nowhere here.
    """
    other = {"human": "mouse", "mouse": "human"}.get(molecule.species)
    if molecule.kind not in ("gene", "protein") or other is None or molecule.variant:
        raise MoleculeError(f"Counterparts are known of unchanged human and mouse genes and proteins, got {molecule}.")
    name = molecule.name
    if molecule.species == "human" and _ACCESSION.fullmatch(name):
        name = genes_of([name]).resolved[0] or name
    found = orthologs([name], source=molecule.species, target=other)
    if found.resolved[0] is None:
        raise UnknownNameError(f"{other} counterpart", name, (), f"It is {found.how[0]}: name the gene itself.")
    return Molecule(molecule.kind, found.resolved[0], other)


def protein_of(molecule: Molecule) -> Molecule:
    """Return the protein that a gene makes, with the gene's variant where that counts residues.

    Raises:
        MoleculeError: It is no gene, or its variant counts letters of DNA.
    """
    if molecule.kind == "protein":
        return molecule
    if molecule.kind != "gene" or (molecule.variant and not molecule.variant.startswith("p.")):
        raise MoleculeError(f"A protein is made by a gene, and changed by a variant in p., got {molecule}.")
    return Molecule("protein", molecule.name, molecule.species, molecule.variant)


def find_compound(name: str) -> Molecule:
    """Look a compound up by name, Broad id, PubChem number or InChIKey; salts and punctuation do not matter.

    Of isomers in space that share a name, the one that LINCS measured most is meant.

    Raises:
        UnknownNameError: No file of the catalog has it, or several structures go by this name.
        UnavailableError: The files are nowhere here.
    """
    if found := _structure(name):
        return Molecule("compound", name, sequence=found[1])
    if several := _structures(name):
        remedy = f"{len(several)} structures go by this name: give one's InChIKey, or compound:{name}[SMILES]."
        raise UnknownNameError("single compound", name, several, remedy)
    raise UnknownNameError("compound", name, _compounds()[0], f"Give its letters: compound:{name}[SMILES].")


def inchi_key(molecule: Molecule) -> str:
    """Return the InChIKey of a compound: from the catalog's files, or, of one with letters alone, from RDKit.

    Raises:
        MoleculeError: It is no compound, or its letters are no structure.
        UnknownNameError: It has no letters, and no file of the catalog has it.
        UnavailableError: It has letters that no file has, and RDKit is not installed.
    """
    if molecule.kind != "compound":
        raise MoleculeError(f"InChIKeys name compounds, got {molecule}.")
    if is_inchi_key(molecule.name):
        return molecule.name
    smiles = molecule.sequence or find_compound(molecule.name).sequence
    known = [key for key, letters in _structures(molecule.name).items() if letters == smiles]
    if len(known) == 1:
        return known[0]
    chem, structure = _structure_by_rdkit(smiles, f"the InChIKey of {molecule.name}")
    return str(chem.MolToInchiKey(structure))


def canonical_smiles(smiles: str) -> str:
    """Write a structure as RDKit does, so that two spellings of one compound become equal.

    Raises:
        MoleculeError: The text is no structure.
        UnavailableError: RDKit is not installed; `aivc.core.smiles.check_smiles` checks the spelling without it.
    """
    chem, structure = _structure_by_rdkit(smiles, "the canonical spelling of a compound")
    return str(chem.MolToSmiles(structure))


def complete(molecule: Molecule, sequences: Mapping[str, str] | None = None) -> Molecule:
    """Fill in the letters of a protein or compound, changed by its variant; one that nobody knows comes back as it is.

    Args:
        molecule: One with letters comes back as it is.
        sequences: Your own references by symbol or accession, as `read_fasta` gives them. They come before the
            catalog's: human kinases whose sequence in the table ``davis`` has the length that UniProt gives.

    Raises:
        MoleculeError: The variant does not fit the reference.
        UnavailableError: The catalog's files are nowhere here.
    """
    if molecule.sequence:
        return molecule
    if molecule.kind == "compound":
        found = _structure(molecule.name)
        return molecule if found is None else replace(molecule, sequence=found[1])
    own = sequences or {}
    if molecule.name in own:
        return molecule.with_sequence(own[molecule.name])
    if molecule.kind != "protein" or molecule.species != "human":
        return molecule
    accession = accessions([molecule.name]).resolved[0]
    symbol = genes_of([accession]).resolved[0] if accession else None
    for name in filter(None, (accession, symbol)):
        if reference := own.get(name) or _kinases().get(name):
            return molecule.with_sequence(reference)
    return molecule


@cache
def _uniprot() -> tuple[Mapping[str, frozenset[str]], Mapping[str, frozenset[str]]]:
    """Genes of each accession, and accessions of each gene."""
    table = read_names(catalog.path("uniprot-human"))
    firsts = [
        [names.split()[0] for names in text.split(";") if names.strip()] if text else [] for text in table["Gene names"]
    ]
    today = resolve(sorted({name for names in firsts for name in names})).to_dict()
    genes = {
        entry: frozenset(today.get(name, name) for name in names)
        for entry, names in zip(table["Entry"], firsts, strict=True)
    }
    ligands = read_names(catalog.path("cellphonedb-genes"))
    for entry, symbol in zip(ligands["uniprot"], ligands["hgnc_symbol"], strict=True):
        genes.setdefault(entry, frozenset({symbol}))
    proteins: dict[str, set[str]] = defaultdict(set)
    for entry, symbols in genes.items():
        for symbol in symbols:
            proteins[symbol].add(entry)
    return genes, {symbol: frozenset(entries) for symbol, entries in proteins.items()}


@cache
def _kinases() -> Mapping[str, str]:
    """Sequences by symbol, of those whose length is that of UniProt's: others count their residues differently."""
    table = read_names(catalog.path("uniprot-human"))
    lengths = dict(zip(table["Entry"], table["Length"].astype(int), strict=True))
    davis = load_sequences("davis")
    known = {
        str(name): str(letters)
        for name, letters in zip(davis.names, davis.sequence, strict=True)
        if re.fullmatch(r"[A-Z][A-Z0-9]+", str(name))
    }
    found = {}
    entries = accessions(known)
    for name, entry in zip(entries.names, entries.resolved, strict=True):
        if entry is not None and lengths.get(entry) == len(known[name]):
            found[next(iter(_uniprot()[0][entry]))] = known[name]
    return found


@cache
def _compounds() -> tuple[Mapping[str, Mapping[str, str]], Mapping[str, Mapping[str, str]]]:
    """InChIKeys and SMILES by exact name, id or key; and by name without salt, case and punctuation."""
    lincs = pd.read_parquet(catalog.path("lincs-compounds")).rename(
        columns={"pert_id": "id", "pert_iname": "name", "canonical_smiles": "smiles", "inchi_key": "key"}
    )
    jump = read_names(catalog.path("jump-target")).rename(
        columns={"broad_sample": "id", "pert_iname": "name", "InChIKey": "key"}
    )
    # Of a sample, the compound is what stands before the batch: BRD-A86665761 of BRD-A86665761-001-01-1.
    jump["id"] = jump["id"].str.extract(r"(BRD-[A-Z]\d+)")[0]
    columns = ["id", "name", "pubchem_cid", "smiles", "key"]
    lincs = lincs.sort_values(["num_gold", "key"], ascending=[False, True])
    table = pd.concat([lincs[columns].astype(str), jump[columns].astype(str)])
    table["key"] = table["key"].str.removeprefix("InChIKey=")
    # One compound is spelled differently by the two files: the first spelling stands for both.
    table = table[table["key"].map(is_inchi_key)].assign(smiles=lambda t: t.groupby("key")["smiles"].transform("first"))
    exact: dict[str, dict[str, str]] = defaultdict(dict)
    loose: dict[str, dict[str, str]] = defaultdict(dict)
    for row in table.itertuples(index=False):
        for name in (row.id, row.name, str(row.pubchem_cid).removesuffix(".0"), row.key):
            exact[str(name)].setdefault(str(row.key), str(row.smiles))
        loose[compound(str(row.name))].setdefault(str(row.key), str(row.smiles))
    return exact, loose


def _structures(name: str) -> Mapping[str, str]:
    """SMILES by InChIKey of all that a name may mean, the likeliest first."""
    exact, loose = _compounds()
    return exact.get(name) or loose.get(compound(name), {})


def _structure(name: str) -> tuple[str, str] | None:
    """Return the InChIKey and SMILES that a name means, where its candidates differ in space alone."""
    found = _structures(name)
    # The first 14 letters of an InChIKey say what is bound to what.
    if len({key[:14] for key in found}) != 1:
        return None
    return next(iter(found.items()))


def _structure_by_rdkit(smiles: str, what: str) -> tuple[Any, Any]:
    """Return RDKit's chemistry, and a structure of its own."""
    try:
        chem = importlib.import_module("rdkit.Chem")
    except ImportError as error:
        raise UnavailableError(f"RDKit is needed for {what}, and is not installed. {_CHEM}") from error
    # What cannot be read is said by an error of ours, once.
    importlib.import_module("rdkit.RDLogger").DisableLog("rdApp.*")
    structure = chem.MolFromSmiles(check_smiles(smiles))
    if structure is None:
        raise MoleculeError(f"{smiles!r} is spelled as a SMILES, but RDKit finds no structure in it. Correct it.")
    return chem, structure
