"""The jobs of a service: asked for, looked at, cancelled and gone on with; and worked on, by those who are to."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from sqlalchemy import Engine

from aivc.core.errors import DataError, UnavailableError, UnknownNameError
from aivc.service.jobs.delivery import Delivery
from aivc.service.jobs.job import SHOWN_LINES, Job, JobLimits, JobPace, result_file
from aivc.service.jobs.job_kind import OUR_KINDS, job_kind
from aivc.service.jobs.job_places import FolderPlaces, JobPlaces, Uses
from aivc.service.jobs.job_table import JobTable
from aivc.service.jobs.supervisor import JobEnvironment
from aivc.service.jobs.worker import JobWorker

# One user may have so many jobs that wait or run.
MOST_UNFINISHED = 100


@final
class Jobs:
    """All jobs of a service. Several servers may share a database: no job is ever worked on twice at a time."""

    def __init__(self, about: JobEnvironment, delivery: Delivery, places: JobPlaces) -> None:
        self._about, self._delivery, self._places = about, delivery, places
        self._table = about.table
        self._worker: JobWorker | None = None

    @classmethod
    def open(  # noqa: PLR0913 - one keyword for each thing that a service settles
        cls,
        engine: Engine,
        home: Path,
        queue_url: str = "",
        *,
        places: JobPlaces | None = None,
        hub: str = "",
        hub_database: str = "",
        kinds: Sequence[str] = OUR_KINDS,
        pace: JobPace | None = None,
        limits: JobLimits | None = None,
    ) -> "Jobs":
        """Open the jobs of a service, and bring their tables to the newest form.

        Args:
            engine: The database, which is the truth about them.
            home: Of the service; a job has the folder ``jobs/<id>/`` in it.
            queue_url: What delivers: ``redis://…``, ``postgresql://…``, ``sqlite:///…`` or ``none``; empty for the
                database itself where it is Postgres, and for a file in the home otherwise.
            places: Finds cells and datasets by their names, for a user; by default all that lies in the home.
            hub: Where the hub lies; by default in the home.
            hub_database: URL of its index; by default its own.
            kinds: Modules with a mapping ``KINDS`` of names to ``module:object``, each a `JobKind`.
            pace: How often things are looked at.
            limits: What one job may use.

        Raises:
            DataError: No such queue.
            UnavailableError: The database does not answer, or its queue needs a library that is not installed.
        """
        home = home.resolve()
        home.mkdir(parents=True, exist_ok=True)
        environment = JobEnvironment(
            JobTable.open(engine),
            home,
            tuple(kinds),
            hub or str(home / "hub"),
            hub_database,
            pace or JobPace(),
            limits or JobLimits(),
        )
        return cls(environment, Delivery.open(queue_url, home, engine), places or FolderPlaces(home))

    def submit(self, kind: str, params: Mapping[str, Any], owner: str) -> Job:
        """Ask for a job; all of it is checked before it waits.

        Args:
            kind: Of what is to be done.
            params: Of that kind.
            owner: Who asks, by whose rights cells and datasets are looked up.

        Raises:
            UnknownNameError: No such kind, or nothing of a name for this owner.
            DataError: Parameters are not what they should be, or too many jobs wait already.
        """
        made = job_kind(kind, self._about.kinds)
        asked = made.read(params)
        uses = Uses(owner, self._places, self._table)
        made.check(asked, uses)
        if self._table.unfinished(owner) >= MOST_UNFINISHED:
            raise DataError([f"{MOST_UNFINISHED} of your jobs wait or run already. Wait for some, or cancel them."])
        attempts = self._about.limits.attempts
        job = self._table.add(kind, asked.model_dump(mode="json"), owner, uses=uses.found, attempts=attempts)
        self._delivery.send(job.id)
        return job

    def get(self, name: str) -> Job:
        """A job, with the last lines of its log.

        Raises:
            UnknownNameError: There is none.
        """
        found = self._table.find(name, lines=SHOWN_LINES)
        if found is None:
            raise UnknownNameError("job", name, ())
        return found

    def list(self, owner: str | None = None, *, limit: int = 200) -> "list[Job]":
        """Jobs of an owner, or of all; the newest first, without their logs."""
        return self._table.listed(owner, limit=limit)

    def version(self, name: str) -> int:
        """Counts the changes of a job, so that whoever waits for one need not read it all.

        Raises:
            UnknownNameError: There is none.
        """
        found = self._table.version(name)
        if found is None:
            raise UnknownNameError("job", name, ())
        return found

    def log(self, name: str) -> tuple[str, ...]:
        """The last lines of the log of a job."""
        return self._table.lines(name)

    def cancel(self, name: str) -> Job:
        """Stop a job: one that waits at once, one at work soon; one that has ended stays as it is.

        Raises:
            UnknownNameError: There is none.
        """
        self._table.ask_to_cancel(name)
        return self.get(name)

    def resume(self, name: str) -> Job:
        """Go on with a job that failed or was cancelled, from what it had finished.

        Raises:
            UnknownNameError: There is none.
            DataError: It waits, runs or is done.
        """
        self.get(name)
        if not self._table.requeue(name, attempts=self._about.limits.attempts):
            # As it is now: another request may have gone on with it a moment ago.
            state = self.get(name).state
            raise DataError([f"Only a job that failed or was cancelled is gone on with, and {name} is {state}."])
        self._delivery.send(name)
        return self.get(name)

    def folder(self, name: str) -> Path:
        """Folder of a job."""
        return self._about.home / "jobs" / name

    def file(self, job: Job, name: str) -> Path:
        """A file that a job made.

        Raises:
            UnknownNameError: It made none of that name.
        """
        path = result_file(self.folder(job.id), job.attempts, name)
        # Only what the job itself says it made: no other path can be written.
        if name not in job.files or path.is_symlink() or not path.is_file():
            raise UnknownNameError("file of this job", name, job.files)
        return path

    def work(self, slots: int = 1) -> None:
        """Work on jobs from now on, in threads of this process, each job in a process of its own.

        Args:
            slots: How many jobs at a time.

        Raises:
            DataError: Fewer than one.
            UnavailableError: The database lies in the memory of this process, where no other can read it; or the
                system is Windows, where the processes that a job starts cannot be ended with it.
        """
        if os.name != "posix":
            raise UnavailableError("Jobs are worked on under Linux and macOS. Serve here without them (--jobs 0).")
        url = self._table.engine.url
        if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
            raise UnavailableError("Jobs are other processes, which need a database in a file. Name one.")
        if slots < 1:
            raise DataError([f"At least one job is worked on at a time, got {slots}."])
        if self._worker is None:
            self._worker = JobWorker(self._about, self._delivery, slots)
            self._worker.start()

    def stop(self) -> None:
        """Stop working on jobs; those at work wait for the next server, and go on from what they had finished."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        self._delivery.close()
