"""Three checks that anybody can repeat: what was published is valid, it runs, and it answers as it did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, final

from aivc.core import registry
from aivc.core.errors import AIVCError, IntegrityError, UnavailableError, UnknownNameError
from aivc.core.saved_cell import fitting
from aivc.core.state import State
from aivc.core.virtual_cell import VirtualCell
from aivc.hub.described import PART_KINDS, environment
from aivc.hub.file_formats import LARGEST_ALL, check_format
from aivc.hub.manifest import MANIFEST, Manifest
from aivc.hub.object_store import file_digest
from aivc.hub.opened import OPENED, open_files
from aivc.hub.recomputed import recomputed
from aivc.hub.refs import HubKind
from aivc.hub.self_test import Asked, repeat

SIGNATURES, README = "signatures.json", "README.md"
# What lies in a fetched folder beside the files of the manifest.
BESIDE = (MANIFEST, SIGNATURES, README)
# Ensembles and calibrations stand for the manipulator or decoder that they hold.
_WRAPPERS = "wrappers"


class Badge(StrEnum):
    """What can be checked."""

    VALID = "valid"
    RUNS = "runs"
    REPRODUCES = "reproduces"


@final
@dataclass(frozen=True)
class BadgeRecord:
    """One check.

    Attributes:
        badge: Which.
        passed: None where it cannot be checked: a card of a dataset answers no question, and the data of a benchmark
            may not be here.
        detail: What was found, in a sentence.
        checked: When, ISO 8601.
        environment: Versions it was checked with.
    """

    badge: str
    passed: bool | None
    detail: str
    checked: str
    environment: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**vars(self), "environment": dict(self.environment)}

    @classmethod
    def from_json(cls, found: Any) -> "BadgeRecord":
        """Inverse of `to_json`.

        Raises:
            IntegrityError: It is none.
        """
        try:
            made = cls(**found)
            texts = all(isinstance(each, str) for each in (made.detail, made.checked, *made.environment.values()))
            if made.badge not in list(Badge) or not texts or not isinstance(made.passed, bool | None):
                raise TypeError("another type")
        except (AttributeError, TypeError) as error:
            raise IntegrityError(f"This is no record of a badge ({error}). Check it again: aivc verify.") from error
        return made


def check(
    folder: Path, manifest: Manifest, badges: Sequence[str], broken: str = "", beside: Sequence[Path] = ()
) -> list[BadgeRecord]:
    """Check a folder against its manifest.

    Args:
        folder: Holds the files.
        manifest: What they are to be.
        badges: Which checks; a later one needs those before it, which are made too.
        broken: Why none of them can pass, where that is known already.
        beside: Folders of the benchmarks that scores were made from.

    Raises:
        UnknownNameError: There is no such badge.
    """
    for badge in badges:
        if badge not in list(Badge):
            raise UnknownNameError("badge", badge, map(str, Badge))
    last = max((list(Badge).index(Badge(badge)) for badge in badges), default=0)
    records, subject = list[BadgeRecord](), _Subject(folder, manifest, beside)
    for badge in list(Badge)[: last + 1]:
        passed, detail = (False, broken) if broken else subject.verdict(badge)
        records.append(
            BadgeRecord(str(badge), passed, detail, datetime.now(UTC).isoformat(timespec="seconds"), environment())
        )
        if passed is False:
            broken = broken or f"Not reached: {badge} failed."
    return records


def load(folder: Path, manifest: Manifest) -> Asked | None:
    """The virtual cell or the part that a folder holds; None of kinds that are not asked anything.

    Raises:
        AIVCError: It cannot be loaded, or is another than the manifest says.
    """
    if manifest.kind is HubKind.VIRTUAL_CELL:
        cell = VirtualCell.load(folder)
        if manifest.made_with.cell and cell.digest != manifest.made_with.cell:
            raise IntegrityError("It is another cell than its manifest says. Do not use it.")
        return cell
    if manifest.kind not in PART_KINDS:
        return None
    entry = manifest.made_with.parts.get("part")
    if entry is None or entry.group not in (f"{manifest.kind}s", _WRAPPERS):
        raise IntegrityError("The manifest does not say under which name the part is registered. Publish it again.")
    state = State.load(folder)
    if state.digest() != entry.digest:
        raise IntegrityError("It is another part than its manifest says. Do not use it.")
    with fitting(f"The part in {folder}"):
        part: Asked = registry.Registry(entry.group).load(entry.name).from_state(state)
    if not isinstance(part, PART_KINDS[manifest.kind]):
        raise IntegrityError(f"It is no {manifest.kind}. Do not use it.")
    return part


def require_files(folder: Path, manifest: Manifest) -> None:
    """See that a folder holds the files of a manifest, each with its digest and in its format, and no others.

    Raises:
        IntegrityError: A file is missing, altered, of another format, or not listed.
    """
    if manifest.size > LARGEST_ALL:
        raise IntegrityError(f"The files have {manifest.size:,} bytes, where {LARGEST_ALL:,} are the most.")
    listed = {file.path: file for file in manifest.files}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if foreign := sorted(present - set(listed) - set(BESIDE)):
        raise IntegrityError(f"{foreign[0]!r} is not in the manifest. Do not use the folder; fetch it again.")
    if missing := sorted(set(listed) - present):
        raise IntegrityError(f"{missing[0]!r} is missing. Fetch it again.")
    for path, file in listed.items():
        check_format(folder / path, path)
        if file_digest(folder / path) != (file.sha256, file.bytes):
            raise IntegrityError(f"{path!r} was altered: it is not the file of the manifest. Fetch it again.")


@final
class _Subject:
    """A folder that is checked; it is loaded once, and asked once."""

    def __init__(self, folder: Path, manifest: Manifest, beside: Sequence[Path]) -> None:
        self.folder, self.manifest, self.beside = folder, manifest, beside

    @cached_property
    def differ(self) -> list[str] | None:
        """What it answers otherwise than at publication; None where it is asked nothing."""
        thing = load(self.folder, self.manifest)
        if thing is None or self.manifest.self_test is None:
            return None
        return repeat(thing, self.manifest.self_test, self.folder)

    def verdict(self, badge: Badge) -> tuple[bool | None, str]:
        """Whether it passes, and what was found."""
        try:
            return self._verdict(badge)
        except UnavailableError as error:
            # Such as a part on another computer that nobody here named, or that does not answer today.
            return None, " ".join(str(error).split())[:2000]
        except AIVCError as error:
            return False, " ".join(str(error).split())[:2000]

    def _verdict(self, badge: Badge) -> tuple[bool | None, str]:
        if badge is Badge.VALID:
            require_files(self.folder, self.manifest)
            count = len(self.manifest.files)
            return True, f"The manifest and {f'{count} files are' if count > 1 else 'its file are'} what they say."
        if self.manifest.kind in OPENED:
            if badge is Badge.RUNS:
                return True, open_files(self.manifest.kind, self.folder)
            return recomputed(self.manifest.kind, self.folder, self.beside)
        if self.differ is None:
            asked = self.manifest.kind is HubKind.VIRTUAL_CELL or self.manifest.kind in PART_KINDS
            loads = "It loads, and answers no question of a self-test" if asked else "Its files can be read"
            return None, f"{loads}: there is nothing to repeat."
        if badge is Badge.RUNS:
            return True, "It loads, and answers its self-test."
        if self.differ:
            return False, " ".join(self.differ)
        questions = len(self.manifest.self_test.questions) if self.manifest.self_test is not None else 0
        return True, f"{questions} questions are answered as at publication."
