"""Turns a folder, a virtual cell or a part into the files and the manifest of a version, before it is published."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

from aivc.core.contracts import Decoder, Encoder, Manipulator
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.saved_cell import CELL, PARTS
from aivc.core.virtual_cell import VirtualCell
from aivc.hub.badges import README, SIGNATURES
from aivc.hub.described import PART_KINDS, described, environment
from aivc.hub.file_formats import LARGEST_ALL, MOST_FILES, check_format
from aivc.hub.manifest import MANIFEST, Declared, Manifest
from aivc.hub.manifest_fields import HubFile, MadeWith, TrainingData
from aivc.hub.object_store import file_digest
from aivc.hub.opened import OPENED, open_files
from aivc.hub.refs import HubKind
from aivc.hub.self_test import SELF_TEST, Asked
from aivc.hub.use_terms import UseTerm, strictest

Thing: TypeAlias = Path | VirtualCell | Encoder | Manipulator | Decoder


@final
@dataclass(frozen=True)
class Prepared:
    """A version that could be published.

    Attributes:
        manifest: All that it says.
        files: Where each of its files lies, by its path in the manifest.
    """

    manifest: Manifest
    files: Mapping[str, Path]


def prepare(thing: Thing, stated: Declared, scratch: Path, part: str = "") -> Prepared:
    """Load it, ask it a few questions, and write down what it is.

    Args:
        thing: A folder or an object. A folder of a virtual cell may stand for one of its parts.
        stated: What a person says of it.
        scratch: An empty folder for files that are made.
        part: Which part of a cell, for the kinds encoder, manipulator and decoder.

    Raises:
        DataError: It is no thing of the kind.
        IntegrityError: A file is altered, or in no allowed format.
        UnknownNameError: The cell has no such part.
    """
    fields: dict[str, object] = {}
    asked: Asked | None
    whole: VirtualCell | None
    if stated.kind is HubKind.VIRTUAL_CELL:
        files, asked, whole = _cell(thing, scratch)
    elif stated.kind in PART_KINDS:
        files, asked, whole = _part(thing, stated, part, scratch)
    else:
        place = _place(thing, stated)
        files, asked, whole = _files(place), None, None
        if stated.kind in OPENED:
            # A version stays for good: what does not even open is not made one.
            open_files(stated.kind, place)
        fields = {
            "training": TrainingData(ancestry=stated.ancestry, sexes=stated.sexes),
            "terms": sorted(stated.terms),
            "evaluation": stated.evaluation,
            "made_with": MadeWith(packages=environment(), parents=stated.parents),
        }
    if asked is not None:
        read = described(asked, stated, whole)
        fields = dict(read.fields)
        if read.test is not None:
            read.test.save(scratch)
            files |= {SELF_TEST: scratch / SELF_TEST}
            fields["self_test"] = read.test.test
    if isinstance(thing, Path) and (inherited := inherited_terms(thing)):
        noted = fields["terms"] if isinstance(fields["terms"], list) else []
        fields["terms"] = sorted(strictest([noted, inherited]))
    said = stated.model_dump(exclude={"terms", "evaluation", "ancestry", "sexes", "parents"})
    stated_and_read = {**said, "title": stated.title or stated.name, **fields, "files": _listed(files)}
    return Prepared(Manifest.model_validate(stated_and_read), files)


def inherited_terms(folder: Path) -> frozenset[UseTerm]:
    """Terms that a folder was fetched under, which stay whatever it is called from then on.

    Raises:
        IntegrityError: The manifest beside it cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return frozenset()
    manifest = Manifest.from_bytes(path.read_bytes(), str(path))
    return strictest([manifest.terms, *(each.terms for each in manifest.training.sets)])


def _cell(thing: Thing, scratch: Path) -> tuple[dict[str, Path], VirtualCell, VirtualCell]:
    if isinstance(thing, VirtualCell):
        thing.save(scratch / "cell")
        return _files(scratch / "cell"), thing, thing
    if not isinstance(thing, Path):
        raise DataError([f"A virtual-cell is wanted, got a {type(thing).__name__}. Name its kind."])
    _require_cell(thing)
    cell = VirtualCell.load(thing)
    return _files(thing, SELF_TEST, README), cell, cell


def _part(
    thing: Thing, stated: Declared, part: str, scratch: Path
) -> tuple[dict[str, Path], Encoder | Manipulator | Decoder, VirtualCell | None]:
    if isinstance(thing, Path):
        _require_cell(thing)
    whole = VirtualCell.load(thing) if isinstance(thing, Path) else thing if isinstance(thing, VirtualCell) else None
    found: object = thing
    if whole is not None:
        fitting = {name: each for name, each in whole.parts.items() if isinstance(each, PART_KINDS[stated.kind])}
        name = part or (next(iter(fitting)) if len(fitting) == 1 else "")
        if name not in fitting:
            raise UnknownNameError(str(stated.kind), name, fitting, "Name the part.")
        found = fitting[name]
    if not isinstance(found, Encoder | Manipulator | Decoder) or not isinstance(found, PART_KINDS[stated.kind]):
        raise DataError([f"A {stated.kind} is wanted, got a {type(found).__name__}. Name its kind."])
    found.state().save(scratch / PARTS)
    return _files(scratch / PARTS), found, whole


def _require_cell(folder: Path) -> None:
    """Refuse another folder in words for whoever publishes for the first time."""
    if (folder / CELL).is_file():
        return
    if not folder.exists():
        raise DataError([f"There is no {folder}. Check the path."])
    inside = sorted(each.parent for each in folder.glob(f"*/{CELL}")) if folder.is_dir() else []
    hint = f"Give {inside[0]}." if inside else "Give the folder of a cell; another kind is named before its ref."
    raise DataError([f"{folder} is no virtual cell: it holds no {CELL}. {hint}"])


def _place(thing: Thing, stated: Declared) -> Path:
    if not isinstance(thing, Path) or not thing.exists():
        raise DataError([f"A {stated.kind} is published from a folder of its files, or from its one file. Give it."])
    return thing


def _files(folder: Path, *beside: str) -> dict[str, Path]:
    """Every file of a folder but what a hub put beside them; links are refused when they are looked at."""
    if folder.is_file():
        return {folder.name: folder}
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if not path.is_dir()}
    return {path: file for path, file in found.items() if path not in (MANIFEST, SIGNATURES, *beside)}


def _listed(files: Mapping[str, Path]) -> list[HubFile]:
    if not files or len(files) > MOST_FILES:
        raise DataError([f"From 1 to {MOST_FILES:,} files can be published, got {len(files):,}."])
    listed = []
    for path, file in sorted(files.items()):
        check_format(file, path)
        digest, size = file_digest(file)
        listed.append(HubFile(path=path, sha256=digest, bytes=size))
    if (total := sum(file.bytes for file in listed)) > LARGEST_ALL:
        raise DataError([f"The files have {total:,} bytes together, where {LARGEST_ALL:,} are the most."])
    return listed
