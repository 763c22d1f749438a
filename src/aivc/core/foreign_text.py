"""Reads JSON and TOML of any origin: bounded in size, depth and digits, every key once, every number plausible."""

import json
import math
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aivc.core.errors import IntegrityError

# A split of ten million cells, each by its name, has fewer letters.
LARGEST = 1 << 29
_DEEPEST, _WIDEST_INT = 64, 64
HIGHEST_SEED = 2**32 - 1


def read_text(path: Path, largest: int = LARGEST) -> str:
    """Read a text file that is a file, and no larger than anything honest.

    Raises:
        IntegrityError: It is missing, no regular file, too large, or not UTF-8.
    """
    try:
        found = path.stat()
        # A pipe would never end, and a device neither.
        if not stat.S_ISREG(found.st_mode):
            raise IntegrityError(f"{path} is no regular file. Give a file, not a folder, a pipe or a device.")
        if found.st_size > largest:
            raise IntegrityError(f"{path} has {found.st_size:,} bytes, where {largest:,} are plenty. Check what it is.")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise IntegrityError(f"{path} is missing. Check the path, or write the file again.") from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, IntegrityError):
            raise
        raise IntegrityError(f"{path} is not readable text ({error}). Fetch or write it again.") from error


def parse_json(text: str | bytes, where: object, *, finite: bool = False) -> Any:
    """Parse JSON.

    Args:
        text: What to parse.
        where: Where it came from, for messages.
        finite: Refuse numbers that are none.

    Raises:
        IntegrityError: It is no JSON, or nests too deep, names a key twice, or holds a number or a text that nothing
            honest holds.
    """
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{where} is not readable JSON ({_said(error)}). Fetch or write it again.") from error
    require_sound(found, where, finite=finite)
    return found


def read_json(path: Path, *, finite: bool = False) -> Any:
    """Read a JSON file; see `parse_json`.

    Raises:
        IntegrityError: It is missing, is not JSON, or nests too deep.
    """
    return parse_json(read_text(path), path, finite=finite)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file, bounded as JSON is.

    Raises:
        IntegrityError: It is missing, is not TOML, or nests too deep.
    """
    text = read_text(path, 1 << 24)
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} is not a readable TOML file ({_said(error)}). Correct it or the path.") from error
    require_sound(found, path, finite=True)
    return found


def whole_number(value: object, what: str, low: int = 0, high: int = 2**53) -> int:
    """A whole number within bounds, as a file must hold it.

    Raises:
        IntegrityError: It is none.

    >>> whole_number(3, "rows")
    3
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise IntegrityError(f"{what} is a whole number from {low} to {high}, got {str(value)[:60]!r}. Write it again.")
    return value


def require_sound(found: Any, where: object, *, finite: bool = False) -> None:
    """Refuse values that nest too deep, or hold what no honest file holds.

    Args:
        found: What a parser made.
        where: Where it came from, for messages.
        finite: Refuse numbers that are none.

    Raises:
        IntegrityError: They do.
    """
    level: list[Any] = [found]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for item in level:
            if isinstance(item, Mapping):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
            elif problem := _odd(item, finite=finite):
                raise IntegrityError(f"{where} holds {problem}, which nothing honest holds. Write it again.")
        if not below:
            return
        level = below
    raise IntegrityError(f"{where} nests more than {_DEEPEST} levels deep, which nothing honest does. Write it again.")


def _odd(item: object, *, finite: bool) -> str:
    if isinstance(item, int):
        return f"a whole number of {item.bit_length()} bits" if item.bit_length() > _WIDEST_INT else ""
    if isinstance(item, float):
        return f"the number {item}" if finite and not math.isfinite(item) else ""
    if isinstance(item, str) and not item.isascii() and any("\ud800" <= letter <= "\udfff" for letter in item):
        return "half of a letter (a lone surrogate)"
    return ""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice")
    return found


def _said(error: BaseException) -> str:
    return "it nests too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]
