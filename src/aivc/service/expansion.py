"""Says what a file of a stranger expands to, and refuses one that becomes too much, before any of it is parsed."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import read_json
from aivc.data.io.formats import intact, opened, suffix
from aivc.data.io.own_file import require_plausible
from aivc.data.io.read import BACKED
from aivc.data.io.tables import TABLES
from aivc.data.io.text_tables import encoding_of
from aivc.service.refusals import TooLargeError
from aivc.service.settings import Settings

# A text may swell as it likes up to here; beyond that, hundreds of times its bytes on disk are no honest table.
_FREE, _SWELLS = 16 << 20, 200
# What a byte of text takes in memory at most while it is parsed, and what deflate can make of a byte.
_OBJECTS, _DEFLATE = 16, 1032
_PIECE = 1 << 20
_MATRIX = (".mtx", ".mtx.gz")


@final
@dataclass(frozen=True)
class Expansion:
    """What a file becomes.

    Attributes:
        size: Bytes once expanded, as far as that is known before it is parsed.
        held: Bytes of memory that looking at it may take, at most.
    """

    size: int
    held: int


def expansion(path: Path, settings: Settings) -> Expansion:
    """Measure what a file or a folder expands to.

    Args:
        path: As it was brought; a folder where it came as a zip.
        settings: Of the service, which say how much is taken.

    Raises:
        IntegrityError: It swells out of all proportion, is damaged, or is a text with zero bytes.
        TooLargeError: It expands to more than is taken.

    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "x.csv"
    >>> expansion(table, Settings()).size if table.write_text("gene,A") else 0
    6
    """
    files = [each for each in sorted(path.rglob("*")) if each.is_file()] if path.is_dir() else [path]
    found = []
    for file in files:
        with intact(file):
            found.append(_of_file(file, settings))
    stored = sum(file.stat().st_size for file in files)
    size = sum(each.size for each in found)
    if path.is_dir():
        size = max(size, *_of_zarr(files))
    require_plausible(size, stored, path.name)
    if size > settings.expanded_limit:
        raise TooLargeError(
            f"{path.name} expands to {size:,} bytes, and at most {settings.expanded_limit:,} are taken. Bring fewer "
            "cells or layers at once."
        )
    return Expansion(size, max(size, sum(each.held for each in found)))


def _of_file(path: Path, settings: Settings) -> Expansion:
    end, stored = suffix(path), path.stat().st_size
    if end == ".parquet":
        return _of_parquet(path)
    if end in TABLES or end in _MATRIX or end.endswith(".gz"):
        return _of_text(path, settings.text_limit if end in TABLES else settings.expanded_limit)
    if end in BACKED:
        return _of_hdf5(path)
    return Expansion(stored, stored * _DEFLATE)


def _of_text(path: Path, limit: int) -> Expansion:
    stored, zeros, size = path.stat().st_size, False, 0
    packed = path.suffix.lower() == ".gz"
    with gzip.open(path) if packed else path.open("rb") as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            zeros = zeros or b"\0" in piece
            if size > limit:
                raise TooLargeError(
                    f"{path.name} holds more than {limit:,} bytes{' once expanded' if packed else ''}, and a table of "
                    "text has at most that many here. Bring it as .h5ad or .parquet."
                )
            if packed and size > max(_FREE, _SWELLS * stored):
                raise IntegrityError(
                    f"{path.name} expands to more than {_SWELLS} times its {stored:,} bytes, as tables do not. Bring "
                    "it uncompressed, or as .h5ad or .parquet."
                )
    if zeros and not encoding_of(path).startswith("utf-16"):
        raise IntegrityError(f"{path.name} holds zero bytes (NUL), as no text does. Export it again.")
    return Expansion(size, size * _OBJECTS)


def _of_parquet(path: Path) -> Expansion:
    import pyarrow.parquet as pq

    about, stored = pq.ParquetFile(path).metadata, path.stat().st_size
    unpacked = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
    size = max(unpacked, about.num_rows * max(about.num_columns, 1) * 8)
    texts = sum(about.schema.column(i).physical_type.endswith("BYTE_ARRAY") for i in range(about.num_columns))
    # Every row may point to one long text, which is stored once.
    return Expansion(size, max(size, stored * _DEFLATE, about.num_rows * texts * stored))


def _of_hdf5(path: Path) -> Expansion:
    sizes, texts = [0], [0]

    def add(_name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.shape is not None:
            sizes.append(max(prod(node.shape), prod(node.chunks or (0,))) * node.dtype.itemsize)
            texts.append(prod(node.shape) if node.dtype.hasobject else 0)

    with opened(path) as file:
        file.visititems(add)
    stored = path.stat().st_size
    return Expansion(sum(sizes), max(sum(sizes), stored * _DEFLATE, sum(texts) * stored))


def _of_zarr(files: list[Path]) -> tuple[int, int]:
    """What the arrays of a zarr folder declare, each for itself and gathered in one place."""
    own = gathered = 0
    for file in files:
        if file.name not in (".zarray", ".zmetadata", "zarr.json"):
            continue
        with intact(file):
            found = read_json(file)
            if file.name == ".zmetadata":
                gathered += sum(_arrays(found))
                continue
            if isinstance(found, dict):
                gathered += sum(_arrays(found.pop("consolidated_metadata", None)))
            own += sum(_arrays(found))
    return own, gathered


def _arrays(found: Any) -> Iterator[int]:
    """Bytes of each array that metadata of zarr describe, in either version."""
    if not isinstance(found, dict):
        return
    kind = found.get("dtype", found.get("data_type"))
    if isinstance(found.get("shape"), list) and kind is not None:
        grid = found.get("chunk_grid", {}).get("configuration", {}).get("chunk_shape", found.get("chunks", [0]))
        yield max(prod(map(int, found["shape"])), prod(map(int, grid))) * _item(kind)
        return
    for item in found.values():
        yield from _arrays(item)


def _item(kind: Any) -> int:
    """Bytes of one item; those of a pointer where it is a text of any length."""
    try:
        return max(np.dtype(kind).itemsize, 1)
    except TypeError:
        return int(kind.get("configuration", {}).get("length_bytes", 8)) if isinstance(kind, dict) else 8
