"""Rows of what a job found, sorted, filtered and in pages, so that a browser never holds them all."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aivc.core.errors import DataError, IntegrityError, UnknownNameError

# Rows of one page.
MOST_ROWS = 1000


@final
@dataclass(frozen=True)
class RowsAsked:
    """Which rows of a table.

    Attributes:
        sort: Column to sort by; empty keeps the order of the table, in which the best come first.
        descending: Whether the largest come first; what is missing comes last either way.
        limit: At most so many.
        offset: After so many.
        text: Only rows that hold it in any column of texts, in any case.
        where: Only rows that hold these values, by column.

    Raises:
        DataError: A page is none.
    """

    sort: str = ""
    descending: bool = False
    limit: int = 100
    offset: int = 0
    text: str = ""
    where: tuple[tuple[str, str | bool], ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.limit <= MOST_ROWS or self.offset < 0:
            raise DataError([f"A page has up to {MOST_ROWS} rows, from 0, got {self.limit} from {self.offset}."])


def job_rows(path: Path, asked: RowsAsked) -> dict[str, Any]:
    """Read rows of a parquet file.

    Returns:
        ``rows``, and ``total``: how many there would be on all pages. Numbers that are none are None.

    Raises:
        UnknownNameError: There is no such column.
        IntegrityError: The file is no table.
    """
    try:
        table = pq.read_table(path, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise IntegrityError(f"{path.name} is no table that can be read ({error}). Ask for the job again.") from error
    for name in (asked.sort, *(name for name, _ in asked.where)):
        if name and name not in table.column_names:
            raise UnknownNameError("column", name, table.column_names)
    table = _filtered(table, asked)
    if asked.sort:
        way = "descending" if asked.descending else "ascending"
        # Among equals the order of the table holds, so that pages do not overlap.
        place = pa.array(range(len(table)), pa.int64())
        keys = pa.table({"by": _sortable(table.column(asked.sort)), "place": place})
        table = table.take(pc.sort_indices(keys, [("by", way), ("place", "ascending")]))
    page = table.slice(asked.offset, asked.limit).to_pylist()
    return {"rows": [{name: _plain(value) for name, value in row.items()} for row in page], "total": len(table)}


def _filtered(table: pa.Table, asked: RowsAsked) -> pa.Table:
    if asked.text:
        texts = [_as_text(table.column(field.name)) for field in table.schema if _is_text(field.type)]
        found = pa.chunked_array([pa.array([False] * len(table))])
        for column in texts:
            has = pc.match_substring(column, asked.text, ignore_case=True)
            found = pc.or_(found, pc.fill_null(has, False))  # noqa: FBT003 - what is missing holds no text
        table = table.filter(found)
    for name, value in asked.where:
        column = table.column(name)
        if isinstance(value, bool) != pa.types.is_boolean(column.type):
            wanted = "true or false" if pa.types.is_boolean(column.type) else "a text"
            raise DataError([f"The column {name} holds {wanted}, got {value}. Ask for that."])
        table = table.filter(pc.equal(column if isinstance(value, bool) else pc.cast(column, pa.string()), value))
    return table


def _sortable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column whose numbers that are none count as missing."""
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return _as_text(column) if _is_text(column.type) else column


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, pa.string())


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))
    )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
