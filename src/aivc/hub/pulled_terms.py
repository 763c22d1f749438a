"""A small record of what was pulled on this computer: under which terms weights and data came, by their digests."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import platformdirs

from aivc.core.errors import IntegrityError, WritingError
from aivc.core.foreign_text import read_json
from aivc.core.state import write_text
from aivc.core.writing import held
from aivc.hub.kept_terms import KnownUse, telling, when
from aivc.hub.manifest import Manifest, canonical
from aivc.hub.use_terms import UseTerm

PULLED = "pulled_terms.json"
# Seconds that another process may write.
_PATIENCE = 10.0


def pulled_file() -> Path:
    """Where it is kept: the file that ``AIVC_PULLED`` names, else in ``AIVC_HOME`` or the user's own folder."""
    if named := os.environ.get("AIVC_PULLED"):
        return Path(named)
    return Path(os.environ.get("AIVC_HOME") or platformdirs.user_data_dir("aivc")) / PULLED


@final
@dataclass(frozen=True)
class PulledTerms:
    """The record; a file that is missing says nothing.

    Attributes:
        path: Where it lies.
    """

    path: Path = field(default_factory=pulled_file)

    @classmethod
    def of_home(cls, home: Path) -> "PulledTerms":
        """The record of a service, in its home."""
        return cls(home / PULLED)

    def note(self, manifest: Manifest, said: str) -> None:
        """Note the terms of a version that is fetched; of several that list a file, the oldest stays.

        Args:
            manifest: Of the version.
            said: What it is called; empty where that is not for everybody who uses this computer.

        Raises:
            IntegrityError: The record cannot be read.
            WritingError: It cannot be written.
        """
        if not (files := telling(manifest.files)):
            return
        created = when(manifest.created.isoformat())
        try:
            with held(self.path.with_suffix(".lock"), patience=_PATIENCE):
                self._add([KnownUse(file.sha256, frozenset(manifest.terms), created, said) for file in files])
        except WritingError as error:
            raise WritingError(
                f"The terms of what is fetched are noted in {self.path}, which cannot be written to. Name another file "
                "in AIVC_PULLED."
            ) from error

    def _add(self, uses: Sequence[KnownUse]) -> None:
        noted = self._read()
        before = dict(noted)
        for use in uses:
            there = noted.get(use.sha256)
            if there is None or use.created < there.created:
                noted[use.sha256] = use
            elif use.created == there.created and not use.terms <= there.terms:
                noted[use.sha256] = replace(use, terms=use.terms | there.terms)
        if noted != before:
            body = {"format": 1, "files": {sha256: _entry(use) for sha256, use in noted.items()}}
            write_text(self.path, canonical(body).decode())

    def uses(self, digests: Collection[str]) -> list[KnownUse]:
        """What is noted of files.

        Raises:
            IntegrityError: The record cannot be read.
        """
        wanted = set(digests)
        return [use for sha256, use in self._read().items() if sha256 in wanted]

    def _read(self) -> dict[str, KnownUse]:
        if not self.path.exists():
            return {}
        found = read_json(self.path)
        try:
            if found["format"] != 1:
                raise ValueError("another format")
            return {sha256: _use(sha256, each) for sha256, each in found["files"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityError(f"{self.path} is no record of what was pulled ({error!r}). Correct it.") from error


def _entry(use: KnownUse) -> dict[str, Any]:
    return {"terms": sorted(map(str, use.terms)), "created": use.created.isoformat(), "ref": use.said}


def _use(sha256: str, found: Any) -> KnownUse:
    return KnownUse(sha256, frozenset(map(UseTerm, found["terms"])), when(found["created"]), str(found["ref"]))
