"""Tables a reader can sort: numbers to the right, what is undefined said in words."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import pandas as pd
from markupsafe import Markup

from aivc.core.errors import DataError
from aivc.reporting.templates import render


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
        faint: Positions of rows to gray out; what is said about them must not rest on the gray alone.
        faint_columns: Names of columns to gray out, likewise.

    Raises:
        DataError: A row has not one value per column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str
    formats: Mapping[str, str] = field(default_factory=dict)
    highlight: tuple[int, ...] = ()
    folded: bool = False
    faint: tuple[int, ...] = ()
    faint_columns: tuple[str, ...] = ()

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
        faint = [name in self.faint_columns for name in self.columns]
        # Wide tables scroll in their box, also by keyboard, and print on their side.
        wide = len(self.columns) > _WIDE
        return render(
            "table.html",
            table=self,
            wide=wide,
            head=[(name, _classes(num=j, off=k)) for name, j, k in zip(self.columns, numeric, faint, strict=True)],
            rows=[
                (
                    _classes(mark=i in self.highlight, off=i in self.faint),
                    [(cell, _kind(cell, j, k)) for cell, j, k in zip(row, numeric, faint, strict=True)],
                )
                for i, row in enumerate(cells)
            ],
            kind=_classes(table=not self.folded, broad=wide, short=not self.folded and len(self.rows) <= _SHORT),
            count=f"{len(self.rows):,} row{'s' * (len(self.rows) != 1)}",
        )

    def _named(self, row: tuple[Any, ...]) -> list[tuple[str, Any]]:
        return list(zip(self.columns, row, strict=True))


_WIDE, _SHORT = 9, 12


def _classes(**given: bool) -> Markup:
    names = " ".join(name for name, holds in given.items() if holds)
    return Markup(f' class="{names}"' if names else "")


def number(value: float | int, spec: str = "") -> str:
    """Write a number for reading.

    >>> number(-0.12345), number(0.001234), number(0.00001234), number(12345.6), number(-0.001, ".2f")
    ('−0.123', '0.00123', '1.2e−05', '12,346', '0.00')
    """
    if not math.isfinite(value):
        return "unbounded" if not math.isnan(value) else "missing"
    size = abs(value)
    default = ",.0f" if size >= 1000 else ".3f" if size >= 0.01 or value == 0 else ".5f" if size >= 0.001 else ".1e"
    written = format(value, spec or default)
    # What is rounded to zero has no sign.
    return written.removeprefix("-") if not re.search("[1-9]", written) else written.replace("-", "−")


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


def _kind(cell: Cell, numeric: bool, off: bool) -> Markup:  # noqa: FBT001 - private, and read beside what it describes
    absent = cell.sort is None and (numeric or cell.text == "missing")
    return _classes(num=numeric, absent=absent, off=off)
