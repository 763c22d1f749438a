"""Read R's saved objects without R, its sparse matrices included."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import sparse

from aivc.core.errors import IntegrityError


def read_r(path: Path) -> dict[str, Any]:
    """Read a ``.rda`` or ``.RData`` file.

    Sparse matrices come as objects with ``values``, a ``(columns, rows)`` CSR matrix, because R keeps features as rows
    and entities as columns, and ``rows`` and ``columns``, their names or None.

    Raises:
        IntegrityError: The file is not one that R saved.
    """
    return dict(_read("read_rda", path))


def read_rds(path: Path) -> Any:
    """Read a ``.rds`` file: one object without a name.

    Raises:
        IntegrityError: The file is not one that R saved.
    """
    return _read("read_rds", path)


def _read(reader: str, path: Path) -> Any:
    # Slow to import, and the catalog imports every dataset.
    import rdata

    known: dict[Any, Any] = dict(rdata.conversion.DEFAULT_CLASS_MAP)
    # A tibble is a data frame that prints itself differently.
    tibbles = dict.fromkeys(("tbl_df", "tbl"), known["data.frame"])
    constructors = {**known, **tibbles, "dgTMatrix": _triplets, "dgCMatrix": _compressed}
    try:
        with warnings.catch_warnings():
            # rdata warns where it guesses; a guess is not data.
            warnings.simplefilter("error")
            return getattr(rdata, reader)(path, constructor_dict=constructors)
    except (ValueError, NotImplementedError, EOFError, KeyError, Warning) as error:
        raise IntegrityError(f"{path} cannot be read as R data ({error}). Fetch it again.") from error


def _triplets(_: Any, attributes: Mapping[str, Any]) -> SimpleNamespace:
    shape = tuple(int(size) for size in attributes["Dim"])[::-1]
    where = (attributes["j"], attributes["i"])
    return _named(sparse.csr_matrix((attributes["x"], where), shape=shape, dtype=np.float32), attributes)


def _compressed(_: Any, attributes: Mapping[str, Any]) -> SimpleNamespace:
    # Compressed columns of a matrix are compressed rows of its transpose.
    shape = tuple(int(size) for size in attributes["Dim"])[::-1]
    parts = (attributes["x"].astype(np.float32), attributes["i"], attributes["p"])
    return _named(sparse.csr_matrix(parts, shape=shape), attributes)


def _named(values: sparse.csr_matrix, attributes: Mapping[str, Any]) -> SimpleNamespace:
    values.sort_indices()
    rows, columns = attributes["Dimnames"]
    return SimpleNamespace(values=values, rows=rows, columns=columns)
