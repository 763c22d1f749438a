"""Where the virtual cells and the datasets of a service lie, and which of them a job was allowed to use."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.saved_cell import is_plain
from aivc.service.jobs.job import Job

if TYPE_CHECKING:
    from aivc.data.io.schema import Schema

_SCHEMA = "schema.json"


@runtime_checkable
class Places(Protocol):
    """Finds what a user may use by its name."""

    def cell(self, name: str, user: str) -> Path:
        """Folder of a virtual cell.

        Raises:
            UnknownNameError: There is none, or this user may not see it.
        """

    def dataset(self, name: str, user: str) -> "tuple[Path, Schema]":
        """File of a dataset, and how it is read.

        Raises:
            UnknownNameError: There is none, or this user may not see it.
        """


@final
@dataclass(frozen=True)
class FolderPlaces:
    """All that lies in the home of a service, for everybody.

    Attributes:
        home: With ``cells/<id>/`` and ``datasets/<id>/``; a dataset is ``schema.json`` beside one file or folder.
    """

    home: Path

    def cell(self, name: str, user: str) -> Path:
        """Folder of a virtual cell.

        Raises:
            UnknownNameError: There is none.
        """
        return self._folder("cells", "cell", name, "cell.json")

    def dataset(self, name: str, user: str) -> "tuple[Path, Schema]":
        """File of a dataset, and how it is read.

        Raises:
            UnknownNameError: There is none whose schema was confirmed.
            IntegrityError: There is not one file beside its schema.
        """
        # It reads with pandas, which most jobs do not need before they start.
        from aivc.data.io.schema import Schema

        folder = self._folder("datasets", "dataset", name, _SCHEMA)
        schema = Schema.from_json(read_json(folder / _SCHEMA))
        data = [path for path in folder.iterdir() if path.suffix != ".json" and not path.name.startswith(".")]
        if len(data) != 1:
            raise IntegrityError(f"{folder} holds {len(data)} files beside its schema, not one. Upload it again.")
        return data[0], schema

    def _folder(self, where: str, what: str, name: str, needed: str) -> Path:
        parent = self.home / where
        folder = parent / name
        if not is_plain(name) or not (folder / needed).is_file():
            known = [path.parent.name for path in parent.glob(f"*/{needed}")] if parent.is_dir() else []
            raise UnknownNameError(what, name, known)
        return folder


@runtime_checkable
class FindsJobs(Protocol):
    """Finds jobs of others."""

    def find(self, name: str) -> Job | None:
        """A job by its name."""


@final
@dataclass(frozen=True)
class Uses:
    """What one job uses: looked up by the rights of who asks when it is asked for, and kept with the job.

    Attributes:
        user: Who asks.
        places: Where things lie.
        jobs: Finds jobs whose results are used.
        found: What was looked up so far, as JSON.
    """

    user: str
    places: Places
    jobs: FindsJobs
    found: dict[str, dict[str, Any]] = field(default_factory=lambda: {"cells": {}, "datasets": {}, "jobs": {}})

    def cell(self, name: str) -> None:
        """See that there is such a virtual cell, and note where.

        Raises:
            UnknownNameError: There is none for this user.
        """
        self.found["cells"][name] = str(self.places.cell(name, self.user).resolve())

    def dataset(self, name: str) -> None:
        """See that there is such a dataset, and note where, and how it is read.

        Raises:
            UnknownNameError: There is none for this user.
        """
        path, schema = self.places.dataset(name, self.user)
        self.found["datasets"][name] = {"path": str(path.resolve()), "schema": schema.to_json()}

    def job(self, name: str, kind: str) -> Job:
        """See that there is a finished job of a kind, of the same user.

        Raises:
            UnknownNameError: There is none for this user.
        """
        job = self.jobs.find(name)
        if job is None or job.owner != self.user or job.kind != kind or job.state != "done":
            raise UnknownNameError(f"finished job of kind {kind}", name, ())
        self.found["jobs"][name] = {"params": dict(job.params), "uses": dict(job.uses)}
        return job
