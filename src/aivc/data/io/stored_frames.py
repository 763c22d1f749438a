"""Reads tables of entities and features as anndata wrote them over the years, and as converters from R write them."""

from importlib.metadata import version
from typing import Any

import h5py
import numpy as np
import pandas as pd

# Encodings of columns and tables, with the versions that anndata has given them; before 0.7 there were none.
_READ = {
    "": {""},
    "array": {"", "0.2.0"},
    "string-array": {"", "0.2.0"},
    "categorical": {"", "0.2.0"},
    "nullable-integer": {"", "0.1.0"},
    "nullable-boolean": {"", "0.1.0"},
    "nullable-string-array": {"", "0.1.0"},
    "dataframe": {"", "0.1.0", "0.2.0"},
    "string": {"", "0.2.0"},
    "numeric-scalar": {"", "0.2.0"},
}
_MATRICES = {"": {""}, "array": {"", "0.2.0"}, "csr_matrix": {"", "0.1.0"}, "csc_matrix": {"", "0.1.0"}}
_CATEGORIES = "__categories"
_INDEX = ("_index", "index", "cell_names", "gene_names")


def text_of(item: Any) -> str:
    """Text of what HDF5 holds as text or as bytes, alone or as the only one of an array.

    >>> text_of(b"csr"), text_of(np.array(["csr"])), text_of(None)
    ('csr', 'csr', '')
    """
    if isinstance(item, np.ndarray) and item.size == 1:
        item = item.ravel()[0]
    return item.decode() if isinstance(item, bytes) else "" if item is None else str(item)


def unread(node: Any, *, matrix: bool = False) -> str:
    """Say why the encoding of a node is not read, with its version; an empty text where it is.

    Args:
        node: Of an HDF5 file or a zarr folder.
        matrix: Whether it holds the values, rather than a table.
    """
    known = _MATRICES if matrix else _READ
    encoding, stated = (text_of(node.attrs.get(f"encoding-{what}")) for what in ("type", "version"))
    if stated in known.get(encoding, ()):
        return ""
    here, newest = version("anndata"), max(known.get(encoding, {""}))
    what = f"{node.name} is encoded as {encoding!r}" + (f" in version {stated}" if stated else "")
    if newest:
        return (
            f"{what}, and version {newest} is the newest that is read: a newer anndata than {here} wrote it. Update "
            f"aivc, or write the file again with anndata {here}."
        )
    remedy = "a dense, CSR or CSC matrix" if matrix else "plain columns"
    return f"{what}, which is not read here. Write it as {remedy}, with anndata {here} or an older one."


def stored_frame(node: Any, older: Any = None) -> pd.DataFrame:
    """Read a table of entities or features, whichever anndata, or SeuratDisk, wrote it.

    Args:
        node: A group of columns, or, from anndata before 0.7, an array whose entries have fields.
        older: Where anndata before 0.7 kept categories: ``<column>_categories``.

    Raises:
        ValueError: It is no table, or its columns and categories do not fit.
    """
    if isinstance(node, h5py.Dataset) and node.dtype.names:
        return _fields(node, older)
    if not hasattr(node, "keys"):
        raise ValueError(f"{node.name} is no table")
    if text_of(node.attrs.get("encoding-version")) == "0.2.0" and _CATEGORIES not in node:
        if (plain := _plain_columns(node)) is not None:
            return plain
        from anndata.io import read_elem

        frame = read_elem(node)
        if not isinstance(frame, pd.DataFrame):
            raise ValueError(f"{node.name} is no table")
        return frame
    return _columns(node)


def _plain_columns(node: Any) -> pd.DataFrame | None:
    """A table of an HDF5 file whose columns are numbers, texts and categories, as anndata reads it; None of any other.

    Anndata takes longer to import than a small file to check.
    """
    if not isinstance(node, h5py.Group) or "_index" not in node.attrs:
        return None
    index, order = text_of(node.attrs["_index"]), [text_of(each) for each in node.attrs.get("column-order", [])]
    columns = {name: _plain_column(node.get(name)) for name in (index, *order)}
    if any(column is None for column in columns.values()):
        return None
    names = columns[index]
    frame = pd.DataFrame({name: columns[name] for name in order}, index=names, columns=order or None)
    frame.index.name = None if index == "_index" else index
    return frame


def _plain_column(item: Any) -> Any:
    """Numbers or texts; categories with their codes; None for anything else."""
    kind = None if item is None else text_of(item.attrs.get("encoding-type"))
    if isinstance(item, h5py.Dataset) and item.ndim == 1:
        if kind == "string-array":
            return item.asstr()[()]
        return item[()] if kind == "array" and item.dtype.kind in "biuf" else None
    if kind != "categorical" or not {"codes", "categories"} <= set(item):
        return None
    codes, labels = _plain_column(item["codes"]), _plain_column(item["categories"])
    if codes is None or labels is None:
        return None
    return pd.Categorical.from_codes(codes, categories=labels, ordered=bool(item.attrs.get("ordered", False)))


def _fields(node: Any, older: Any) -> pd.DataFrame:
    """One array with a field for each column, the first of which names the rows; codes point to categories."""
    array, (index, *names) = node[:], node.dtype.names
    columns = {}
    for name in names:
        place = f"{name}_categories"
        labels = older[place] if older is not None and place in older else None
        columns[name] = _texts(array[name]) if labels is None else _categorical(node, name, array[name], labels)
    return pd.DataFrame(columns, index=pd.Index(_texts(array[index]), dtype=object))


def _columns(node: Any) -> pd.DataFrame:
    """A group with an array for each column, and codes whose categories lie in a group beside them."""
    stated = text_of(node.attrs.get("_index"))
    index = next((name for name in (stated, *_INDEX) if name and name in node), None)
    if index is None:
        raise ValueError(f"{node.name} has no names of its rows")
    order = [text_of(name) for name in np.atleast_1d(node.attrs.get("column-order", []))]
    names = dict.fromkeys([name for name in order if name in node] + sorted(node))
    categories = node.get(_CATEGORIES, {})
    columns = {name: _column(node, name, categories) for name in names if name not in (index, _CATEGORIES)}
    return pd.DataFrame(columns, index=pd.Index(_texts(node[index][:]), dtype=object))


def _column(node: Any, name: str, categories: Any) -> Any:
    item = node[name]
    if name in categories:
        return _categorical(node, name, item[:], categories[name])
    if hasattr(item, "keys") and {"levels", "values"} <= set(item):
        # A factor of R counts from one.
        return _categorical(node, name, item["values"][:].astype(np.int64) - 1, item["levels"])
    if hasattr(item, "keys"):
        from anndata.io import read_elem

        return read_elem(item)
    return _texts(item[:])


def _categorical(node: Any, name: str, codes: np.ndarray, labels: Any) -> pd.Categorical:
    texts = _texts(np.atleast_1d(labels[()]))
    codes = np.asarray(codes)
    # What R calls missing is the smallest integer; anndata writes -1.
    codes = np.where(codes < 0, -1, codes)
    if codes.dtype.kind not in "iu" or (codes >= len(texts)).any():
        raise ValueError(f"column {name!r} of {node.name} points to categories that are not there")
    return pd.Categorical.from_codes(codes, pd.Index(texts))


def _texts(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "SO":
        return array
    return np.array([item.decode() if isinstance(item, bytes) else item for item in array], dtype=object)
