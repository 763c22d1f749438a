"""Where a file keeps what is no column of its cells: tables beside it, matrices of guides, tables of genes × cells."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from aivc.core.errors import AIVCError
from aivc.data.io.formats import Raw, intact, keys, opened, suffix
from aivc.data.io.guides import with_guides_in_memory, with_stored_guides
from aivc.data.io.in_memory import is_anndata
from aivc.data.io.labels import control_like
from aivc.data.io.mudata_file import modality_in, mudata_file
from aivc.data.io.orientation import entities_are_genes, other_way_round
from aivc.data.io.schema import Schema
from aivc.data.io.tables import TABLES, join_metadata, read_table
from aivc.data.io.ten_x import ten_x_folder, ten_x_h5
from aivc.data.io.ten_x_files import prefixes
from aivc.data.io.vendor_folders import vendors_of
from aivc.data.names.own_genes import known_genes

if TYPE_CHECKING:
    from anndata import AnnData

_GUIDES = re.compile(r"(?i).*(?:guide|grna|crispr|perturb|assign).*")
_JOINTS = ("+", "|", ";", "&")
_ENDING = re.compile(r"[-_. ]*(?:sg|g)?\d+$")
# Larger files beside a matrix are no tables of labels; more files are not looked at.
_BYTES, _FILES = 200_000_000, 20


class Guides(NamedTuple):
    """A matrix of guides that a file holds.

    Attributes:
        place: Key in obsm, modality or feature type.
        names: Of the guides.
        counts: Whether the matrix holds counts, rather than 0 and 1.
        several: Number of cells with more than one.
        none: Number of cells with none.
        separator: A text that stands in no name.
    """

    place: str
    names: tuple[str, ...]
    counts: bool
    several: int
    none: int
    separator: str


def places_of_values(path: Path) -> list[str]:
    """Layers of an h5ad, a zarr or the modality of an h5mu that is read, and ``raw`` where there is one."""
    if suffix(path) not in (".h5ad", ".zarr", ".h5mu") or not path.exists():
        return []
    with intact(path), opened(path) as store:
        inside = f"mod/{modality_in(keys(store['mod']), 'rna')}/" if "mod" in store else ""
        there = keys(store[f"{inside}layers"]) if f"{inside}layers" in store else []
        raw = f"{inside}raw/X" in store or f"{inside}raw.X" in store
    return [*there, *(["raw"] if raw else [])]


def several_samples(data: "AnnData | Path") -> list[str]:
    """Prefixes of the 10x matrices in a folder; none where it holds one, or is no such folder."""
    if is_anndata(data) or not data.is_dir() or suffix(data) == ".zarr":
        return []
    there = prefixes(data)
    return there if len(there) > 1 and "" not in there else []


def turned(raw: Raw, path: Path) -> bool:
    """Whether a file holds genes × cells: rows are named as genes, or columns as cells, and no text labels rows."""
    is_table = suffix(path) in TABLES
    if (path.is_dir() and suffix(path) != ".zarr") or (is_table and len(raw.entities.columns) > 1):
        return False
    if {"x", "y"} <= set(map(str, raw.features.index)):
        # Columns of places describe cells, however these are named.
        return False
    # A table may name its first column.
    names = raw.entities.iloc[:, 0] if is_table and len(raw.entities.columns) else raw.entities.index
    if other_way_round(raw):
        return True
    table = known_genes("human")
    if table is None or not entities_are_genes(names, "human", table):
        return False
    return not entities_are_genes(raw.features.index, "human", table)


def table_beside(path: Path, names: pd.Index) -> tuple[str, str]:
    """The table beside a file whose first column names most of its entities, and the evidence; else empty."""
    folder = path if path.is_dir() and suffix(path) != ".zarr" else path.parent
    tables = [file for file in sorted(folder.iterdir()) if suffix(file) in TABLES and file.is_file() and file != path]
    for file in [file for file in tables if file.stat().st_size <= _BYTES][:_FILES]:
        if re.search(r"(?:barcodes|features|genes)\.tsv", file.name):
            continue
        try:
            frame = read_table(file)[0]
        except (AIVCError, ValueError, OSError):
            # What is no table beside a file is none of its labels.
            continue
        plain = isinstance(frame.index, pd.RangeIndex) and len(frame.columns) > 0
        first = pd.Index((frame[frame.columns[0]] if plain else frame.index).astype(str))
        known = int(names.astype(str).isin(first).sum())
        if known * 2 > len(names):
            return file.name, f"{file.name} beside the file describes {known} of {len(names)} entities by name"
    return "", ""


def with_table(raw: Raw, path: Path, name: str) -> Raw:
    """Join a table beside a file, as a schema would that names it as metadata."""
    folder = path if path.is_dir() and suffix(path) != ".zarr" else path.parent
    return join_metadata(raw, folder / name, Schema(units="arbitrary", control="control", perturbation=name))


def guides_of(data: "AnnData | Path", raw: Raw) -> Guides | None:
    """The matrix of guides that a file holds; None where there is none, or its guides have no names."""
    for place in _guide_places(data):
        found = _assigned(data, raw, place, separator="\t", threshold=1e-9)
        if place in found.entities:
            return _described(data, raw, place, found)
    return None


def _guide_places(data: "AnnData | Path") -> list[str]:
    if is_anndata(data):
        there = list(data.obsm)
    elif suffix(data) in (".h5ad", ".zarr", ".h5mu"):
        with intact(data), opened(data) as store:
            there = [name for group in ("obsm", "mod") if group in store for name in keys(store[group])]
    else:
        return [] if vendors_of(data) else ["CRISPR Guide Capture"]
    return [name for name in there if _GUIDES.fullmatch(name)]


def _assigned(data: "AnnData | Path", raw: Raw, place: str, *, separator: str, threshold: float | None) -> Raw:
    schema = Schema(
        units="arbitrary",
        perturbation=place,
        control="control",
        kind="ko",
        separator=separator,
        guide_threshold=threshold,
    )
    if is_anndata(data):
        return with_guides_in_memory(raw, data.obsm, data.uns, schema)
    with intact(data):
        if suffix(data) == ".h5mu":
            return mudata_file(data, schema, backed=True)
        if suffix(data) in (".h5ad", ".zarr"):
            return with_stored_guides(data, raw, schema)
        if data.is_dir():
            samples = several_samples(data)
            return ten_x_folder(data, replace(schema, prefix=samples[0]) if samples else schema)
        return ten_x_h5(data, schema, backed=True) if suffix(data) == ".h5" else raw


def _described(data: "AnnData | Path", raw: Raw, place: str, found: Raw) -> Guides:
    held = [text.split("\t") if text else [] for text in found.entities[place]]
    names = sorted({name for each in held for name in each})
    bare = replace(raw, problems=())
    counts = place not in _assigned(data, bare, place, separator="\t", threshold=None).entities
    of_each = np.array([len(each) for each in held])
    joint = next((text for text in _JOINTS if not any(text in name for name in names)), "\t")
    return Guides(place, tuple(names), counts, int((of_each > 1).sum()), int((of_each == 0).sum()), joint)


def control_guides(names: Sequence[str]) -> list[str]:
    """Guides whose names read like controls, with or without a number at their end.

    >>> control_guides(["NEG_CTRL-1", "NEG_CTRL-2", "JAK2-1"])
    ['NEG_CTRL-1', 'NEG_CTRL-2']
    """
    stems = {name: _ENDING.sub("", name) for name in sorted(set(names))}
    known = set(control_like(stems.values()))
    return [name for name, stem in stems.items() if stem in known]
