"""How a virtual cell lies on disk: which files are its own, and what its ``cell.json`` may say."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aivc.core.errors import AIVCError, IntegrityError
from aivc.core.foreign_text import read_json, whole_number
from aivc.core.state import ARRAYS, SETTINGS

CELL, PARTS, STARTS, PROVENANCE = "cell.json", "parts", "starts", "provenance"
# Cells of format 1 are still read: their control states and their card stand under no digest.
FORMAT, _UNSIGNED = 2, 1
_PLAIN = re.compile(r"\w[\w .+=-]*")
_OWN = re.compile(
    rf"{CELL}|{PARTS}(/[^/]+(/({SETTINGS}|{ARRAYS}))?)?|({STARTS}|{PROVENANCE})(/\d+(/({SETTINGS}|{ARRAYS}))?)?"
)
_TEXTS, _TEXT = ("perturbations", "contexts"), ("units",)
# What a part's own code may raise on settings and arrays that are not of its kind.
_MISFITS = (
    AttributeError, IndexError, KeyError, TypeError, ValueError, ArithmeticError, RuntimeError, MemoryError,
)  # fmt: skip


def is_plain(name: object) -> bool:
    """Whether a name can be that of a folder, anywhere."""
    return isinstance(name, str) and bool(_PLAIN.fullmatch(name)) and len(name) <= 200


def owns(path: str) -> bool:
    """Whether a file or folder inside a cell's folder, by its path with slashes, is one that a cell consists of.

    >>> owns("parts/move/settings.json"), owns("notes.txt")
    (True, False)
    """
    return bool(_OWN.fullmatch(path))


def sealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The content of ``cell.json`` with its own digest."""
    return {**body, "digest": _digest(body)}


def _digest(body: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in body.items() if key != "digest"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_cell(folder: Path) -> dict[str, Any]:
    """Read ``cell.json`` and check all that it says.

    Raises:
        IntegrityError: It is missing, altered, of another format, or says what no cell says.
    """
    path = folder / CELL
    body = read_json(path)
    known = isinstance(body, dict) and body.get("format") in (FORMAT, _UNSIGNED) and isinstance(body["format"], int)
    if not known or not isinstance(body.get("parts"), dict):
        raise IntegrityError(f"{path} is not a virtual cell in format {FORMAT}. Fit and save it again.")
    if body["format"] == FORMAT and body.get("digest") != _digest(body):
        raise IntegrityError(f"{path} was altered after it was saved. Fetch the cell again.")
    if problem := next(_problems(body), ""):
        raise IntegrityError(f"{path} {problem}. Fetch the cell again.")
    return body


def _problems(body: Mapping[str, Any]) -> Iterator[str]:
    card, starts = body.get("card", {}), body.get("starts", [])
    if not isinstance(card, dict):
        yield "holds no card"
        return
    for name in _TEXTS:
        if not _are_texts(card.get(name, [])):
            yield f"says {name} in its card that are no list of texts"
    for name in _TEXT:
        if not isinstance(card.get(name, ""), str):
            yield f"says {name} in its card that is no text"
    if not _are_texts(starts) or len(set(starts)) != len(starts):
        yield "lists control states that are no texts, or stand twice"
    if body["format"] == FORMAT and (
        not _are_texts(body.get("start_digests")) or len(body["start_digests"]) != len(starts)
    ):
        yield "does not say which control states it was saved with"
    cells = card.get("cells", 0)
    if isinstance(cells, bool) or not isinstance(cells, int | float) or not 0 <= cells < 2**53:
        yield "says a number of cells in its card that is none"


def _are_texts(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(item, str) for item in found)


def places_of(body: Mapping[str, Any], folder: Path) -> dict[str, tuple[int, str]]:
    """Where the provenance of each part lies, and its digest.

    Raises:
        IntegrityError: ``cell.json`` says it otherwise.
    """
    listed = body.get("provenance", {})
    if not isinstance(listed, dict) or not all(isinstance(each, dict) for each in listed.values()):
        raise IntegrityError(f"{folder / CELL} lists no provenance. Fetch the cell again.")
    most = max(len(listed), 1)
    return {
        name: (whole_number(each.get("at"), f"The place of {name!r}", high=most), str(each.get("digest")))
        for name, each in listed.items()
    }


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """Turn what a part's code raises on settings and arrays of another kind into one refusal.

    Raises:
        IntegrityError: They do not fit the part.
    """
    try:
        yield
    except AIVCError:
        raise
    except _MISFITS as error:
        said = " ".join(str(error).split())[:200]
        raise IntegrityError(
            f"{what} does not fit what it is said to be ({type(error).__name__}: {said}). Fetch it again, or fit again."
        ) from error
