"""Which files may be in the hub: a few formats that cannot run anything, each checked to be what its name says."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import parse_json, read_json, read_text
from aivc.core.saved_cell import is_plain

MOST_FILES = 10_000
LARGEST_FILE, LARGEST_TEXT, LARGEST_ALL = 1 << 33, 1 << 29, 1 << 35
_DEEPEST_PATH = 8
_PNG, _PARQUET = b"\x89PNG\r\n\x1a\n", b"PAR1"
_TRAILING = re.compile(r"[ .]$")


def require_path(path: str) -> None:
    """Refuse a name that could lead out of its folder, or that some system reads otherwise.

    Raises:
        IntegrityError: It is not one of plain names, with slashes between them, in an allowed format.

    >>> require_path("parts/move/settings.json")
    """
    names = path.split("/")
    plain = all(is_plain(name) and not _TRAILING.search(name) for name in names)
    if not plain or not 1 <= len(names) <= _DEEPEST_PATH:
        raise IntegrityError(
            f"{path[:120]!r} is no path of plain names inside a folder. Rename it; if it is not yours, do not trust it."
        )
    if suffix(path) not in _CHECKS:
        raise IntegrityError(
            f"{path[:120]!r} is in no allowed format ({', '.join(sorted(_CHECKS))}). Weights are kept as safetensors; "
            "pickles and archives are refused."
        )


def suffix(path: str) -> str:
    """Ending of a path, in small letters.

    >>> suffix("a/B.JSON")
    '.json'
    """
    return Path(path).suffix.lower()


def check_format(file: Path, path: str) -> None:
    """See that a file is what its name says.

    Args:
        file: Where it lies.
        path: What it is called in the manifest.

    Raises:
        IntegrityError: It is not, or is larger than allowed.
    """
    require_path(path)
    if file.is_symlink() or not file.is_file():
        raise IntegrityError(f"{path!r} is no regular file. Give a file, not a link, a pipe or a device.")
    if (size := file.stat().st_size) > LARGEST_FILE:
        raise IntegrityError(f"{path!r} has {size:,} bytes, where {LARGEST_FILE:,} are the most.")
    _CHECKS[suffix(path)](file)


def _json(file: Path) -> None:
    read_json(file)


def _text(file: Path) -> None:
    if "\0" in read_text(file, LARGEST_TEXT):
        raise IntegrityError(f"{file.name} is no text: it holds zero bytes. Write it again.")


def _json_lines(file: Path) -> None:
    for number, line in enumerate(read_text(file, LARGEST_TEXT).splitlines(), 1):
        parse_json(line, f"line {number} of {file.name}", finite=True)


def _png(file: Path) -> None:
    with file.open("rb") as stream:
        _require(file, stream.read(8) == _PNG, "png")


def _parquet(file: Path) -> None:
    with file.open("rb") as stream:
        head = stream.read(4)
        stream.seek(max(file.stat().st_size - 4, 0))
        _require(file, head == _PARQUET == stream.read(4), "parquet")


def _safetensors(file: Path) -> None:
    try:
        # The header is bounded by the reader, which also sees that it covers the file and no more.
        with safe_open(file, "numpy") as found:
            list(found.keys())
    except (SafetensorError, OSError, ValueError, json.JSONDecodeError) as error:
        raise IntegrityError(
            f"{file.name} is no safetensors file ({' '.join(str(error).split())[:120]}). A pickle or an archive under "
            "another name is not taken: save the weights as safetensors."
        ) from error


def _require(file: Path, fits: bool, what: str) -> None:  # noqa: FBT001 - one line of two checks
    if not fits:
        raise IntegrityError(f"{file.name} is not in the format {what} that its name says. Write it again.")


_CHECKS: dict[str, Callable[[Path], None]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
    ".csv": _text,
    ".tsv": _text,
    ".txt": _text,
    ".md": _text,
    ".png": _png,
}
