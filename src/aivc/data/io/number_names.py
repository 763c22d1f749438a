"""Numbers that are names, such as PubChem ids and dates: each keeps all its digits, and no two become one."""

import datetime
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

# A whole number as pandas writes it where a column has gaps, which make it a column of floats.
_WHOLE = re.compile(r"([+-]?(?:0|[1-9]\d*))\.0+")
# Fewer digits than the number has.
_SHORT = re.compile(r"[1-9]\.(\d+)[eE]\+(\d+)")
_NAMES = ("perturbation", "kind_column", "context", "donor", "batch")
_AMOUNTS = ("dose", "hours")
# Numbers that agree to this share of themselves differ by rounding only.
_NEAR = 1e-6
_SHOWN = 3


def name_text(item: Any) -> str:
    """Write a label as text, stripped, in the words of `number_text`.

    >>> name_text(" 2244.0 ")
    '2244'
    """
    return number_text(item.strip() if isinstance(item, str) else item)


def number_text(item: Any) -> str:
    """Write a name as text: whole floats as integers, other floats with every digit, midnights as dates.

    >>> [number_text(item) for item in (2244.0, 11707110.0, 0.1, np.float32(0.1), 1e-05, "2244.0", "007", "1.10")]
    ['2244', '11707110', '0.1', '0.1', '1e-05', '2244', '007', '1.10']
    """
    if isinstance(item, float | np.floating):
        return str(int(item)) if math.isfinite(item) and item == math.floor(item) else str(item)
    if isinstance(item, datetime.datetime) and item.time() == datetime.time(0):
        return item.date().isoformat()
    text = str(item)
    whole = _WHOLE.fullmatch(text) if text.endswith("0") else None
    return whole[1] if whole else text


def numbers_in(texts: np.ndarray) -> np.ndarray:
    """``(n,)`` numbers that texts are, to the last digit; NaN where a text is none.

    >>> numbers_in(np.array(["0.3", "1e-5", "10 uM", ""], dtype=object)).tolist()
    [0.3, 1e-05, nan, nan]
    """
    codes, unique = pd.factorize(texts)
    return np.array([*map(_number, unique), np.nan])[codes]


def _number(text: str) -> float:
    try:
        return np.nan if "_" in text else float(text)
    except ValueError:
        return np.nan


def number_name_problems(entities: pd.DataFrame, columns: Mapping[str, str]) -> list[str]:
    """Say which numbers cannot be kept apart as names, or only by rounding.

    Args:
        entities: ``n`` rows in the words of the file.
        columns: Which column of theirs a schema names for each field.
    """
    columns = {field: name for field, name in columns.items() if name in entities}
    problems = []
    for field in _NAMES:
        if field in columns:
            column = entities[columns[field]]
            for rule in (_merged, _rounded, _shortened):
                problems += rule(columns[field], column)
    for field in _AMOUNTS:
        if field in columns:
            problems += _nearly_equal(field, columns[field], entities[columns[field]])
    return problems


def _values(column: pd.Series) -> Iterable[Any]:
    # Equal numbers are one value to pandas, whatever their types; a mixed column is looked at item by item.
    known = column.dropna()
    return (
        set(zip(known.map(type), known, strict=True)) if known.dtype == object else ((None, x) for x in known.unique())
    )


def _merged(name: str, column: pd.Series) -> list[str]:
    by_text: dict[str, set[str]] = {}
    for _, value in _values(column):
        by_text.setdefault(name_text(value), set()).add(str(value).strip())
    twice = {text: sorted(ways) for text, ways in by_text.items() if len(ways) > 1}
    if not twice:
        return []
    shown = "; ".join(f"{' and '.join(map(repr, ways))} would both be {text!r}" for text, ways in _first(twice.items()))
    return [
        f"{len(twice)} labels of {name!r} are written in two ways: {shown}. If they are one, write them alike; if they "
        "are two, give them names that differ by more than a point and zeros."
    ]


def _rounded(name: str, column: pd.Series) -> list[str]:
    kind = column.cat.categories.dtype if isinstance(column.dtype, pd.CategoricalDtype) else column.dtype
    if not isinstance(kind, np.dtype) or kind.kind != "f":
        return []
    limit = 2.0 ** (np.finfo(kind).nmant + 1)
    values = np.asarray(column.dropna().unique(), dtype=np.float64)
    # What is infinite is no number of a name, and is reported with the words for none.
    beyond = np.sort(values[np.isfinite(values) & (np.abs(values) > limit)])
    if not len(beyond):
        return []
    return [
        f"Labels of {name!r} are numbers of type {kind} up to {name_text(beyond[-1])}, which holds no whole numbers "
        f"apart beyond {limit:.0f}: some may have become one when the file was written. Write them as text or integers "
        "from their source."
    ]


def _shortened(name: str, column: pd.Series) -> list[str]:
    texts = [str(value).strip() for _, value in _values(column) if isinstance(value, str)]
    found = [match[0] for text in texts if (match := _SHORT.fullmatch(text)) and len(match[1]) < int(match[2])]
    if not found:
        return []
    return [
        f"{len(found)} labels of {name!r} are numbers written short, such as {min(found)!r}, as Excel and %g do: "
        "digits are lost, and labels may have become one. Take them from before."
    ]


def _nearly_equal(field: str, name: str, column: pd.Series) -> list[str]:
    numbers = numbers_in(np.array([name_text(value) for _, value in _values(column)], dtype=object))
    sorted_u = np.unique(numbers[np.isfinite(numbers)])
    near = np.flatnonzero(np.diff(sorted_u) <= _NEAR * np.abs(sorted_u[1:]))
    if not len(near):
        return []
    shown = "; ".join(f"{sorted_u[i]!s} and {sorted_u[i + 1]!s}" for i in near[:_SHOWN])
    return [
        f"Numbers in {name!r} ({field}) differ by rounding only, and would be conditions of their own: {shown}. Write "
        "them with the digits that were meant."
    ]


def _first(items: Iterable[Any]) -> list[Any]:
    return list(items)[:_SHOWN]
