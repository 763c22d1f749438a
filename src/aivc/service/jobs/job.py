"""A job, as all who ask about it see it: what was asked, how far it is, and what came of it."""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

from aivc.core.errors import AIVCError, DataError, WritingError
from aivc.service.shown_paths import without_folders
from aivc.service.shown_words import in_words_of_the_api

JobState: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: tuple[JobState, ...] = ("queued", "running", "done", "failed", "cancelled")
FINISHED: tuple[JobState, ...] = ("done", "failed", "cancelled")
# Of a disk that is full or past a limit, and of a place that may not be written to.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
# Lines of the log that are shown.
SHOWN_LINES = 50


@final
@dataclass(frozen=True)
class JobPace:
    """How often things are looked at, in seconds.

    Attributes:
        lease: A claim that nobody renews for so long is given to another.
        beat: Who works on a job renews its claim after so long.
        scan: The table is looked through for work after so long, whether or not any was delivered.
        poll: A process at work is looked at after so long.
        weigh: The memory of all processes of a job is summed after so long.
        grace: A job that was cancelled has so long to stop by itself.

    Raises:
        DataError: A claim would run out before it is renewed.
    """

    lease: float = 30.0
    beat: float = 5.0
    scan: float = 3.0
    poll: float = 0.1
    weigh: float = 1.0
    grace: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < 2 * self.beat <= self.lease:
            raise DataError([f"A lease of {self.lease} s is renewed at least twice. Choose a beat of at most half."])


@final
@dataclass(frozen=True)
class JobLimits:
    """What one job may use.

    Attributes:
        memory_mb: Resident memory of its processes together.
        seconds: Time from start to end, of one attempt.
        attempts: How often it is begun again when its process or its server dies.
    """

    memory_mb: int = 8192
    seconds: float = 24 * 3600.0
    attempts: int = 3


@final
@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        id: Names it.
        kind: What is done, by the name of its kind.
        params: What was asked, as JSON.
        uses: Where that lies which it reads.
        owner: Who asked.
        state: Where it stands.
        progress: ``text``, ``done``, ``total`` (0 where it is not known) and ``seconds_left`` (or None).
        created: Seconds since 1970, as are all times here.
        started: When it was first begun.
        finished: When it ended.
        attempts: How often it was begun.
        result: What came of it: JSON, ``files`` among it, names in its folder.
        error: Why it failed: ``kind`` and ``problems``.
        cancel_asked: Whether it is to stop.
        version: Counts changes.
        log: Its last lines, where they were asked for.
    """

    id: str
    kind: str
    params: Mapping[str, Any]
    uses: Mapping[str, Any]
    owner: str
    state: JobState
    progress: Mapping[str, Any]
    created: float
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    cancel_asked: bool = False
    version: int = 0
    log: tuple[str, ...] = field(default=())

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will come of it, unless it is resumed."""
        return self.state in FINISHED

    @property
    def files(self) -> tuple[str, ...]:
        """Files that it made, by their names in its folder."""
        return tuple((self.result or {}).get("files", ()))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "id": self.id,
            "kind": self.kind,
            "params": dict(self.params),
            "state": self.state,
            "progress": dict(self.progress),
            "error": None if self.error is None else dict(self.error),
            "result": None if self.result is None else dict(self.result),
            "owner": self.owner,
            "created": self.created,
            "started": self.started,
            "finished": self.finished,
            "attempts": self.attempts,
            "cancel_asked": self.cancel_asked,
            "log": list(self.log),
        }


def results_of(folder: Path, attempt: int) -> Path:
    """Where an attempt of a job leaves its files: one that lost its claim and comes late writes over no other's."""
    return folder / f"attempt-{attempt}"


def result_file(folder: Path, attempt: int, name: str) -> Path:
    """A file that a job made in the attempt that ended it; in former versions all lay in its folder."""
    own = results_of(folder, attempt) / name
    return own if own.exists() else folder / name


def step_of(text: str, done: int = 0, total: int = 0, seconds_left: float | None = None) -> dict[str, Any]:
    """Progress as JSON, without the folders it names; a total of 0 is one that is not known."""
    return {"text": without_folders(text), "done": done, "total": total, "seconds_left": seconds_left}


def failure(kind: str, problems: Sequence[str]) -> dict[str, Any]:
    """Why a job failed, as the service says why it refuses a request."""
    return {"kind": kind, "problems": [in_words_of_the_api(without_folders(text)) for text in problems]}


def failure_of(error: AIVCError) -> dict[str, Any]:
    """Why a job failed, by what it refused."""
    problems = error.problems if isinstance(error, DataError) else (str(error),)
    if isinstance(error, WritingError):
        problems = (*problems, "Once that is done, resume the job: it goes on from what it had finished.")
    return failure(type(error).__name__, problems)


def is_no_room(error: OSError) -> bool:
    """Whether it says that a disk is full, or that a place may not be written to."""
    return error.errno in _NO_ROOM


def not_written(error: OSError) -> WritingError:
    """What is said of files that a job could not write."""
    name = f": {error.filename}" if error.filename else ""
    said = f"A file of the job could not be written or opened ({error.strerror or error}{name})."
    return WritingError(f"{said} Make room, or let the service write there.")
