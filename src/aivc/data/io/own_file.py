"""Keeps reading inside the file that was named: no links, no data in other files, no more than its bytes can hold."""

import os
import zipfile
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import read_json

# Up to here, nothing is too large; beyond, nothing honest is so much larger than its bytes on disk.
_FREE, _SWELLS = 1 << 28, 500
# What deflate can make of a byte, at most.
_DEFLATE = 1032
_NODES = 1_000_000


def refuse_odd_file(path: Path) -> None:
    """Refuse what is neither a file nor a folder: reading a pipe or a device may never end.

    Raises:
        IntegrityError: It is a pipe, a socket or a device.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise IntegrityError(f"{path} is a pipe, a socket or a device. Give a file or a folder.")


def refuse_links(file: h5py.File) -> None:
    """Refuse an HDF5 file that leads anywhere but to itself, before any of its nodes is read.

    Raises:
        IntegrityError: Somewhere in it stands a soft or external link, or a dataset whose data lie in other files.
    """
    seen: set[tuple[Any, Any]] = set()
    todo: list[tuple[str, Any]] = [("", file.id)]
    while todo:
        where, group = todo.pop()
        for key in group:
            name = f"{where}/{key.decode('utf-8', 'backslashreplace')}"
            kind = group.links.get_info(key).type
            if kind != h5py.h5l.TYPE_HARD:
                other = "another file" if kind == h5py.h5l.TYPE_EXTERNAL else "another place"
                raise IntegrityError(f"{name} links to {other}. Copy the data into one file, without links.")
            about = h5py.h5g.get_objinfo(group, key)
            address = about.fileno, about.objno
            # A group that holds itself would be walked forever.
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > _NODES:
                raise IntegrityError(f"{where or '/'} holds more than {_NODES:,} nodes. Write the file again.")
            if about.type == h5py.h5g.GROUP:
                todo.append((name, h5py.h5g.open(group, key)))
            elif about.type == h5py.h5g.DATASET:
                _refuse_other_files(name, h5py.h5d.open(group, key).get_create_plist())


def _refuse_other_files(name: str, made: Any) -> None:
    if made.get_external_count() or made.get_layout() == h5py.h5d.VIRTUAL:
        raise IntegrityError(f"{name} keeps its data in another file. Copy the data into one file.")


def refuse_strays(path: Path) -> None:
    """Refuse a zarr folder that leads outside of itself.

    Raises:
        IntegrityError: It holds links, pipes or devices, or metadata that name places outside.
    """
    about = path.stat()
    _walked(path, (about.st_dev, about.st_ino, about.st_mtime_ns))


@lru_cache(maxsize=64)
def _walked(path: Path, _: tuple[int, int, int]) -> None:
    """Look at every file once, and not before each block of rows."""
    for where, folders, files in os.walk(path):
        for name in [*folders, *files]:
            item = Path(where) / name
            if item.is_symlink():
                raise IntegrityError(f"{item} links to another place. Copy the data into one folder, without links.")
            refuse_odd_file(item)
            if name in (".zmetadata", "zarr.json", ".zgroup", ".zarray", ".zattrs"):
                _refuse_outside(read_json(item), item)


def _refuse_outside(found: Any, item: Path) -> None:
    for names in _listed(found):
        for name in names:
            parts = str(name).replace("\\", "/").split("/")
            if str(name).startswith(("/", "\\")) or ".." in parts or ":" in parts[0][1:2]:
                raise IntegrityError(f"{item} names {name!r}, which lies outside of the folder. Do not trust it.")


def _listed(found: Any) -> Iterable[Iterable[object]]:
    """Names of nodes in consolidated metadata, of either version."""
    if not isinstance(found, dict):
        return
    for holder in (found, found.get("consolidated_metadata")):
        if isinstance(holder, dict) and isinstance(holder.get("metadata"), dict):
            yield holder["metadata"]


def refuse_swollen(node: Any, name: str = "") -> None:
    """Refuse an array of HDF5 or zarr that declares far more than its bytes on disk can hold.

    Raises:
        IntegrityError: It does.
    """
    shape, size = tuple(int(n) for n in node.shape or ()), max(int(node.dtype.itemsize), 1)
    declared = size
    for length in shape:
        declared *= length
    if isinstance(node, h5py.Dataset):
        stored, chunk = int(node.id.get_storage_size()), node.chunks
    else:
        stored, chunk = int(node.nbytes_stored()), node.chunks
    once = size
    for length in chunk or ():
        once *= int(length)
    require_plausible(max(declared, once if chunk else 0), stored, name or str(node.name))


def require_plausible(declared: int, stored: int, name: str) -> None:
    """Refuse what declares far more bytes than are stored of it.

    Args:
        declared: Bytes that it would take in memory.
        stored: Bytes that it takes on disk.
        name: For messages.

    Raises:
        IntegrityError: It is large, and hundreds of times larger than what is stored.
    """
    if declared > _FREE and declared > _SWELLS * max(stored, 1):
        raise IntegrityError(
            f"{name} declares {declared:,} bytes, but only {stored:,} are stored of it: it is damaged, or made to fill "
            "the memory. Write it again."
        )


def refuse_bomb(path: Path) -> None:
    """Refuse a compressed text that would swell out of all proportion.

    Raises:
        IntegrityError: It does.
    """
    stored = path.stat().st_size
    if stored * _DEFLATE <= _FREE:
        return
    swollen, maker = 0, zlib.decompressobj(wbits=31)
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return
        file.seek(0)
        while piece := file.read(1 << 20):
            while piece:
                swollen += len(maker.decompress(piece, 1 << 24))
                piece = maker.unconsumed_tail
                require_plausible(swollen, stored, str(path))
                if maker.eof:
                    piece, maker = maker.unused_data, zlib.decompressobj(wbits=31)


def refuse_swollen_parquet(path: Path) -> None:
    """Refuse a parquet file that declares far more values than its bytes can hold.

    Raises:
        IntegrityError: It does.
    """
    import pyarrow.parquet as pq

    about = pq.ParquetFile(path).metadata
    require_plausible(about.num_rows * max(about.num_columns, 1) * 8, path.stat().st_size, str(path))


def refuse_swollen_npz(path: Path) -> None:
    """Refuse an npz whose arrays declare far more than is stored of them.

    Raises:
        IntegrityError: They do, or are no arrays.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as stream:
                declared = npy_bytes(stream, f"{path}, {member.filename}")
            require_plausible(max(declared, member.file_size), member.compress_size, f"{path}, {member.filename}")
            if declared > member.file_size:
                raise IntegrityError(f"{path}, {member.filename} declares more than it holds. Write it again.")


def npy_bytes(stream: Any, name: str) -> int:
    """How many bytes the header of an npy declares.

    Raises:
        IntegrityError: It is no npy.
    """
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(stream)
    except (ValueError, EOFError, SyntaxError, MemoryError, RecursionError) as error:
        raise IntegrityError(f"{name} is no npy ({error}). Write it again.") from error
    total = int(kind.itemsize)
    for length in shape:
        total *= int(length)
    return total


def sound_pointers(indptr: np.ndarray, rows: int, stored: int) -> np.ndarray:
    """Row pointers of a CSR matrix, checked before anything is read through them.

    Args:
        indptr: As it stands in the file.
        rows: That the matrix has.
        stored: Values that are stored.

    Raises:
        ValueError: They do not run from 0 to what is stored, in order, one more than there are rows.
    """
    if indptr.ndim != 1 or len(indptr) != rows + 1 or indptr.dtype.kind not in "iu":
        raise ValueError("row pointers do not fit the matrix")
    if indptr[0] != 0 or int(indptr[-1]) != stored or (indptr[1:] < indptr[:-1]).any():
        raise ValueError("row pointers do not fit the matrix")
    return indptr.astype(np.int64)


def require_market_header(path: Path, rows: int, columns: int) -> None:
    """Refuse a matrix market file whose first lines declare more than the file can hold.

    Args:
        path: Plain or gzipped.
        rows: How many features there are.
        columns: How many barcodes there are.

    Raises:
        IntegrityError: They do.
    """
    import gzip

    refuse_bomb(path)
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        line = file.readline(1 << 16)
        while line.startswith(b"%"):
            line = file.readline(1 << 16)
    words = line.split()
    if len(words) < 2 or not all(word.isdigit() and len(word) < 19 for word in words):
        raise IntegrityError(f"{path} says no sizes: a matrix market file of three numbers is needed. Export it again.")
    sizes = [int(word) for word in words]
    # Some tools write a row for each barcode.
    if sizes[:2] not in ([rows, columns], [columns, rows]):
        raise IntegrityError(
            f"{path} declares {sizes[0]:,} × {sizes[1]:,}, beside {rows:,} features and {columns:,} barcodes. Export "
            "the three files again, together."
        )
    # A value takes four bytes of text at least, such as "1 1\n" of a pattern.
    most = path.stat().st_size * (_DEFLATE if path.suffix == ".gz" else 1) // 4 + 1
    if len(sizes) > 2 and sizes[2] > most:
        raise IntegrityError(f"{path} declares {sizes[2]:,} values, more than it can hold. Export it again.")
