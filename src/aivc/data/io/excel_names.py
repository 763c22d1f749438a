"""Recognizes gene names that a spreadsheet turned into dates, and says which genes they may have been."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from types import MappingProxyType

_MONTHS = MappingProxyType(
    {
        "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "sept": 9, "oct": 10,
        "nov": 11, "dec": 12, "mär": 3, "mrz": 3, "mai": 5, "okt": 10, "dez": 12, "fév": 2, "févr": 2, "mars": 3,
        "avr": 4, "août": 8, "déc": 12, "ene": 1, "abr": 4, "ago": 8, "dic": 12,
    }
)  # fmt: skip
# Symbols that read like a month and a day, as they were and as they are called today.
_GENES = MappingProxyType(
    {
        3: (("MARCH{}", "MARCHF{}", range(1, 12)), ("MARC{}", "MTARC{}", range(1, 3))),
        9: (("SEPT{}", "SEPTIN{}", range(1, 15)),),
        10: (("OCT{}", "", range(1, 12)),),
        12: (("DEC{}", "", range(1, 3)),),
    }
)
_TODAY = MappingProxyType(
    {"DEC1": "DELEC1 or BHLHE40", "DEC2": "BHLHE41", "OCT1": "POU2F1", "OCT2": "POU2F2", "OCT4": "POU5F1",
     "OCT6": "POU3F1", "SEPT13": "SEPTIN7P2"}
)  # fmt: skip
_NAME = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATES = (
    re.compile(rf"(?i)(?P<day>\d{{1,2}})[-. /]+(?P<month>{_NAME})\.?(?:[-. /]+(?:\d{{2}}|\d{{4}}))?"),
    re.compile(rf"(?i)(?P<month>{_NAME})\.?[-. /]+(?P<day>\d{{1,2}})"),
    re.compile(r"(?:19|20)\d\d[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?:[T ]00:00(?::00(?:\.0+)?)?)?"),
)
_SLASHED = re.compile(r"(?P<first>\d{1,2})[/.](?P<second>\d{1,2})[/.](?:\d{2}|\d{4})")
_SERIAL = re.compile(r"[34]\d{4}")
_LONG = re.compile(r"\d(?:\.\d+)?E\+\d{2}")
# Day 0 of spreadsheets.
_EPOCH = date(1899, 12, 30)
_SHOWN = 5


def excel_genes(name: str) -> str | None:
    """Which genes a date may have been, in words; empty where no gene reads like it, None where the name is no date.

    >>> excel_genes("2-Mar"), excel_genes("2023-09-01 00:00:00"), excel_genes("MARCHF2"), excel_genes("5-Jul")
    ('MARCHF2 (formerly MARCH2) or MTARC2 (formerly MARC2)', 'SEPTIN1 (formerly SEPT1)', None, '')
    """
    days = _days(name)
    if days is None:
        return None
    found = [
        _spoken(old.format(day), new.format(day))
        for month, day in days
        for old, new, numbers in _GENES.get(month, ())
        if day in numbers
    ]
    return " or ".join(found)


def _spoken(old: str, new: str) -> str:
    today = _TODAY.get(old, new)
    return f"{today} (formerly {old})" if today else old


def _days(name: str) -> list[tuple[int, int]] | None:
    for pattern in _DATES:
        if match := pattern.fullmatch(name):
            month = match["month"].casefold()
            return _real([(int(month) if month.isdigit() else _MONTHS[month], int(match["day"]))])
    if match := _SLASHED.fullmatch(name):
        first, second = int(match["first"]), int(match["second"])
        return _real([(first, second), (second, first)] if first != second else [(first, second)])
    return None


def _real(days: list[tuple[int, int]]) -> list[tuple[int, int]] | None:
    return [(month, day) for month, day in days if 1 <= month <= 12 and 1 <= day <= 31] or None


def _serials(names: Sequence[str]) -> dict[str, str]:
    """Numbers of days, where nearly all other names are no numbers."""
    found = {}
    for name in (name for name in names if _SERIAL.fullmatch(name)):
        day = _EPOCH + timedelta(days=int(name))
        if genes := excel_genes(day.isoformat()):
            found[name] = genes
    numeric = sum(name.isdigit() for name in names)
    return found if numeric <= max(5, len(names) // 100) and numeric < len(names) / 2 else {}


def _changed(names: Iterable[str]) -> dict[str, str]:
    """Names that a spreadsheet changed, with the genes they may have been."""
    unique = list(dict.fromkeys(map(str, names)))
    dates = {name: genes for name in unique if (genes := excel_genes(name)) is not None}
    long = {name: "a RIKEN clone such as 2310009E13Rik" for name in unique if _LONG.fullmatch(name)}
    return {**dates, **_serials(unique), **long}


def _listed(found: dict[str, str]) -> str:
    texts = [f"{name!r} {f'was {genes}' if genes else 'is a date'}" for name, genes in found.items()]
    return "; ".join(texts[:_SHOWN]) + (f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else "")


def excel_features(features: Iterable[str]) -> list[str]:
    """Note the features that a spreadsheet made of gene names.

    >>> excel_features(["TP53", "1-Sep"])[0][:73]
    "Excel turned the names of 1 features into dates or numbers: '1-Sep' was S"
    """
    found = _changed(features)
    if not found:
        return []
    return [
        f"Excel turned the names of {len(found)} features into dates or numbers: {_listed(found)}. Take the names from "
        "the file before Excel, or from a column of identifiers, features = 'gene_ids'."
    ]


def excel_targets(targets: Iterable[str]) -> list[str]:
    """Refuse genes that were perturbed, as labels name them, that a spreadsheet turned into dates."""
    found = _changed(targets)
    if not found:
        return []
    return [
        f"Excel turned {len(found)} targets into dates or numbers: {_listed(found)}. Write the names of the genes into "
        "the labels."
    ]
