"""How a table of text was written: encoding, separator and decimal sign, as Excel and R write them."""

import codecs
import csv
import gzip
import io
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import final

SEPARATORS = (",", "\t", ";")
_PLAIN = frozenset(b"\t\r\n") | frozenset(range(32, 127))
# Rows that are looked at.
_ROWS = 200
_HINT = re.compile(r'"?sep=(.)"?')
_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_POINT = re.compile(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?")


@final
@dataclass(frozen=True)
class Dialect:
    """How a table of text was written.

    Attributes:
        encoding: ``utf-8-sig``, which reads UTF-8 with and without its mark, or a UTF-16.
        separator: Between columns.
        decimal: Point or comma.
        header: Names of columns.
        skipped: Lines before the header.
        notes: What differs from what the ending of the file says.
    """

    encoding: str
    separator: str
    decimal: str
    header: tuple[str, ...]
    skipped: int
    notes: tuple[str, ...]


def dialect(path: Path, separator: str) -> Dialect:
    """Look at the first lines of a table, plain or gzipped.

    Args:
        path: The table.
        separator: What its ending says; believed where the lines have the same number of columns by it.

    Raises:
        UnicodeDecodeError: It is no text.
    """
    encoding = encoding_of(path)
    with _opened(path, encoding) as file:
        lines = [line.rstrip("\r\n") for line in islice(file, _ROWS)]
    hint = _HINT.fullmatch(lines[0]) if lines else None
    lines = lines[1:] if hint else lines
    found = hint[1] if hint else _separator(lines, separator)
    header, *rows = list(csv.reader(lines, delimiter=found)) or [[]]
    decimal = "," if found != "," and _decimal_comma(rows) else "."
    notes = [f"encoded as {encoding.upper()}"] if encoding.startswith("utf-16") else []
    notes += [f"columns separated by {found!r}"] if found != separator else []
    notes += ["numbers with decimal commas"] if decimal == "," else []
    said = (f"{path.name} is read with {', '.join(notes)}.",) if notes else ()
    return Dialect(encoding, found, decimal, tuple(header), int(hint is not None), said)


def _opened(path: Path, encoding: str) -> io.TextIOWrapper:
    if path.suffix.lower() == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def encoding_of(path: Path) -> str:
    """How the letters of a table are written: ``utf-8-sig``, or a UTF-16, by its first bytes.

    Args:
        path: The table, plain or gzipped.
    """
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        start = file.read(64)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Without a mark, every other byte of plain letters is zero, and the rest are letters.
    for zeros, encoding in ((0, "utf-16-be"), (1, "utf-16-le")):
        letters = start[1 - zeros :: 2]
        if start and not any(start[zeros::2]) and all(byte in _PLAIN for byte in letters):
            return encoding
    return "utf-8-sig"


def _separator(lines: list[str], stated: str) -> str:
    widths = {each: [len(row) for row in csv.reader(lines, delimiter=each) if row] for each in SEPARATORS}
    # R leaves the name of the first column out.
    fitting = [
        each
        for each, found in widths.items()
        if found and found[0] > 1 and all(width in (found[0], found[0] + 1) for width in found[1:])
    ]
    if stated in fitting or not fitting:
        return stated
    return max(fitting, key=lambda each: widths[each][0])


def _decimal_comma(rows: list[list[str]]) -> bool:
    cells = [cell.strip() for row in rows for cell in row]
    return any(map(_COMMA.fullmatch, cells)) and not any(map(_POINT.fullmatch, cells))
