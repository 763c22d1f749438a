"""Tables of entities, and who is whose neighbour, as settings and arrays of a `State`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import IntegrityError
from aivc.core.state import State

_COLUMN, _LINKS = "column:", "links:"
_CSR = ("data", "indices", "indptr")


def table_state(entities: pd.DataFrame) -> State:
    """Pack a table: numbers as arrays, all else as texts, in the order of its columns.

    >>> table_state(pd.DataFrame({"context": ["A"], "cells": [3]}, index=["c0"])).settings["order"]
    ['context', 'cells']
    """
    arrays, columns = dict[str, np.ndarray](), dict[str, list[str | None]]()
    for name, column in entities.items():
        if pd.api.types.is_numeric_dtype(column):
            arrays[f"{_COLUMN}{name}"] = column.to_numpy(float) if column.hasnans else column.to_numpy()
        else:
            columns[str(name)] = [None if pd.isna(item) else str(item) for item in column]
    names = [str(name) for name in entities.index]
    return State({"names": names, "order": list(map(str, entities)), "columns": columns}, arrays)


def table_of(state: State) -> pd.DataFrame:
    """Inverse of `table_state`; raises what a state of another kind makes it raise (`intact`)."""
    settings, arrays = state.settings, state.arrays
    columns = {n: arrays.get(f"{_COLUMN}{n}", settings["columns"].get(n)) for n in settings["order"]}
    return pd.DataFrame(columns, index=settings["names"])


def sparse_arrays(matrix: sparse.csr_matrix, prefix: str) -> dict[str, np.ndarray]:
    """The three arrays of a CSR matrix, under a prefix."""
    return {f"{prefix}{name}": getattr(matrix, name) for name in _CSR}


def sparse_of(arrays: Mapping[str, np.ndarray], prefix: str, shape: tuple[int, int]) -> sparse.csr_matrix | None:
    """Inverse of `sparse_arrays`; None where there are none.

    Raises:
        ValueError: What is wrong in the pointers of a sparse matrix would read memory that is not its own.
    """
    stored = [arrays[f"{prefix}{name}"] for name in _CSR if f"{prefix}{name}" in arrays]
    if not stored:
        return None
    matrix = sparse.csr_matrix(tuple(stored), shape=shape)
    matrix.check_format(full_check=True)
    return matrix


def links_arrays(links: sparse.csr_matrix | None) -> dict[str, np.ndarray]:
    """Who is whose neighbour, as arrays; none where nothing is stated."""
    return {} if links is None else sparse_arrays(links, _LINKS)


def links_of(arrays: Mapping[str, np.ndarray], n: int) -> sparse.csr_matrix | None:
    """Inverse of `links_arrays`, for ``n`` entities.

    Raises:
        ValueError: The arrays are those of no such matrix.
    """
    return sparse_of(arrays, _LINKS, (n, n))


@contextmanager
def intact(where: object, what: str) -> Iterator[None]:
    """Turn what a state of another kind makes its reader raise into one refusal.

    Raises:
        IntegrityError: The state is of another kind.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"{where} holds no {what} ({error!r}). Encode the data again, or fetch them again."
        ) from error
