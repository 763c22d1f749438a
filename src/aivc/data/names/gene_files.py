"""Builds the table of gene names of a species from the catalog's files about genes."""

import gzip
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import TextIOWrapper
from pathlib import Path
from typing import Any, final

import pandas as pd

from aivc.data.io.own_file import refuse_bomb, refuse_odd_file

_GZIP = b"\x1f\x8b"
_ENSEMBL = re.compile(r"(ENS[A-Z]*G\d{11})(?:\.\d+)?(?:_PAR_Y)?")
# Families renamed as a whole (Bruford et al. 2020, Nature Genetics 52:754). No gene of today has a name that
# spreadsheets take for a date, whatever the files still call it.
_DATES = {"MARCH": "MARCHF", "SEPT": "SEPTIN", "MARC": "MTARC"}
_DATED = re.compile(rf"({'|'.join(_DATES)})(\d+)")
# Synthetases read as words: these rules apply only where the new name exists and the old one does not.
_WORDS = (
    (re.compile(r"([A-Z]ARS|EPRS)"), r"\g<1>1"),
    (re.compile(r"DEC1"), "DELEC1"),
)


@final
@dataclass(frozen=True, eq=False)
class GeneNames:
    """Genes of one species by every name they go by.

    Attributes:
        species: ``human`` or ``mouse``.
        symbols: Symbols of today.
        previous: Earlier and other names, each to the symbols it may mean.
        ensembl: Ensembl gene ids, each to its symbol.
        entrez: Entrez numbers as text, each to its symbol.
    """

    species: str
    symbols: frozenset[str]
    previous: Mapping[str, frozenset[str]]
    ensembl: Mapping[str, str]
    entrez: Mapping[str, str]

    @cached_property
    def _folded(self) -> dict[str, set[str]]:
        folded: dict[str, set[str]] = defaultdict(set)
        for symbol in self.symbols:
            folded[symbol.casefold()].add(symbol)
        return folded

    @cached_property
    def _earlier(self) -> dict[str, set[str]]:
        earlier: dict[str, set[str]] = defaultdict(set)
        for name, symbols in self.previous.items():
            earlier[name.casefold()] |= symbols
        return earlier

    @cached_property
    def _identifiers(self) -> dict[str, set[str]]:
        identifiers: dict[str, set[str]] = defaultdict(set)
        for identifier, symbol in self.ensembl.items():
            identifiers[symbol].add(identifier)
        return identifiers

    def symbol(self, name: str) -> tuple[str | None, str]:
        """Say which symbol a name means, and how that is known.

        Human symbols are upper-case except for names such as ``C10orf11``; mouse symbols are Title-case. Case is
        therefore looked up, never computed.
        """
        name = name.strip()
        if match := _ENSEMBL.fullmatch(name):
            return only({self.ensembl[match[1]]} if match[1] in self.ensembl else set(), "ensembl")
        if name in self.symbols:
            return name, "exact"
        if name.isdigit():
            return only({self.entrez[name]} if name in self.entrez else set(), "entrez")
        if name in self.previous:
            return only(self.previous[name], "previous")
        if name.casefold() in self._folded:
            return only(self._folded[name.casefold()], "case")
        return only(self._earlier.get(name.casefold(), set()), "previous")

    def identifier(self, name: str) -> tuple[str | None, str]:
        """Say which Ensembl id a name means, and how that is known."""
        match = _ENSEMBL.fullmatch(name.strip())
        if match and match[1] in self.ensembl:
            return match[1], "exact" if match[1] == name else "ensembl"
        symbol, how = self.symbol(name)
        ids = self._identifiers.get(symbol or "", set())
        return (None, how) if symbol is None else only(ids, how)


def only(found: Iterable[str], how: str) -> tuple[str | None, str]:
    """Say what was found and how, where it is one; else that it is ambiguous or unknown."""
    found = set(found)
    if len(found) == 1:
        return found.pop(), how
    return None, "ambiguous" if found else "unknown"


def table_from(files: Mapping[str, Path], species: str = "human") -> GeneNames:
    """Build a table of genes from files, by their names in the catalog.

    Args:
        files: Human: ``uniprot-human``, ``cellphonedb-genes``, ``mrna-halflife``, ``orthologs-symbols``,
            ``lincs-geneinfo``. Mouse: ``orthologs-symbols``, ``orthologs-ensembl``, ``cellphonedb-genes``,
            ``mrna-halflife``.
        species: ``human`` or ``mouse``.
    """
    return _human(files) if species == "human" else _mouse(files)


def read_names(path: Path, **options: Any) -> pd.DataFrame:
    """Read a table of names as text, so that a gene called NA stays one.

    Tables come prepared, or as the originals that these were made from: the one table of R's file, or text.
    """
    if path.suffix == ".rda":
        # With it comes the whole catalog, which takes long to import.
        from aivc.data.datasets.r_files import read_r

        (table,) = read_r(path).values()
        # R's text tables, and so the prepared one, spell what is missing NA.
        return pd.DataFrame(table).astype(object).fillna("NA").reset_index(drop=True)
    if path.suffix == ".parquet":
        return pd.read_parquet(path, **({"columns": options["usecols"]} if "usecols" in options else {}))
    separator = "\t" if {".tsv", ".tab", ".txt"} & set(path.suffixes) else ","
    return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, **options)


def open_text(path: Path) -> TextIOWrapper:
    """Open text, compressed by gzip or plain: a prepared file is the one, its original the other."""
    refuse_odd_file(path)
    refuse_bomb(path)
    with path.open("rb") as stream:
        zipped = stream.read(2) == _GZIP
    return gzip.open(path, "rt", encoding="utf-8") if zipped else path.open(encoding="utf-8")


def _identified(files: Mapping[str, Path]) -> dict[str, str]:
    ligands = read_names(files["cellphonedb-genes"])
    transcripts = read_names(files["mrna-halflife"], usecols=["ensembl_gene_id", "external_gene_name"])
    found = dict(zip(ligands["ensembl"], ligands["hgnc_symbol"], strict=True))
    # Later files name genes more recently, and so have the last word.
    found |= dict(zip(transcripts["ensembl_gene_id"], transcripts["external_gene_name"], strict=True))
    return {identifier: symbol for identifier, symbol in found.items() if identifier and symbol}


def _human(files: Mapping[str, Path]) -> GeneNames:
    ensembl = _identified(files)
    current = set(ensembl.values())
    previous: dict[str, set[str]] = defaultdict(set)
    proteins = [gene.split() for text in read_names(files["uniprot-human"])["Gene names"] for gene in text.split(";")]
    first = {names[0] for names in proteins if names}
    symbols = set(current)
    for primary, *others in filter(None, proteins):
        today = _today(primary, others, current, first)
        symbols.add(today)
        for other in {primary, *others} - {today}:
            previous[other].add(today)
    numbered = read_names(files["lincs-geneinfo"])[["pr_gene_id", "pr_gene_symbol"]].dropna().astype(str)
    # The prepared table spells a missing symbol "nan": read as a name, it would be a gene.
    numbered = numbered[~numbered["pr_gene_symbol"].isin(["", "nan"])]
    pairs = read_names(files["orthologs-symbols"])
    entrez = dict(zip(numbered["pr_gene_id"], numbered["pr_gene_symbol"], strict=True))
    entrez |= dict(zip(pairs["entrez"], pairs["symbol"], strict=True))
    entrez = {number: _today(name, (), current, first) for number, name in entrez.items() if number.isdigit()}
    for number, name in entrez.items():
        meant = {name} if name in symbols else previous.get(name, set())
        if len(meant) == 1:
            entrez[number] = next(iter(meant))
        elif not meant and re.fullmatch(r"[A-Za-z][\w.-]*", name):
            symbols.add(name)
    known = {name: frozenset(meant) for name, meant in previous.items() if name not in symbols}
    known |= {old: frozenset({new}) for old, new in _dated(symbols).items() if old not in symbols}
    return GeneNames("human", frozenset(symbols), known, ensembl, {n: s for n, s in entrez.items() if s in symbols})


def _today(primary: str, others: Iterable[str], current: set[str], first: set[str]) -> str:
    if match := _DATED.fullmatch(primary):
        return _DATES[match[1]] + match[2]
    if primary in current:
        return primary
    for pattern, new in _WORDS:
        if pattern.fullmatch(primary) and (renamed := pattern.sub(new, primary)) in current:
            return renamed
    # A protein whose first name is gone, but one of whose other names is a gene of today, was renamed.
    newer = [other for other in others if other in current and other not in first]
    return newer[0] if len(newer) == 1 else primary


def _dated(symbols: set[str]) -> dict[str, str]:
    """Names that spreadsheets take for dates, each with the symbol of today, where there is such a gene."""
    pairs = {f"{old}{i}": f"{new}{i}" for old, new in _DATES.items() for i in range(1, 16)}
    return {old: new for old, new in pairs.items() if new in symbols}


def _mouse(files: Mapping[str, Path]) -> GeneNames:
    pairs = read_names(files["orthologs-symbols"])
    partners = defaultdict(set)
    for human, mouse in zip(pairs["symbol"], pairs["symbol_mouse"], strict=True):
        partners[human].add(mouse)
    human_ids = _identified(files)
    ensembl = {}
    with open_text(files["orthologs-ensembl"]) as lines:
        for line in lines:
            human, mouse = line.split("\t")[:2]
            if len(found := partners.get(human_ids.get(human, ""), set())) == 1:
                ensembl[mouse] = next(iter(found))
    entrez = dict(zip(pairs["entrez_mouse"], pairs["symbol_mouse"], strict=True))
    return GeneNames("mouse", frozenset(pairs["symbol_mouse"]), {}, ensembl, entrez)
