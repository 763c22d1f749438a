"""Reads pairs of interacting human genes, from prepared tables or from the files those were made from."""

from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.errors import UnavailableError
from aivc.data import catalog
from aivc.data.datasets.r_files import read_rds

# An accession may carry an isoform or a chain: P05067-4, P05067-PRO_0000000092.
_ACCESSION = r"uniprotkb:([A-Z0-9]+)(?:-.*)?"


def read_intact() -> pd.DataFrame:
    """Read the pairs of IntAct and IMEx: the prepared table, or, where it cannot be had, the records it was made from.

    Returns:
        Columns ``gene_a`` and ``gene_b``, each pair once, sorted.

    Raises:
        UnavailableError: Neither is here, nor can the records be fetched.
    """
    try:
        prepared = catalog.path("ppi-intact")
    except UnavailableError:
        records = [catalog.path(name) for name in ("imex-records", "intact-records")]
        return pairs_from(records, catalog.path("uniprot-human"))
    return pd.read_parquet(prepared, columns=["gene_a", "gene_b"])


def pairs_from(records: list[Path], proteins: Path) -> pd.DataFrame:
    """Name the proteins of interaction records by their genes: the first gene name that UniProt gives.

    Args:
        records: Tables with columns ``A`` and ``B``, such as ``uniprotkb:P04637``.
        proteins: UniProt's table, with columns ``Entry`` and ``Gene names``.

    Returns:
        Columns ``gene_a`` and ``gene_b``, each pair once, sorted; proteins that the table lacks are left out.
    """
    table = pd.read_csv(proteins, sep="\t", usecols=["Entry", "Gene names"])
    # Proteins without a gene share the name "nan", as they do in the prepared table.
    genes = {entry: str(names).split()[0] for entry, names in zip(table["Entry"], table["Gene names"], strict=True)}
    pairs = set[tuple[str, str]]()
    for path in records:
        ends = pd.read_csv(path, usecols=["A", "B"], dtype=str, keep_default_na=False)
        named = pd.DataFrame({end: ends[end].str.extract(f"^{_ACCESSION}$")[0].map(genes) for end in ("A", "B")})
        named = named.dropna()
        pairs |= {(min(a, b), max(a, b)) for a, b in zip(named["A"], named["B"], strict=True) if a != b}
    return pd.DataFrame(sorted(pairs), columns=["gene_a", "gene_b"])


def read_string(path: Path) -> pd.DataFrame:
    """Read the pairs of STRING: a table of text, or R's object that it was made from.

    Returns:
        Columns ``protein1`` and ``protein2``, gene symbols, and ``conf``, confidence in thousandths.
    """
    if path.suffix != ".rds":
        return pd.read_csv(path)
    table = read_rds(path).reset_index(drop=True).astype(object)
    # A protein without a symbol is an empty text in R, which a table of text reads as missing.
    ends = {end: table[end].where(table[end] != "", np.nan) for end in ("protein1", "protein2")}
    return pd.DataFrame({**ends, "conf": pd.to_numeric(table["conf"])})
