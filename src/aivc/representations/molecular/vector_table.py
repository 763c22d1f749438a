"""Vectors that somebody computed already: a table by name, from npz, parquet, csv or an AnnData file's ``varm``."""

import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import DataError, IntegrityError, UnavailableError, UnknownNameError
from aivc.core.molecule import KINDS, Molecule
from aivc.core.provider import Embedding
from aivc.data.io.formats import intact, keys, opened, refuse_unknown
from aivc.data.io.own_file import refuse_bomb, refuse_odd_file, refuse_swollen_npz, refuse_swollen_parquet
from aivc.representations.molecular.rows_of_vectors import VectorRows

_LONGEST_NAME = 200
_SHOWN = 5


@final
@dataclass(frozen=True, eq=False)
class VectorTable(VectorRows):
    """A vector per name, as given; molecules that are not in the table come back masked.

    Attributes:
        title: Name of its block.
        keys: ``g`` names.
        values: ``(g, d)`` vectors.
        asks: Kinds of molecule that are looked up.
        species: Whose; empty for any.
        made_from: JSON-ready notes for the provenance.
    """

    name: ClassVar[str] = "table"
    kinds: ClassVar[tuple[str, ...]] = KINDS
    title: str
    keys: tuple[str, ...]
    values: Float[np.ndarray, "g d"]
    asks: tuple[str, ...]
    species: str
    made_from: dict[str, Any]

    @classmethod
    def available(cls) -> str | None:
        """None: it needs nothing but the file."""
        return None

    @classmethod
    def of(
        cls,
        title: str,
        keys: Sequence[str],
        values: np.ndarray,
        *,
        known: np.ndarray | None = None,
        asks: Sequence[str] = ("gene", "transcript", "protein"),
        species: str = "human",
        licence: str = "not stated",
        saw: Sequence[Mapping[str, Any]] = (),
    ) -> "VectorTable":
        """Check a table and take it.

        Args:
            title: Name of its block: lowercase words joined by hyphens.
            keys: ``(g,)`` names, each once.
            values: ``(g, d)`` vectors; a row of NaN is a molecule that is not known.
            known: ``(g,)`` False for rows that are not known either.
            asks: Kinds of molecule to look up.
            species: Whose they are; empty for any.
            licence: Terms of the vectors.
            saw: `Provenance.to_json` of measurements that went into them, so that leaks can be found.

        Raises:
            DataError: Names stand twice, are blank or hostile, or vectors are not finite numbers.
        """
        table = np.asarray(values)
        if table.ndim != 2 or table.dtype.kind not in "fiub" or len(table) != len(keys) or table.size == 0:
            raise DataError(
                [
                    f"A table of vectors holds numbers, one row for each of its {len(keys)} names, got "
                    f"{table.dtype} {table.shape}. Give a two-dimensional array of numbers."
                ]
            )
        table = table.astype(np.float64)
        names = [key if isinstance(key, str) else str(key) for key in keys]
        stays = ~np.isnan(table).all(axis=1)
        stays &= True if known is None else np.asarray(known, dtype=bool)
        if problems := [*_bad_title(title), *_bad_names(names), *_bad_values(names, table, stays)]:
            raise DataError(problems)
        kept = tuple(name for name, stay in zip(names, stays, strict=True) if stay)
        made_from = {"licence": licence, "saw": [dict(each) for each in saw]}
        return cls(title, kept, table[stays], tuple(asks), species, made_from)

    @classmethod
    def read(
        cls, path: Path | str, title: str, *, key: str = "name", field: str = "values", **about: Any
    ) -> "VectorTable":
        """Read a table from a file.

        Args:
            path: ``.npz`` with arrays ``key``, ``field`` and perhaps ``known``; ``.parquet``, ``.csv`` or ``.tsv``
                (also ``.gz``) with a column ``key``, perhaps ``known``, and numbers in all others; ``.h5ad`` with
                ``varm[field]``, where ``key`` is a column of ``var``, or ``name`` for its index.
            title: Name of its block.
            key: Where the names stand.
            field: Where the vectors stand, in npz and h5ad.
            about: As for `of`.

        Raises:
            UnavailableError: No such file.
            UnknownNameError: The file has no such array, column or field.
            DataError: The file cannot be read, or `of` refuses what it holds.
        """
        path = Path(path)
        if not path.is_file():
            raise UnavailableError(f"There is no file {path}. Check the path.")
        kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
        readers = {"npz": _npz, "parquet": _frame, "csv": _frame, "tsv": _frame, "h5ad": _varm}
        if kind not in readers:
            raise DataError([f"Vectors are read from {', '.join(readers)}, got {path.name}. Convert it."])
        keys, values, known = readers[kind](path, key, field)
        table = cls.of(title, keys, values, known=known, **about)
        made_from = {**table.made_from, "sources": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}}
        return cls(table.title, table.keys, table.values, table.asks, table.species, made_from)

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Look molecules up by name; a variant by ``name:variant``, never by the name of its reference."""
        return self.taken(np.array([self._row(molecule) for molecule in molecules], dtype=int))

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and what data it saw."""
        return {"version": "1", **self.made_from, "name": self.title, "digest": self.state().digest()}

    def _row(self, molecule: Molecule) -> int:
        if molecule.kind not in self.asks or (self.species and molecule.species not in (self.species, "")):
            return -1
        name = f"{molecule.name}:{molecule.variant}" if molecule.variant else molecule.name
        return self._index.get(name, -1)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self.keys)}


def _bad_title(title: str) -> list[str]:
    if title and all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in title):
        return []
    return [f"A block is named by letters, digits and hyphens, got {title!r}. Rename it."]


def _bad_names(names: Sequence[str]) -> list[str]:
    index, problems = pd.Index(names), []
    if not index.is_unique:
        twice = ", ".join(map(repr, index[index.duplicated()].unique()[:_SHOWN]))
        problems.append(f"Names stand twice: {twice}. Keep one row of each.")
    unusable = [n for n in names if not n.strip() or n != n.strip() or len(n) > _LONGEST_NAME or not n.isprintable()]
    unusable += [name for name in names if name.casefold() in ("nan", "none", "null")]
    if unusable:
        shown = ", ".join(repr(name[:40]) for name in unusable[:_SHOWN])
        problems.append(
            f"Names are blank, have spaces around them, are too long or hold hidden characters: {shown}. Clean them."
        )
    return problems


def _bad_values(names: Sequence[str], table: np.ndarray, stays: np.ndarray) -> list[str]:
    bad = np.flatnonzero(stays & ~np.isfinite(table).all(axis=1))
    if not len(bad):
        return []
    shown = ", ".join(repr(names[row]) for row in bad[:_SHOWN])
    return [f"Vectors hold NaN or infinity beside numbers: {shown}. Fill them, or make the whole row NaN if not known."]


def _npz(path: Path, key: str, field: str) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    try:
        refuse_swollen_npz(path)
        with np.load(path, allow_pickle=False) as file:
            for name in (key, field):
                if name not in file.files:
                    raise UnknownNameError(f"array of {path.name}", name, file.files)
            known = np.asarray(file["known"]) if "known" in file.files else None
            return list(map(str, file[key].tolist())), np.asarray(file[field]), known
    except IntegrityError:
        raise
    except (ValueError, OSError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            [
                f"{path.name} is not an npz of plain arrays ({error}). Save names as a fixed-width text array, "
                "not as objects."
            ]
        ) from error


def _frame(path: Path, key: str, field: str) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    separator = "\t" if path.name.removesuffix(".gz").endswith(".tsv") else ","
    try:
        refuse_odd_file(path)
        (refuse_swollen_parquet if path.suffix == ".parquet" else refuse_bomb)(path)
        # A gene may be called NA or NAN: only empty cells are missing.
        table = (
            pd.read_parquet(path)
            if path.suffix == ".parquet"
            else pd.read_csv(path, sep=separator, dtype={key: str}, keep_default_na=False, na_values=[""])
        )
    except IntegrityError:
        raise
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise DataError([f"{path.name} is not a readable table ({error}). Write it again."]) from error
    if key not in table:
        raise UnknownNameError(f"column of {path.name}", key, map(str, table.columns))
    known = table["known"].to_numpy(dtype=bool) if "known" in table else None
    values = table.drop(columns=[key, *(["known"] if known is not None else [])])
    text = [str(column) for column in values if not pd.api.types.is_numeric_dtype(values[column])]
    if text:
        raise DataError([f"Columns of {path.name} are not numbers: {', '.join(text[:_SHOWN])}. Leave them out."])
    return ["" if pd.isna(name) else str(name) for name in table[key]], values.to_numpy(dtype=float), known


def _varm(path: Path, key: str, field: str) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    import anndata

    with intact(path), opened(path) as store:
        for place in ("var", *(f"varm/{name}" for name in keys(store["varm"]))):
            refuse_unknown(store[place])
    with intact(path):
        data = anndata.read_h5ad(path, backed="r")
    try:
        if field not in data.varm:
            raise UnknownNameError(f"varm of {path.name}", field, map(str, data.varm.keys()))
        if key != "name" and key not in data.var:
            raise UnknownNameError(f"column of var in {path.name}", key, map(str, data.var.columns))
        names = data.var_names if key == "name" else data.var[key]
        return list(map(str, names)), np.asarray(data.varm[field]), None
    finally:
        data.file.close()
