"""Reads rankings and plates back from their tables, and takes nothing in them on trust."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.errors import AIVCError, IntegrityError, PerturbationError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.data.io.own_file import refuse_odd_file, refuse_swollen_parquet
from aivc.data.io.written import as_written

_NUMBERS = ("score", "low", "high", "closes", "cosine", "target_level", "side", "cost")
_FLAGS = ("seen", "self_target", "abstained", "dominated")
_KNOWN = {"applicability": ("", *map(str, Applicability)), "role": ("control", "positive", "exploit", "explore")}


def read_table(path: Path, asked: Sequence[str], columns: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read a table that was saved here, and take the columns that say what was asked out of it.

    Args:
        path: ``.csv`` or ``.parquet``.
        asked: Columns that hold one value for all rows.
        columns: What the others hold, by name: ``text``, ``number`` (finite), ``end`` (of an interval; may be
            infinite), ``flag`` or ``count``.

    Raises:
        IntegrityError: The file is missing or unreadable, lacks a column, or holds what was never saved here.
    """
    if not path.exists():
        raise IntegrityError(f"There is no file {path}. Check the path, or make it and save it again.")
    try:
        table = _opened(path, [*asked, *(name for name, kind in columns.items() if kind == "text")])
        given = {name: list(dict.fromkeys(map(str, table[name]))) for name in asked}
        if several := [name for name, values in given.items() if len(values) != 1]:
            raise ValueError(f"{several[0]} is one for all rows, and there are {len(given[several[0]])}")
        table = table.drop(columns=list(asked))
        for name, kind in columns.items():
            _require(table[name], kind)
        _require_texts(table)
    except (OSError, ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError) as error:
        if isinstance(error, AIVCError) and not isinstance(error, PerturbationError | UnknownNameError):
            raise
        raise IntegrityError(f"{path} is not a table that was saved here ({error}). Save it again.") from error
    return table, {name: values[0] for name, values in given.items()}


def _opened(path: Path, texts: Sequence[str]) -> pd.DataFrame:
    refuse_odd_file(path)
    if path.suffix == ".parquet":
        refuse_swollen_parquet(path)
        return pd.read_parquet(path)
    kinds = dict.fromkeys([*texts, "perturbation", "applicability"], str)
    blank = {name: [""] for name in _NUMBERS}
    table = pd.read_csv(
        path, dtype=kinds, keep_default_na=False, na_values=blank, float_precision="round_trip", compression=None
    )
    return as_written(table)


def _require(column: pd.Series, kind: str) -> None:
    numeric, flag = pd.api.types.is_numeric_dtype(column), pd.api.types.is_bool_dtype(column)
    if kind == "text":
        good = not numeric and not flag
    elif kind == "flag":
        good = flag
    else:
        good = numeric and not flag
    if good and kind in ("number", "count"):
        good = bool(np.isfinite(column.to_numpy(dtype=np.float64)).all())
    if good and kind == "count":
        good = bool(((column >= 0) & (column < 2**31) & (column == np.floor(column))).all())
    if not good:
        raise ValueError(f"the column {column.name!r} holds something else than a {kind} in every row")


def _require_texts(table: pd.DataFrame) -> None:
    for name, known in _KNOWN.items():
        if name in table and (odd := sorted(set(map(str, table[name])) - set(known))):
            raise ValueError(f"the column {name!r} holds {odd[0][:60]!r}")
    for text in dict.fromkeys(table["perturbation"]):
        Perturbation.parse(str(text))


def ratio(text: str, what: str) -> float:
    """A number between 0 and 1, as a table must hold it.

    Raises:
        IntegrityError: It is none.

    >>> ratio("0.9", "level")
    0.9
    """
    try:
        found = float(text)
    except ValueError:
        found = np.nan
    if not 0 < found < 1:
        raise IntegrityError(f"{what} lies between 0 and 1, got {text[:60]!r}. Save the table again.")
    return found


def count(text: str, what: str, high: int = 2**32 - 1) -> int:
    """A whole number, as a table must hold it.

    Raises:
        IntegrityError: It is none.

    >>> count("96", "plate")
    96
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= high):
        raise IntegrityError(f"{what} is a whole number from 0 to {high}, got {text[:60]!r}. Save the table again.")
    return int(text)
