"""Says whether the gene that each perturbation targets is found among features that are named by Ensembl ids."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from aivc.data.io.labels import some
from aivc.data.names.own_genes import GeneColumns, ensembl_species

SYMBOLS = ("gene_symbol", "gene_symbols", "gene_name", "gene_names", "gene_short_name", "symbol", "feature_name")


def symbols_in(features: pd.DataFrame) -> dict[str, frozenset[str]]:
    """Symbols that a file says of its features, by column."""
    return {name: frozenset(map(str, features[name].dropna())) for name in SYMBOLS if name in features}


def target_problems(
    features: np.ndarray, targets: Sequence[str], symbols: Mapping[str, frozenset[str]]
) -> tuple[list[str], list[str]]:
    """Compare targets, which are symbols, with features, which are Ensembl ids.

    Args:
        features: ``(f,)`` names.
        targets: Genes that are perturbed.
        symbols: Of the features, by column of the file; see `symbols_in`.

    Returns:
        Problems, each with its remedy, and notes; none where features go by symbol.
    """
    if not ensembl_species(map(str, features)):
        return [], []
    named = set(map(str, features))
    asked = [gene for gene in targets if gene not in named and not ensembl_species([gene])]
    columns = GeneColumns.of(features)
    lost = [gene for gene in asked if not columns.find(gene)]
    said = {name: [gene for gene in lost if gene in texts] for name, texts in symbols.items()}
    name, only_there = max(said.items(), key=lambda item: len(item[1]), default=("", []))
    problems = [
        f"{len(only_there)} targets are symbols and features are Ensembl ids, and only their column {name!r} says "
        f'which is which: {some(only_there)}. Add features = "{name}" to the schema; else a target is scored as '
        "a response to itself."
    ] * bool(only_there)
    nowhere = [gene for gene in lost if gene not in only_there]
    notes = [
        f"Features are Ensembl ids and targets are symbols. By the table of genes, the own gene of "
        f"{len(asked) - len(lost)} of {len(asked)} targets is among the features, and is left out of its question."
    ] * bool(asked)
    notes += [f"{len(nowhere)} targets are not found among the features: {some(nowhere)}."] * bool(nowhere)
    return problems, notes
