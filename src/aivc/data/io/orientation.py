"""Which way round a file stands: entities × features, or genes × cells, as many tables are written."""

import re
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd
from scipy import sparse

from aivc.core.errors import SchemaError
from aivc.core.measurement import StoredRows
from aivc.data.io.formats import Raw
from aivc.data.io.labels import some
from aivc.data.io.schema import Schema
from aivc.data.names.gene_files import GeneNames
from aivc.data.names.genes import resolve

TURN = 'the file is genes × cells. Add format = "transposed" to the schema'
_BARCODE = re.compile(r"(?:.*[^A-Za-z])?[ACGT]{10,}(?:[^A-Za-z].*)?")
_ENSEMBL = re.compile(r"ENS[A-Z]{0,4}G\d{6,}(?:\.\d+)?")
_ENDING = re.compile(r"[-_.]\d+$")
_LOOKED_AT = 300


def transposed(raw: Raw) -> Raw:
    """Turn a file of genes × cells round: what it calls entities are features.

    Raises:
        SchemaError: It is left on disk, where it can only be read row by row.
    """
    if isinstance(raw.values, StoredRows):
        raise SchemaError(
            'A file whose format is "transposed" cannot stay on disk. Read it whole, or write it once as cells × genes.'
        )
    values = sparse.csr_matrix(raw.values.T) if sparse.issparse(raw.values) else raw.values.T
    observed = None if raw.observed is None else raw.observed.T
    return replace(
        raw,
        values=values,
        features=raw.entities,
        entities=raw.features,
        coordinates=None,
        observed=observed,
        links=None,
    )


def other_way_round(raw: Raw, schema: Schema | None = None) -> list[str]:
    """The problem of a file whose shape or names say that it is genes × cells, with its remedy; else nothing.

    Names of entities that are Ensembl ids, or of features that are barcodes, can mean nothing else; but where
    names of entities are labels of perturbations, they say nothing.
    """
    n, f = len(raw.entities), len(raw.features)
    if n != f and raw.values.shape == (f, n):
        return [f"Values have shape {raw.values.shape}, with {n} entities and {f} features. Write them as values.T."]
    if schema is not None and schema.perturbation is None:
        return []
    genes, cells = _share(_ENSEMBL, raw.entities.index), _share(_BARCODE, raw.features.index)
    right = _share(_BARCODE, raw.entities.index), _share(_ENSEMBL, raw.features.index)
    if max(genes, cells) <= 0.5 or max(right) > 0.5:
        return []
    which = (
        f"Entities are named by Ensembl ids ({some(raw.entities.index[:2])})"
        if genes > cells
        else f"Features are named by barcodes of cells ({some(raw.features.index[:2])})"
    )
    if schema is not None and schema.format == "transposed":
        return [f'{which}, as the schema reads it. Leave format = "transposed" out.']
    return [f"{which}: {TURN}."]


def _share(pattern: re.Pattern[str], names: Iterable[str]) -> float:
    some_names = list(map(str, pd.Index(names)[:_LOOKED_AT]))
    return sum(bool(pattern.fullmatch(text)) for text in some_names) / max(len(some_names), 1)


def entities_are_genes(names: Iterable[str], species: str, table: GeneNames) -> bool:
    """Whether most names of entities are known genes."""
    looked_at = list(map(str, pd.Index(names)[:_LOOKED_AT]))
    return bool(looked_at) and resolve(looked_at, species=species, table=table).coverage.known > 0.5


def undescribed(name: str, raw: Raw, table: pd.DataFrame, schema: Schema) -> tuple[list[str], list[str]]:
    """What to say of entities that a table beside the file does not describe.

    Args:
        name: Of the table.
        raw: The file.
        table: Rows indexed by names of entities.
        schema: Whether entities without a label are left out.

    Returns:
        Problems and notes.
    """
    names = raw.entities.index.astype(str)
    absent = ~names.isin(table.index)
    if not absent.any():
        return [], []
    count = f"{name} does not describe {absent.sum()} of {len(absent)} entities, first {names[absent][0]!r}"
    if absent.all() and raw.features.index.astype(str).isin(table.index).mean() > 0.5:
        return [f"{count}, but it describes what are features here: {TURN}."], []
    if absent.all() and (same := _by_stem(names, table.index)):
        return [f"{count}. Names differ by an ending: {same}. Write them the same way in both."], []
    if "" in schema.exclude and schema.perturbation in table:
        return [], [f"{count}."]
    return [f'{count}. Add them, or leave out what has no label: exclude = [""].'], []


def _by_stem(names: pd.Index, others: pd.Index) -> str:
    """A pair of names that are the same but for ``-1``, which pipelines add and leave out."""
    stems = {_ENDING.sub("", str(other)): str(other) for other in others}
    found = next(((name, stems[stem]) for name in names if (stem := _ENDING.sub("", name)) in stems), None)
    return f"{found[0]!r} here, {found[1]!r} there" if found else ""


def upright(values: sparse.coo_matrix, n: int, f: int) -> tuple[sparse.csr_matrix, tuple[str, ...]]:
    """Turn a matrix of a 10x folder to entities × features, whichever way it was written; and say if it was turned."""
    if values.shape == (n, f) and n != f:
        return sparse.csr_matrix(values), (
            "matrix.mtx holds cells × genes, unlike those of Cell Ranger; read as such.",
        )
    return sparse.csr_matrix(values.T), ()


__all__ = ["entities_are_genes", "other_way_round", "transposed", "undescribed", "upright"]
