"""Writes tables and h5ad files whole or not at all; in a csv, no cell is one that a spreadsheet would run."""

import csv
import re
from pathlib import Path
from typing import Any

import pandas as pd

from aivc.core.errors import AIVCError, DataError, WritingError
from aivc.core.writing import whole_file

# What spreadsheets take for a formula: Excel, LibreOffice and Google agree on these; some also on the wide forms of the
# first four, which are typed in Chinese and Japanese.
_RUN = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# A bare carriage return would end the row; at the others, spreadsheets of some countries begin a new cell.
_ENDS = re.compile(r"[\r;\t]")
_TEXT = "'"


def write_table(table: pd.DataFrame, path: Path, *, overwrite: bool = True) -> None:
    """Write a table as ``.csv`` or ``.parquet``.

    In a csv, texts that a spreadsheet would run as a formula stand behind an apostrophe, which `as_written` takes away.

    Args:
        table: Its index is left out.
        path: Its folder is made.
        overwrite: Replace a file that is there.

    Raises:
        DataError: Another ending.
        IntegrityError: A file is there that may not be replaced.
        WritingError: The place cannot be written to.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise DataError([f"A table is written as .csv or .parquet, not {path.name}. Choose one of these endings."])
    with whole_file(path, overwrite=overwrite) as partial:
        if path.suffix == ".csv":
            made = quoted(table)
            odd = any(_ENDS.search(str(item)) for name in made for item in (name, *made[name]))
            made.to_csv(partial, index=False, quoting=csv.QUOTE_NONNUMERIC if odd else csv.QUOTE_MINIMAL)
        else:
            table.to_parquet(partial, index=False)


def quoted(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose texts no spreadsheet runs.

    >>> quoted(pd.DataFrame({"=a": ["=1+1", "-MYC", "x"], "n": [-1, 2, 3]})).to_dict("list")
    {"'=a": ["'=1+1", "'-MYC", 'x'], 'n': [-1, 2, 3]}
    """
    made = table.copy()
    for name in made:
        if not pd.api.types.is_numeric_dtype(made[name]):
            made[name] = [_quoted(item) for item in made[name]]
    return made.set_axis([_quoted(name) for name in made], axis=1)


def _quoted(item: Any) -> Any:
    return f"{_TEXT}{item}" if isinstance(item, str) and _RUN.match(item) else item


def as_written(table: pd.DataFrame) -> pd.DataFrame:
    """Inverse of `quoted`."""
    made = table.copy()
    for name in made:
        if not pd.api.types.is_numeric_dtype(made[name]):
            made[name] = [_plain(item) for item in made[name]]
    return made.set_axis([_plain(name) for name in made], axis=1)


def _plain(item: Any) -> Any:
    return item[1:] if isinstance(item, str) and item.startswith(_TEXT) and _RUN.match(item[1:]) else item


def write_h5ad(made: Any, path: Path, *, overwrite: bool = True, **options: Any) -> None:
    """Write an AnnData whole or not at all.

    Args:
        made: The AnnData.
        path: Its folder is made.
        overwrite: Replace a file that is there.
        options: Of `anndata.AnnData.write_h5ad`.

    Raises:
        IntegrityError: A file is there that may not be replaced.
        WritingError: The place cannot be written to.
    """
    with whole_file(path, overwrite=overwrite) as partial:
        try:
            made.write_h5ad(partial, **options)
        except AIVCError:
            raise
        except (OSError, RuntimeError) as error:
            # HDF5 says in its own way that a disk is full.
            said = " ".join(str(error).split())[:200]
            raise WritingError(
                f"{path} could not be written ({said}). Make room, or choose another place; what was there before is "
                "as it was."
            ) from error
