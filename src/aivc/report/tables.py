"""Tables a reader can sort: numbers to the right, what is undefined said in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError
from aivc.report.drawing import plain


@final
@dataclass(frozen=True)
class Cell:
    """What one place of a table says.

    Attributes:
        text: What is shown.
        sort: What it is sorted by, if a number.
        note: Quiet lines under it.
    """

    text: str
    sort: float | None = None
    note: str = ""


@final
@dataclass(frozen=True)
class Table:
    """Columns, rows, and a plain sentence about them.

    Attributes:
        columns: Names over the columns.
        rows: Cells, texts, numbers or None (shown as missing); one per column.
        caption: What the table shows.
        formats: Format of the numbers of a column, such as ``{"cells": ",.0f"}``; three decimals by default.
        highlight: Positions of rows to mark.
        folded: Whether the table is shown only when opened.

    Raises:
        DataError: A row has not one value per column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str
    formats: Mapping[str, str] = field(default_factory=dict)
    highlight: tuple[int, ...] = ()
    folded: bool = False

    def __post_init__(self) -> None:
        if uneven := [i for i, row in enumerate(self.rows) if len(row) != len(self.columns)]:
            raise DataError([f"Row {uneven[0]} of a table has not {len(self.columns)} values. Give one per column."])

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        caption: str,
        *,
        formats: Mapping[str, str] | None = None,
        highlight: tuple[int, ...] = (),
        folded: bool = False,
    ) -> "Table":
        """Take a data frame as it stands; its index is left out.

        >>> Table.of(pd.DataFrame({"gene": ["JAK2"], "effect": [-0.5]}), "Effects.").columns
        ('gene', 'effect')
        """
        rows = tuple(tuple(row) for row in frame.itertuples(index=False, name=None))
        return cls(tuple(map(str, frame.columns)), rows, caption, formats or {}, highlight, folded)

    def to_html(self) -> str:
        """Return the table as HTML, every text escaped."""
        cells = [[_cell(value, self.formats.get(name, "")) for name, value in self._named(row)] for row in self.rows]
        numeric = [bool(cells) and any(row[j].sort is not None for row in cells) for j in range(len(self.columns))]
        head = "".join(
            f'<th scope="col"{_CLASS[number]}><button type="button">{_shown(name)}</button></th>'
            for name, number in zip(self.columns, numeric, strict=True)
        )
        body = "\n".join(
            ('<tr class="mark">' if i in self.highlight else "<tr>")
            + "".join(_data(cell, number) for cell, number in zip(row, numeric, strict=True))
            + "</tr>"
            for i, row in enumerate(cells)
        )
        table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
        caption = f'<p class="caption">{_shown(self.caption)}</p>'
        if self.folded:
            return f"<details><summary>{_shown(self.caption)} ({len(self.rows):,} rows)</summary>\n{table}</details>"
        return f'<div class="table">{caption}\n{table}</div>'

    def _named(self, row: tuple[Any, ...]) -> list[tuple[str, Any]]:
        return list(zip(self.columns, row, strict=True))


_CLASS = {True: ' class="num"', False: ""}


def number(value: float | int, spec: str = "") -> str:
    """Write a number for reading.

    >>> number(-0.12345), number(0.00001234), number(12345.6)
    ('−0.123', '1.2e−05', '12,346')
    """
    if not math.isfinite(value):
        return "unbounded" if not math.isnan(value) else "missing"
    size = abs(value)
    default = ",.0f" if size >= 1000 else ".3f" if size >= 0.001 or value == 0 else ".1e"
    return format(value, spec or default).replace("-", "−")


def _cell(value: Any, spec: str) -> Cell:
    if isinstance(value, Cell):
        return value
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no")
    if value is None or value is pd.NA or value is pd.NaT:
        return Cell("missing")
    if isinstance(value, int | np.integer):
        return Cell(number(int(value), spec or ",d"), float(value))
    if isinstance(value, float | np.floating):
        return Cell(number(float(value), spec), None if math.isnan(value) else float(value))
    return Cell(str(value))


def _data(cell: Cell, numeric: bool) -> str:  # noqa: FBT001 - private, and read beside the data it describes
    sort = "" if cell.sort is None else f' data-sort="{cell.sort!r}"'
    absent = cell.sort is None and (numeric or cell.text == "missing")
    kind = " ".join([*(["num"] if numeric else []), *(["absent"] if absent else [])])
    classes = f' class="{kind}"' if kind else ""
    note = "".join(f"<small>{_shown(line)}</small>" for line in cell.note.splitlines())
    return f"<td{classes}{sort}>{_shown(cell.text)}{note}</td>"


def _shown(text: str) -> str:
    return escape(plain(text))
