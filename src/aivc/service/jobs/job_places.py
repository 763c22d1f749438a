"""Where the virtual cells and the datasets of a service lie, and which of them a job was allowed to use."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

from aivc.core.errors import AIVCError, DataError, IntegrityError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.saved_cell import is_plain
from aivc.service.jobs.job import Job

if TYPE_CHECKING:
    from aivc.core.measurement import Measurement

_SCHEMA = "schema.json"


@final
@dataclass(frozen=True)
class DataPlace:
    """Where a dataset lies, and how it is read.

    Attributes:
        path: Of its file or folder; empty for one of the catalog.
        schema: What its columns mean, as JSON of `aivc.data.io.schema.Schema`.
        catalog: Its name there, where it is of the catalog.
    """

    path: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    catalog: str = ""

    def read(self) -> "Measurement":
        """Its cells, left on disk where that can be.

        Raises:
            DataError: Every problem found.
            UnavailableError: It is not here.
        """
        # What reads files is slow to import, and who looks for a place reads none.
        from aivc.data import catalog
        from aivc.data.io.as_measurement import read_checked
        from aivc.data.io.formats import suffix
        from aivc.data.io.read import BACKED
        from aivc.data.io.schema import Schema

        if self.catalog:
            return catalog.load(self.catalog)
        path, schema = Path(self.path), Schema.from_json(dict(self.schema))
        try:
            return read_checked(path, schema, backed=suffix(path) in BACKED)
        except DataError:
            raise
        except AIVCError:
            # Stored column by column, it can only be read whole; other faults show there again.
            return read_checked(path, schema)


@runtime_checkable
class JobPlaces(Protocol):
    """Finds what a user may use by its name."""

    def cell(self, name: str, user: str) -> Path:
        """Folder of a virtual cell.

        Raises:
            UnknownNameError: There is none, or this user may not see it.
        """

    def dataset(self, name: str, user: str) -> "DataPlace":
        """Where a dataset lies, and how it is read.

        Raises:
            DataError: It was not confirmed how it is read.
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

    def dataset(self, name: str, user: str) -> "DataPlace":
        """File of a dataset, and how it is read.

        Raises:
            UnknownNameError: There is none whose schema was confirmed.
            IntegrityError: There is not one file beside its schema.
        """
        folder = self._folder("datasets", "dataset", name, _SCHEMA)
        data = [path for path in folder.iterdir() if path.suffix != ".json" and not path.name.startswith(".")]
        if len(data) != 1:
            raise IntegrityError(f"{folder} holds {len(data)} files beside its schema, not one. Upload it again.")
        return DataPlace(str(data[0].resolve()), read_json(folder / _SCHEMA))

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
    places: JobPlaces
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
        self.found["datasets"][name] = asdict(self.places.dataset(name, self.user))

    def job(self, name: str, kind: str) -> Job:
        """See that there is a finished job of a kind, of the same user.

        Raises:
            UnknownNameError: There is none for this user.
        """
        job = self.jobs.find(name)
        if job is None or job.owner != self.user or job.kind != kind or job.state != "done":
            raise UnknownNameError(f"finished job of kind {kind}", name, ())
        self.found["jobs"][name] = {"params": dict(job.params), "uses": dict(job.uses), "attempts": job.attempts}
        return job
