"""Routes of jobs: ask for them, watch them, stop them, and read what they found."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from aivc.core.errors import UnknownNameError
from aivc.service.callers import ROLES_THAT_WRITE, Caller, current_user
from aivc.service.jobs.events import JobEvents
from aivc.service.jobs.job import Job
from aivc.service.jobs.job_rows import MOST_ROWS, RowsAsked, job_rows
from aivc.service.jobs.jobs import Jobs

router = APIRouter(prefix="/jobs", tags=["jobs"])
_TYPES = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet", ".json": "application/json"}
_EXAMPLE: dict[str, Any] = {
    "kind": "screen",
    "params": {"cell": "papalexi2021", "response": "CD274", "direction": "lower", "perturbations": "all"},
}


class JobAsked(BaseModel):
    """A job that is asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})
    kind: Annotated[str, Field(max_length=64)]
    params: dict[str, Any]


def jobs_of(request: Request) -> Jobs:
    """The jobs of the application, which keeps them as ``app.state.jobs``."""
    found: Jobs = request.app.state.jobs
    return found


def _own_job(
    job: str, jobs: Annotated[Jobs, Depends(jobs_of)], caller: Annotated[Caller, Depends(current_user)]
) -> Job:
    """A job of who asks; an admin sees all, and to anybody else those of others are not there."""
    found = jobs.get(job)
    if found.owner != caller.user and caller.role != "admin":
        raise UnknownNameError("job", job, ())
    return found


_Jobs = Annotated[Jobs, Depends(jobs_of)]
_Caller = Annotated[Caller, Depends(current_user)]
_Own = Annotated[Job, Depends(_own_job)]


def _need_writer(caller: Caller) -> None:
    if caller.role not in ROLES_THAT_WRITE:
        raise HTTPException(403, f"Jobs take the role writer, and {caller.user} is a {caller.role}")


@router.post("", status_code=202)
def submit(asked: JobAsked, jobs: _Jobs, caller: _Caller) -> dict[str, Any]:
    """Ask for a job. It is checked first, then waits for a free place, and survives whatever ends the server."""
    _need_writer(caller)
    return jobs.submit(asked.kind, asked.params, caller.user).to_json()


@router.get("")
def list_jobs(
    jobs: _Jobs, caller: _Caller, *, all_users: bool = False, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> dict[str, Any]:
    """Jobs of who asks, the newest first; of all users, for an admin who wants that."""
    everybody = all_users and caller.role == "admin"
    return {"jobs": [job.to_json() for job in jobs.list(None if everybody else caller.user, limit=limit)]}


@router.get("/{job}")
def get_job(found: _Own) -> dict[str, Any]:
    """A job, with the last lines of its log."""
    return found.to_json()


@router.get("/{job}/events", response_class=StreamingResponse)
def get_events(found: _Own, jobs: _Jobs, last_event_id: Annotated[str, Header(max_length=20)] = "") -> Response:
    """What becomes of a job, as server-sent events: one at each change, until it ends."""
    seen = int(last_event_id) if last_event_id.isascii() and last_event_id.isdecimal() else -1
    if found.is_finished and seen == found.version:
        # It was all said: this answer keeps a browser from asking again.
        return Response(status_code=204)

    def told() -> AsyncIterator[str]:
        return JobEvents(jobs, found.id, seen).text()

    headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
    return StreamingResponse(told(), media_type="text/event-stream", headers=headers)


@router.post("/{job}/cancel")
def cancel(found: _Own, jobs: _Jobs, caller: _Caller) -> dict[str, Any]:
    """Stop a job."""
    _need_writer(caller)
    return jobs.cancel(found.id).to_json()


@router.post("/{job}/resume")
def resume(found: _Own, jobs: _Jobs, caller: _Caller) -> dict[str, Any]:
    """Go on with a job that failed or was cancelled, from what it had finished."""
    _need_writer(caller)
    return jobs.resume(found.id).to_json()


@router.get("/{job}/rows")
def get_rows(  # noqa: PLR0913, PLR0917 - one for each thing that can be asked in an address
    found: _Own,
    jobs: _Jobs,
    sort: Annotated[str, Query(max_length=100)] = "",
    descending: bool = False,  # noqa: FBT001, FBT002 - a part of the address
    limit: Annotated[int, Query(ge=0, le=MOST_ROWS)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**62)] = 0,
    text: Annotated[str, Query(alias="filter", max_length=200)] = "",
    seen: bool | None = None,  # noqa: FBT001
    applicability: Annotated[str, Query(max_length=20)] = "",
    role: Annotated[str, Query(max_length=20)] = "",
) -> dict[str, Any]:
    """Rows of what a job found, a page at a time."""
    name = str((found.result or {}).get("rows", ""))
    where: list[tuple[str, str | bool]] = [] if seen is None else [("seen", seen)]
    where += [(column, value) for column, value in (("applicability", applicability), ("role", role)) if value]
    asked = RowsAsked(sort, descending, limit, offset, text, tuple(where))
    return job_rows(jobs.file(found, name), asked)


@router.get("/{job}/files/{name}", response_class=FileResponse)
def get_file(found: _Own, jobs: _Jobs, name: str) -> FileResponse:
    """A file that a job made."""
    path = jobs.file(found, name)
    kind = _TYPES.get(path.suffix, "application/octet-stream")
    headers = {"X-Content-Type-Options": "nosniff"}
    return FileResponse(path, media_type=kind, filename=f"{found.id}-{name}", headers=headers)
