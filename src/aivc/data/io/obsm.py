"""Embeddings of cells that others made: from the ``obsm`` of a file to readings that join what was measured."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import DataError, UnavailableError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.units import ARBITRARY
from aivc.data.io.formats import intact, keys, opened, refuse_pickled_chunks, refuse_unknown

EMBEDDING = "embedding"


def load_obsm(path_or_adata: Any, key: str, *, source: str | None = None) -> Measurement:
    """Read an embedding of cells, such as that of UCE, scGPT, State or scVI, made by another package.

    A row of NaN says that a cell has no embedding; it is not observed. Entities carry their names and nothing else:
    columns come with the measurement that the embedding is joined to.

    Args:
        path_or_adata: An h5ad file, an anndata zarr folder, or an AnnData in memory.
        key: Of ``obsm``, such as ``X_uce``.
        source: Model, version and licence of the embedding, in words; kept in the provenance.

    Returns:
        Modality ``embedding``, units ``arbitrary``, features ``embedding:<key>/<axis>``, both counted from 0.

    Raises:
        DataError: It is no matrix with one row per cell, holds infinite numbers, a few NaN among numbers, or none at
            all, or cells share a name.
        IntegrityError: The file is damaged, or not one of these kinds.
        UnavailableError: There is no such file.
        UnknownNameError: There is no such key.

    >>> import anndata
    >>> cells = anndata.AnnData(obs=pd.DataFrame(index=["c1", "c2"]), obsm={"X_uce": np.ones((2, 2))})
    >>> load_obsm(cells, "X_uce", source="UCE 4 layers, MIT").features.tolist()
    ['embedding:X_uce/0', 'embedding:X_uce/1']
    """
    names, found = (
        _from_file(Path(path_or_adata), key)
        if isinstance(path_or_adata, str | Path)
        else _from_memory(path_or_adata, key)
    )
    values, problems = _matrix(found, len(names), key)
    if problems:
        raise DataError(problems)
    seen_nd = ~np.isnan(values)
    notes = {"obsm": key} | ({"source": source} if source else {})
    if isinstance(path_or_adata, str | Path):
        notes["file"] = Path(path_or_adata).name
    return Measurement(
        np.where(seen_nd, values, 0.0),
        np.array([f"{EMBEDDING}:{key}/{axis}" for axis in range(values.shape[1])], dtype=object),
        pd.DataFrame(index=pd.Index(names, dtype=object)),
        ARBITRARY,
        modality=EMBEDDING,
        observed=None if seen_nd.all() else seen_nd,
        provenance=notes,
    )


def _from_file(path: Path, key: str) -> tuple[list[str], Any]:
    from anndata.io import read_elem

    if not path.exists():
        raise UnavailableError(f"There is no file {path}. Check the path.")
    if path.is_dir():
        refuse_pickled_chunks(path)
    with intact(path), opened(path) as store:
        refuse_unknown(store["obs"])
        there = keys(store["obsm"]) if "obsm" in store else []
        _require(key, there)
        refuse_unknown(store[f"obsm/{key}"])
        return [str(name) for name in read_elem(store["obs"]).index], read_elem(store[f"obsm/{key}"])


def _from_memory(adata: Any, key: str) -> tuple[list[str], Any]:
    _require(key, list(adata.obsm))
    return [str(name) for name in adata.obs_names], adata.obsm[key]


def _require(key: str, there: list[str]) -> None:
    if key not in there:
        raise UnknownNameError("obsm key", key, there, f"The keys there are: {', '.join(sorted(there)) or 'none'}.")


def _matrix(found: Any, n: int, key: str) -> tuple[np.ndarray, list[str]]:
    """Floats, and what is wrong with them."""
    array = np.asarray(found.toarray() if sparse.issparse(found) else found)
    if array.ndim != 2 or len(array) != n or not array.shape[1]:
        problem = f"obsm[{key!r}] has shape {array.shape}, but an embedding has one row for each of {n} cells and axes."
        return np.zeros((n, 0)), [f"{problem} Write it as a matrix."]
    if array.dtype.kind not in "biuf":
        return np.zeros((n, 0)), [f"obsm[{key!r}] holds {array.dtype}, not numbers. Leave columns of text out."]
    values = array.astype(np.float64)
    blank_nd = np.isnan(values)
    some = int((blank_nd.any(axis=1) & ~blank_nd.all(axis=1)).sum())
    problems = []
    if blank_nd.all():
        problems.append(f"obsm[{key!r}] holds no number at all. Compute the embedding again.")
    elif some:
        problems.append(
            f"{some} rows of obsm[{key!r}] hold a few NaN among numbers. Make a row all NaN, or none of it."
        )
    if infinite := int(np.isinf(values).any(axis=1).sum()):
        problems.append(f"{infinite} rows of obsm[{key!r}] are infinite. Put NaN where a cell has no embedding.")
    return values, problems
