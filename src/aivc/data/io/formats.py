"""Opens the files laboratories have, and trusts none: nothing is unpickled, nothing sparse is made dense."""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import AIVCError, IntegrityError, SchemaError
from aivc.core.foreign_text import read_json
from aivc.core.measurement import Values
from aivc.data.io.own_file import refuse_links, refuse_strays, refuse_swollen, sound_pointers
from aivc.data.io.schema import Schema
from aivc.data.io.squidpy_keys import no_links, no_positions, sound_links, wanted_links
from aivc.data.io.stored_frames import stored_frame, text_of, unread

# What the readers below us raise on damaged bytes.
DAMAGE = (
    OSError, EOFError, zlib.error, KeyError, ValueError, TypeError, RuntimeError, IndexError, AttributeError,
    MemoryError, OverflowError, RecursionError,
)  # fmt: skip


@final
@dataclass(frozen=True, eq=False)
class Raw:
    """A file as it came, in its own words.

    Attributes:
        values: ``(n, f)`` dense, CSR, or `StoredRows` on disk.
        features: ``f`` rows indexed by the file's names of features, with whatever else it says of them.
        entities: ``n`` rows indexed by the file's names of entities.
        coordinates: ``(n, 2)`` or ``(n, 3)``, or None.
        observed: ``(n, f)`` True where measured, or None.
        problems: What keeps the file from being used.
        notes: What was left aside.
        links: ``(n, n)`` who is whose neighbor, as the file says; or None.
        coordinate_unit: Unit of the coordinates, where the format states it: ``um`` or ``pixel``; or None.
        um_per_pixel: Size of a pixel in µm, where the format states it; or None.
        section: Column that the format itself uses for sections; or None.
        image: Of images: channels, ``um_per_pixel``, bits; None of anything else.
    """

    values: Values
    features: pd.DataFrame
    entities: pd.DataFrame
    coordinates: np.ndarray | None = None
    observed: np.ndarray | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    links: sparse.csr_matrix | None = None
    coordinate_unit: str | None = None
    um_per_pixel: float | None = None
    section: str | None = None
    image: Mapping[str, Any] | None = None


@contextmanager
def intact(path: Path) -> Iterator[None]:
    """Turn what readers raise on damaged bytes into one refusal.

    Raises:
        IntegrityError: The file cannot be read as what its name says.
    """
    try:
        yield
    except AIVCError:
        raise
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise IntegrityError(
            f"{path} should be readable as {suffix(path) or 'a 10x folder'}, but is truncated, altered or another kind "
            f"({type(error).__name__}: {reason}). Fetch or export it again, or rename it to what it is."
        ) from error


def suffix(path: Path) -> str:
    """Return the ending that decides how a file is read, such as ``.csv.gz``."""
    ends = [end.lower() for end in path.suffixes]
    return "".join(ends[-2:]) if ends[-1:] == [".gz"] else "".join(ends[-1:])


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file or a zarr folder for reading, and close it afterwards."""
    if suffix(path) != ".zarr":
        with h5py.File(path, "r") as file:
            refuse_links(file)
            yield file
        return
    import zarr

    refuse_strays(path)
    yield zarr.open_group(str(path), mode="r")


def refuse_pickled_chunks(path: Path) -> None:
    """Refuse a zarr store whose chunks are pickles: reading one runs whatever it holds."""
    for file in path.rglob("*"):
        if file.name in (".zarray", ".zmetadata", "zarr.json") and _names_pickle(read_json(file)):
            raise IntegrityError(f"{file} stores its chunks as pickles, which run code. Ask for the data without them.")


def _names_pickle(item: Any) -> bool:
    if isinstance(item, dict):
        named = any("pickle" in str(item.get(key, "")).lower() for key in ("id", "name"))
        return named or any(map(_names_pickle, item.values()))
    return isinstance(item, list) and any(map(_names_pickle, item))


def refuse_unknown(node: Any) -> None:
    """Refuse a node of HDF5 or zarr in an encoding we do not know, or that declares more than it can hold.

    Raises:
        IntegrityError: It does.
    """
    if problem := unread(node):
        raise IntegrityError(problem)
    if not hasattr(node, "keys"):
        _refuse_nested(node)
        refuse_swollen(node)
        return
    for key in node:
        refuse_unknown(node[key])


def _refuse_nested(node: Any) -> None:
    """Refuse an array of HDF5 whose items are arrays or references rather than numbers or texts."""
    if not isinstance(node, h5py.Dataset) or h5py.check_string_dtype(node.dtype) is not None:
        return
    if h5py.check_vlen_dtype(node.dtype) is not None or h5py.check_ref_dtype(node.dtype) is not None:
        raise IntegrityError(f"{node.name} holds arrays or references. Write it as plain numbers or texts.")


@final
@dataclass(frozen=True, eq=False)
class DiskRows:
    """A matrix on disk that returns blocks of rows; opened anew for each block, so no handle stays open.

    Attributes:
        path: File or folder.
        key: Where the matrix lies in it.
        shape: Number of entities and features, after ``columns``.
        indptr: ``(n + 1,)`` row pointers of a CSR matrix; None where the matrix is dense.
        width: Number of stored columns.
        columns: Stored columns that are kept; None keeps all.
    """

    path: Path
    key: str
    shape: tuple[int, int]
    indptr: np.ndarray | None
    width: int
    columns: np.ndarray | None = None

    def rows(self, start: int, stop: int) -> sparse.csr_matrix | np.ndarray:
        """Rows ``start`` to ``stop``, as floats.

        Raises:
            IntegrityError: The bytes are damaged.
        """
        stop = min(stop, self.shape[0])
        with intact(self.path), opened(self.path) as store:
            node = store[self.key]
            block = as_float(node[start:stop]) if self.indptr is None else self._sparse(node, start, stop)
        return block if self.columns is None else block[:, self.columns]

    def _sparse(self, node: Any, start: int, stop: int) -> sparse.csr_matrix:
        assert self.indptr is not None
        low, high = int(self.indptr[start]), int(self.indptr[stop])
        data, indices = as_float(node["data"][low:high]), np.asarray(node["indices"][low:high])
        return sound_csr(data, indices, self.indptr[start : stop + 1] - low, (stop - start, self.width))


def as_float(array: np.ndarray) -> np.ndarray:
    """Turn numbers into float32, or float64 where float32 would change them.

    Raises:
        TypeError: The array does not hold real numbers.
    """
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"values are {array.dtype}, not numbers")
    if array.dtype in (np.float32, np.float64):
        return array
    exact = array.dtype.itemsize < 4 or not array.size or np.abs(array).max() <= 2**24
    return array.astype(np.float32 if exact else np.float64)


def sound_csr(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Build a CSR matrix whose every index was checked, since a bad one would read outside of memory.

    Raises:
        ValueError: Indices or pointers are impossible, or an entry stands twice.
    """
    if indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu" or (np.diff(indptr) < 0).any():
        raise ValueError("sparse indices are not whole numbers in order")
    if indices.size and (indices.min() < 0 or indices.max() >= shape[1]):
        raise ValueError(f"sparse indices lie outside of {shape[1]} columns")
    matrix = sparse.csr_matrix((data, indices, indptr), shape=shape)
    matrix.sort_indices()
    if not matrix.has_canonical_format:
        raise ValueError("an entity holds two values for one feature")
    return matrix


def anndata_file(path: Path, schema: Schema, *, backed: bool) -> Raw:
    """Open an h5ad file or an anndata zarr folder."""
    if path.is_dir():
        refuse_pickled_chunks(path)
    with opened(path) as store:
        return anndata_inside(path, store, schema, "", backed=backed)


def anndata_inside(path: Path, store: Any, schema: Schema, inside: str, *, backed: bool) -> Raw:
    """Open the anndata at a place of a file: all of an h5ad, or ``mod/rna/`` of an h5mu."""
    key, var = _places(store, schema.layer, inside)
    _require_places(path, store[inside] if inside else store, tuple(x.removeprefix(inside) for x in (key, var, "obs")))
    features, entities = _frame(store, var, inside), _frame(store, f"{inside}obs", inside)
    values = _matrix(path, store, key, (len(entities), len(features)), backed=backed)
    coordinates: np.ndarray | None = None
    problems: tuple[str, ...] = ()
    if (wanted := schema.coordinate_key) is not None and (place := f"{inside}obsm/{wanted}") in store:
        from anndata.io import read_elem

        refuse_unknown(store[place])
        coordinates = np.asarray(read_elem(store[place]), dtype=np.float64)
    elif wanted is not None:
        problems = (no_positions(wanted, keys(store[f"{inside}obsm"]) if f"{inside}obsm" in store else []),)
    raw = Raw(values, features, entities, coordinates, None, problems)
    there = keys(store[f"{inside}obsp"]) if f"{inside}obsp" in store else []
    name = wanted_links(schema, there)
    if name is None or name not in there:
        return raw if name is None else replace(raw, problems=(*problems, no_links(name, there)))
    return with_links(raw, _square(path, store, f"{inside}obsp/{name}", len(entities)), name)


def with_links(raw: Raw, matrix: Any, key: str) -> Raw:
    """Add who is whose neighbor, as obsp says."""
    links, wrong, noted = sound_links(matrix, len(raw.entities), key)
    return replace(raw, links=links, problems=(*raw.problems, *wrong), notes=(*raw.notes, *noted))


def _square(path: Path, store: Any, key: str, n: int) -> Any:
    """A matrix of entities × entities."""
    node = store[key]
    for part in [node[name] for name in ("data", "indices", "indptr")] if "indptr" in keys(node) else [node]:
        refuse_unknown(part)
    if "indptr" not in keys(node):
        return np.asarray(node[:])
    matrix = csr_on_disk(path, node, key, (n, n)).rows(0, n)
    by_column = text_of(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", ""))).startswith("csc")
    return sparse.csr_matrix(matrix.T) if by_column else matrix


def _places(store: Any, layer: str, inside: str) -> tuple[str, str]:
    """Where values and features lie; before 0.7, anndata wrote ``raw.X`` beside ``X``."""
    former = {"raw": ("raw.X", "raw.var")} if f"{inside}raw.X" in store else {}
    places = {"X": ("X", "var"), "raw": ("raw/X", "raw/var"), **former}
    key, var = places.get(layer, (f"layers/{layer}", "var"))
    return inside + key, inside + var


def _require_places(path: Path, store: Any, places: tuple[str, ...]) -> None:
    inside = (
        [*sorted(store), *(f"layers/{key}" for key in keys(store["layers"]))] if "layers" in store else sorted(store)
    )
    for place in places:
        if place not in store:
            others = [key for key in inside if key.startswith("layers/") or key in ("X", "raw", "raw.X")]
            remedy = (
                f'Say where the values lie: layer = "{others[-1].removeprefix("layers/").split(".")[0]}".'
                if others
                else "Write the file with a current anndata."
            )
            raise SchemaError(f"{path} holds no {place}; it holds {', '.join(inside) or 'nothing'}. {remedy}")


def _frame(store: Any, place: str, inside: str) -> pd.DataFrame:
    refuse_unknown(store[place])
    older = inside + ("raw.cat" if place.endswith("raw.var") else "uns")
    return stored_frame(store[place], store.get(older))


def keys(node: Any) -> list[str]:
    """Return the names in a group; none in an array."""
    return list(node) if hasattr(node, "keys") else []


def _matrix(path: Path, store: Any, key: str, named: tuple[int, int], *, backed: bool) -> Values:
    node = store[key]
    if problem := unread(node, matrix=True):
        raise IntegrityError(problem)
    for part in [node[name] for name in ("data", "indices", "indptr")] if "indptr" in keys(node) else [node]:
        refuse_unknown(part)
    if "indptr" not in keys(node):
        disk = DiskRows(path, key, (int(node.shape[0]), int(node.shape[1])), None, int(node.shape[1]))
        # A few bytes can declare a matrix of any size: what its names do not fit is reported, and never loaded.
        return disk if backed or disk.shape != named else disk.rows(0, disk.shape[0])
    # Converters from R may leave the shape out, which the names then say.
    n, f = (int(size) for size in node.attrs.get("shape", node.attrs.get("h5sparse_shape", named)))
    kind = text_of(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "csr_matrix")))
    if (n, f) != named:
        # What its names do not fit is reported, and never loaded.
        return DiskRows(path, key, (n, f), None, f)
    if not kind.startswith("csc"):
        disk = csr_on_disk(path, node, key, (n, f))
        return disk if backed else disk.rows(0, n)
    if backed:
        raise SchemaError(
            f"{path} stores {key} column by column (CSC), so it cannot stay on disk while entities are read block by "
            "block. Write it once as CSR: adata.X = adata.X.tocsr(); adata.write_h5ad(...)."
        )
    return sparse.csr_matrix(csr_on_disk(path, node, key, (f, n)).rows(0, f).T)


def csr_on_disk(path: Path, node: Any, key: str, shape: tuple[int, int]) -> DiskRows:
    """Describe a CSR matrix that is left where it lies."""
    stored = node["indices"].shape
    if len(node["indptr"].shape) != 1 or node["indptr"].shape[0] != shape[0] + 1 or node["data"].shape != stored:
        raise ValueError("row pointers do not fit the matrix")
    indptr = sound_pointers(np.asarray(node["indptr"][:]), shape[0], stored[0])
    return DiskRows(path, key, shape, indptr, shape[1])
