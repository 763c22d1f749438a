"""Finds the files of a 10x matrix in a folder: as Cell Ranger names them, or with a prefix, as in GEO."""

import re
from pathlib import Path

from aivc.core.errors import IntegrityError, SchemaError

MATRIX, FEATURES, BARCODES = ("matrix.mtx",), ("features.tsv", "genes.tsv"), ("barcodes.tsv",)
_JOINTS = ("", "_", ".", "-")


def ten_x_files(folder: Path, prefix: str | None) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Find matrix, features and barcodes of one sample, each plain or gzipped.

    Args:
        folder: With the files of one sample or of several.
        prefix: What the names of the files of one sample begin with, such as ``GSM1_A``; None where there is one.

    Returns:
        Files by ``matrix``, ``features`` and ``barcodes``, and notes.

    Raises:
        IntegrityError: The folder holds no such files; what it holds is listed.
        SchemaError: It holds several samples, and the schema names none of them, or one that is not there.
    """
    there = prefixes(folder)
    notes: tuple[str, ...] = ()
    if prefix is None and "" not in there:
        if not there:
            raise IntegrityError(
                f"{folder} holds no matrix.mtx (plain or .gz), so it is no 10x folder. {_inside(folder)}"
            )
        if len(there) > 1:
            raise SchemaError(
                f"{folder} holds the 10x matrices of {len(there)} samples: {', '.join(there)}. Name one in the schema: "
                f'prefix = "{there[0]}".'
            )
        prefix, notes = there[0], (f"Files of {folder.name} whose names begin with {there[0]!r} are read.",)
    chosen = prefix or ""
    found = {
        "matrix": _file(folder, chosen, MATRIX),
        # Of samples that share their genes, GEO keeps one file without a prefix.
        "features": _file(folder, chosen, FEATURES) or _file(folder, "", FEATURES),
        "barcodes": _file(folder, chosen, BARCODES),
    }
    if found["matrix"] is None:
        raise SchemaError(
            f"{folder} holds no matrix.mtx of prefix {prefix!r}; prefixes there are: "
            f"{', '.join(map(repr, there)) or 'none'}. Correct prefix in the schema."
        )
    for kind, names in (("features", FEATURES), ("barcodes", BARCODES)):
        if found[kind] is None:
            named = " or ".join(f"{chosen}{name}" for name in names)
            raise IntegrityError(
                f"{folder} holds no {named} (plain or .gz) for {found['matrix']}. Put the three files into one folder."
            )
    return {kind: path for kind, path in found.items() if path is not None}, notes


def prefixes(folder: Path) -> list[str]:
    """What stands before ``matrix.mtx`` in the names of a folder's files, sorted; an empty text for nothing."""
    ends = re.compile(r"(.*)matrix\.mtx(?:\.gz)?")
    return sorted({match[1] for file in folder.iterdir() if (match := ends.fullmatch(file.name))})


def _file(folder: Path, prefix: str, names: tuple[str, ...]) -> Path | None:
    joints = _JOINTS if prefix else ("",)
    tried = [f"{prefix}{joint}{name}{end}" for joint in joints for name in names for end in ("", ".gz")]
    return next((folder / name for name in tried if (folder / name).is_file()), None)


def _inside(folder: Path) -> str:
    """What could be meant instead, one level deep."""
    matrices = sorted(str(path) for path in folder.iterdir() if path.suffix in (".h5", ".h5ad", ".h5mu"))
    folders = sorted(str(path) for path in folder.iterdir() if path.is_dir() and prefixes(path))
    instead = [*matrices, *folders]
    return f"Give instead {' or '.join(instead[:5])}." if instead else "Check the path."
