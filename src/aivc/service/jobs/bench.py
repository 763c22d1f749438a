"""What a job has at hand while it is done: its folder, what it was allowed to use, and a voice."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from aivc.service.jobs.job import Job, result_file, results_of, step_of
from aivc.service.jobs.job_places import DataPlace
from aivc.service.jobs.job_table import JobTable

# Progress is written no more often than this, in seconds.
_PAUSE = 0.5


class JobStopped(Exception):  # noqa: N818 - no fault, but what was asked for
    """The job was cancelled, or another process works on it: what is being done leads nowhere."""


@final
@dataclass
class _Stage:
    """One thing of those that a job does one after another.

    Attributes:
        text: What it is.
        began: When, in seconds of a clock that never goes back.
        first: How much of it was done already.
        written: When it was last said how far it is.
    """

    text: str = ""
    began: float = 0.0
    first: int = 0
    written: float = 0.0

    def seconds_left(self, done: int, total: int, now: float) -> float | None:
        """How long the rest takes, if it goes on as it went; None where that cannot be said."""
        fresh = done - self.first
        if fresh <= 0 or total <= done:
            return None
        return round((now - self.began) * (total - done) / fresh, 1)


@final
@dataclass(frozen=True, eq=False)
class Bench:
    """Where one job is done.

    Attributes:
        job: What is asked, as it stood when this attempt was claimed.
        table: Where it stands.
        holder: In whose name this process works on it.
        home: Of the service.
        hub: Where the hub lies.
        hub_database: URL of its index; empty takes its own.
        lost: Called when another process works on the job.
    """

    job: Job
    table: JobTable
    holder: str
    home: Path
    hub: str = ""
    hub_database: str = ""
    lost: Callable[[], None] = lambda: None
    _stage: _Stage = field(default_factory=_Stage)

    @property
    def folder(self) -> Path:
        """Folder of the job, with what lets it go on after a crash."""
        return self.home / "jobs" / self.job.id

    @property
    def results(self) -> Path:
        """Folder of the files that it makes, which is another one in each attempt."""
        return results_of(self.folder, self.job.attempts)

    def result_of(self, job: str, name: str) -> Path:
        """A file of another job that this one goes on from."""
        return result_file(self.home / "jobs" / job, self.screened(job).get("attempts", 0), name)

    def cell(self, name: str) -> Path:
        """Folder of a virtual cell, as it was found when the job was asked for."""
        return Path(self.job.uses["cells"][name])

    def dataset(self, name: str) -> DataPlace:
        """Where a dataset lies and how it is read, as it was found when the job was asked for."""
        return DataPlace(**self.job.uses["datasets"][name])

    def screened(self, job: str) -> dict[str, Any]:
        """What another job that this one goes on from was asked, and what it used."""
        found: dict[str, Any] = self.job.uses["jobs"][job]
        return found

    def tell(self, text: str, done: int, total: int) -> None:
        """Say how far it is; this is `aivc.data.streaming.stream.Progress`.

        Args:
            text: What is being done.
            done: How much of it.
            total: Of how much; 0 where that is not known.

        Raises:
            JobStopped: The job is to stop.
        """
        now, stage = time.monotonic(), self._stage
        if text != stage.text:
            stage.text, stage.began, stage.first, stage.written = text, now, done, 0.0
        elif now - stage.written < _PAUSE and done != total:
            return
        stage.written = now
        seen = self.table.tell(
            self.job.id, self.holder, step_of(text, done, total, stage.seconds_left(done, total, now))
        )
        if not seen.held:
            self.lost()
        if not seen.held or seen.cancel_asked:
            raise JobStopped(self.job.id)

    def write(self, text: str) -> None:
        """Add a line to the log of the job."""
        self.table.write(self.job.id, text)
