"""The table of jobs, which is the truth about them; every change of hands is one conditional update."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    CursorResult,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from aivc.core.errors import DataError
from aivc.hub.database import upgrade
from aivc.service.jobs.job import FINISHED, SHOWN_LINES, STATES, Job, JobState, failure, step_of
from aivc.service.shown_paths import without_folders

_MIGRATIONS = Path(__file__).with_name("migrations")
_VERSIONS = "jobs_version"
# Lines of the log of one job that are kept, and letters of one line.
_KEPT_LINES, _LINE = 200, 2000


class JobTables(DeclarativeBase):
    """All tables of jobs."""


class JobRow(JobTables):
    """One job; times are seconds since 1970 by the clock of the database."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(map(repr, STATES))})", name="jobs_state"),
        Index("jobs_by_owner", "owner", "created"),
        Index("jobs_by_state", "state", "created"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    uses: Mapped[dict[str, Any]] = mapped_column(JSON)
    owner: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    progress: Mapped[dict[str, Any]] = mapped_column(JSON)
    cancel_asked: Mapped[int] = mapped_column(Integer, default=0)
    lease_by: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[float | None] = mapped_column(Float(53))
    heartbeat: Mapped[float | None] = mapped_column(Float(53))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    allowed: Mapped[int] = mapped_column(Integer)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created: Mapped[float] = mapped_column(Float(53))
    started: Mapped[float | None] = mapped_column(Float(53))
    finished: Mapped[float | None] = mapped_column(Float(53))
    version: Mapped[int] = mapped_column(Integer, default=0)


class JobLine(JobTables):
    """One line of the log of a job."""

    __tablename__ = "job_lines"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    at: Mapped[float] = mapped_column(Float(53))
    text: Mapped[str] = mapped_column(Text)


class LeaseSeen(NamedTuple):
    """What who works on a job learns when renewing the claim.

    Attributes:
        held: Whether it is still theirs.
        cancel_asked: Whether the job is to stop.
    """

    held: bool
    cancel_asked: bool


@final
@dataclass(frozen=True)
class JobTable:
    """Jobs in a database.

    Attributes:
        engine: The database.
    """

    engine: Engine

    @classmethod
    def open(cls, engine: Engine) -> "JobTable":
        """Bring the tables to their newest form."""
        upgrade(engine, _MIGRATIONS, _VERSIONS)
        return cls(engine)

    def add(
        self, kind: str, params: Mapping[str, Any], owner: str, *, uses: Mapping[str, Any] | None = None, attempts: int
    ) -> Job:
        """Add a job to the queue.

        Args:
            kind: Of what is done.
            params: What is asked, as JSON.
            owner: Who asks.
            uses: Where that lies which it reads (`aivc.service.jobs.job_places.Uses`).
            attempts: How often it may be begun.
        """
        name = secrets.token_hex(8)
        with self.engine.begin() as connection:
            row = {
                "id": name,
                "kind": kind,
                "params": dict(params),
                "uses": dict(uses or {}),
                "owner": owner,
                "state": "queued",
                "progress": step_of("waiting for a free place"),
                "allowed": attempts,
                "created": _now(connection),
            }
            connection.execute(insert(JobRow).values(row))
        found = self.find(name)
        assert found is not None
        return found

    def find(self, name: str, *, lines: int = 0) -> Job | None:
        """A job by its name, with so many of the last lines of its log."""
        with self.engine.connect() as connection:
            row = connection.execute(select(JobRow.__table__).where(JobRow.id == name)).mappings().one_or_none()
            return None if row is None else _job(row, self._lines(connection, name, lines) if lines else ())

    def version(self, name: str) -> int | None:
        """How often a job changed; None where there is none."""
        with self.engine.connect() as connection:
            return connection.execute(select(JobRow.version).where(JobRow.id == name)).scalar_one_or_none()

    def listed(self, owner: str | None = None, *, limit: int = 200) -> list[Job]:
        """Jobs, the newest first.

        Args:
            owner: Only those of one; None for all.
            limit: At most so many.
        """
        asked = select(JobRow.__table__).order_by(JobRow.created.desc(), JobRow.id).limit(limit)
        if owner is not None:
            asked = asked.where(JobRow.owner == owner)
        with self.engine.connect() as connection:
            return [_job(row) for row in connection.execute(asked).mappings()]

    def unfinished(self, owner: str) -> int:
        """How many jobs of one wait or run."""
        asked = select(func.count()).where(JobRow.owner == owner, JobRow.state.in_(("queued", "running")))
        with self.engine.connect() as connection:
            return connection.execute(asked).scalar_one()

    def waiting(self, *, limit: int = 20) -> list[str]:
        """Names of jobs to work on, oldest first: those queued, and those whose claim ran out."""
        with self.engine.connect() as connection:
            asked = select(JobRow.id).where(_free(_now(connection))).order_by(JobRow.created, JobRow.id).limit(limit)
            return list(connection.execute(asked).scalars())

    def claim(self, name: str, holder: str, lease: float) -> bool:
        """Take a job, if nobody else has it.

        One update compares and sets, so that of several who try exactly one succeeds.

        Args:
            name: Of the job.
            holder: Who takes it; never the same twice.
            lease: Seconds until it is free again, unless renewed.

        Returns:
            Whether it is theirs.
        """
        with self.engine.begin() as connection:
            now = _now(connection)
            can = and_(JobRow.id == name, _free(now), JobRow.cancel_asked == 0, JobRow.attempts < JobRow.allowed)
            taken = (
                update(JobRow)
                .where(can)
                .values(
                    state="running",
                    lease_by=holder,
                    lease_until=now + lease,
                    heartbeat=now,
                    attempts=JobRow.attempts + 1,
                    started=func.coalesce(JobRow.started, now),
                    progress=step_of("starting"),
                    version=JobRow.version + 1,
                )
            )
            if _changed(connection.execute(taken)):
                return True
            self._end_what_cannot_go_on(connection, name, now)
            return False

    def _end_what_cannot_go_on(self, connection: Connection, name: str, now: float) -> None:
        """A job whose claim ran out and that was cancelled, or begun too often, ends here."""
        left = and_(JobRow.id == name, _free(now))
        ended = {"finished": now, "lease_by": None, "lease_until": None, "version": JobRow.version + 1}
        stopped = update(JobRow).where(left, JobRow.cancel_asked == 1)
        connection.execute(stopped.values(state="cancelled", progress=step_of("cancelled"), **ended))
        spent = update(JobRow).where(left, JobRow.cancel_asked == 0, JobRow.attempts >= JobRow.allowed)
        said = failure(
            "WorkerLost",
            ["The process that worked on it died each time it was begun. See its log, then resume it or ask for less."],
        )
        connection.execute(spent.values(state="failed", error=said, progress=step_of("failed"), **ended))

    def renew(self, name: str, holder: str, lease: float) -> LeaseSeen:
        """Say that a job is still worked on, and learn whether it is to stop."""
        mine = _mine(name, holder)
        with self.engine.begin() as connection:
            now = _now(connection)
            kept = connection.execute(update(JobRow).where(mine).values(lease_until=now + lease, heartbeat=now))
            if not _changed(kept):
                return LeaseSeen(held=False, cancel_asked=False)
            asked = connection.execute(select(JobRow.cancel_asked).where(JobRow.id == name)).scalar_one()
            return LeaseSeen(held=True, cancel_asked=bool(asked))

    def tell(self, name: str, holder: str, progress: Mapping[str, Any]) -> LeaseSeen:
        """Write how far a job is, and learn whether it is to stop."""
        with self.engine.begin() as connection:
            said = update(JobRow).where(_mine(name, holder))
            said = said.values(progress=dict(progress), heartbeat=_now(connection), version=JobRow.version + 1)
            if not _changed(connection.execute(said)):
                return LeaseSeen(held=False, cancel_asked=False)
            asked = connection.execute(select(JobRow.cancel_asked).where(JobRow.id == name)).scalar_one()
            return LeaseSeen(held=True, cancel_asked=bool(asked))

    def end(
        self,
        name: str,
        holder: str,
        state: JobState,
        *,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> bool:
        """End a job that is theirs.

        Args:
            name: Of the job.
            holder: Who works on it.
            state: How it ended.
            result: What came of it.
            error: Why it failed.

        Returns:
            Whether it was still theirs to end.

        Raises:
            DataError: That is no end.
        """
        if state not in FINISHED:
            raise DataError([f"A job ends as {', '.join(FINISHED)}, not {state!r}. Choose one of them."])
        with self.engine.begin() as connection:
            now = _now(connection)
            values: dict[str, Any] = {
                "state": state,
                # Of what has ended otherwise, nothing is to stop any more.
                "cancel_asked": JobRow.cancel_asked if state == "cancelled" else 0,
                "finished": now,
                "heartbeat": now,
                "lease_by": None,
                "lease_until": None,
                "progress": step_of(state, *((1, 1) if state == "done" else ())),
                "result": None if result is None else dict(result),
                "error": None if error is None else dict(error),
                "version": JobRow.version + 1,
            }
            return _changed(connection.execute(update(JobRow).where(_mine(name, holder)).values(values)))

    def release(self, name: str, holder: str, why: str, *, counted: bool) -> bool:
        """Put a job that is theirs back into the queue; one that was to stop ends there.

        Args:
            name: Of the job.
            holder: Who worked on it.
            why: Is shown as its progress.
            counted: Whether this was one of the attempts it has.
        """
        with self.engine.begin() as connection:
            more = 0 if counted else 1
            back = _stopped_if(JobRow.cancel_asked == 1, _now(connection), "queued", step_of(why))
            values = {**back, "allowed": JobRow.allowed + more, "lease_by": None, "lease_until": None}
            return _changed(connection.execute(update(JobRow).where(_mine(name, holder)).values(values)))

    def ask_to_cancel(self, name: str) -> None:
        """Ask a job to stop; one that nobody works on is cancelled at once, and one that ended stays as it is."""
        with self.engine.begin() as connection:
            now = _now(connection)
            asked = or_(_free(now), and_(JobRow.state == "running", JobRow.cancel_asked == 0))
            # One update for both, as a job may come from one state into the other between two of them.
            values = _stopped_if(_free(now), now, JobRow.state, JobRow.progress)
            values |= {name: _only_if(_free(now), None, getattr(JobRow, name)) for name in ("lease_by", "lease_until")}
            connection.execute(update(JobRow).where(JobRow.id == name, asked).values(cancel_asked=1, **values))

    def requeue(self, name: str, *, attempts: int) -> bool:
        """Put a job that failed or was cancelled back into the queue, with so many attempts more."""
        with self.engine.begin() as connection:
            ended = update(JobRow).where(JobRow.id == name, JobRow.state.in_(("failed", "cancelled")))
            values: dict[str, Any] = {
                "state": "queued",
                "cancel_asked": 0,
                "error": None,
                "finished": None,
                "allowed": JobRow.attempts + attempts,
                "progress": step_of("waiting for a free place"),
                "version": JobRow.version + 1,
            }
            return _changed(connection.execute(ended.values(values)))

    def write(self, name: str, text: str) -> None:
        """Add a line to the log of a job, without the folders it names; of very many lines, the last ones are kept."""
        shown = without_folders(text)[:_LINE]
        with self.engine.begin() as connection:
            row = {"job_id": name, "at": _now(connection), "text": shown}
            connection.execute(insert(JobLine).values(row))
            last = select(JobLine.id).where(JobLine.job_id == name).order_by(JobLine.id.desc())
            old = last.offset(_KEPT_LINES).limit(1).scalar_subquery()
            connection.execute(delete(JobLine).where(JobLine.job_id == name, JobLine.id <= old))
            connection.execute(update(JobRow).where(JobRow.id == name).values(version=JobRow.version + 1))

    def lines(self, name: str, last: int = SHOWN_LINES) -> tuple[str, ...]:
        """The last lines of the log of a job."""
        with self.engine.connect() as connection:
            return self._lines(connection, name, last)

    def _lines(self, connection: Connection, name: str, last: int) -> tuple[str, ...]:
        asked = select(JobLine.text).where(JobLine.job_id == name).order_by(JobLine.id.desc()).limit(last)
        return tuple(reversed(list(connection.execute(asked).scalars())))


def _free(now: float) -> ColumnElement[bool]:
    """Jobs that nobody works on, although they are to be worked on."""
    return or_(JobRow.state == "queued", and_(JobRow.state == "running", JobRow.lease_until < now))


def _only_if(condition: ColumnElement[bool], value: Any, other: Any) -> ColumnElement[Any]:
    """One value for the rows of a condition, another for the rest."""
    return case((condition, value), else_=other)


def _stopped_if(condition: ColumnElement[bool], now: float, state: Any, progress: Any) -> dict[str, Any]:
    """What is set to cancel the rows of a condition, and bring the rest into a state."""
    said = [
        each if isinstance(each, InstrumentedAttribute) else literal(each, JSON())
        for each in (step_of("cancelled"), progress)
    ]
    return {
        "state": _only_if(condition, "cancelled", state),
        "finished": _only_if(condition, now, JobRow.finished),
        "progress": _only_if(condition, *said),
        "version": JobRow.version + 1,
    }


def _mine(name: str, holder: str) -> ColumnElement[bool]:
    return and_(JobRow.id == name, JobRow.state == "running", JobRow.lease_by == holder)


def _changed(done: CursorResult[Any]) -> bool:
    return done.rowcount == 1


def _now(connection: Connection) -> float:
    """The time that all who share the database agree on: its own, or that of the one machine an SQLite file is on."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())


def _job(row: Mapping[Any, Any], log: tuple[str, ...] = ()) -> Job:
    kept = {name: row[name] for name in Job.__dataclass_fields__ if name not in ("log", "cancel_asked")}
    return Job(**kept, cancel_asked=bool(row["cancel_asked"]), log=log)
