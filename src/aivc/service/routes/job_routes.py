"""Routes of jobs: ask for them, watch them, stop them, and read what they found."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from aivc.core.errors import UnknownNameError
from aivc.service.job_models import JobAnswer, JobList, JobQuestion, JobRowPage
from aivc.service.jobs.events import JobEvents
from aivc.service.jobs.job import Job
from aivc.service.jobs.job_rows import MOST_ROWS, RowsAsked, job_rows
from aivc.service.jobs.jobs import Jobs
from aivc.service.service_state import Asker, Writer

router = APIRouter(tags=["jobs"])
_TYPES = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet", ".json": "application/json"}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events named job, each with the whole job.", "content": {"text/event-stream": {}}},
    204: {"description": "The job has ended, and the last event was heard."},
}
_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {} for kind in _TYPES.values()}}}


def jobs_of(request: Request) -> Jobs:
    """The jobs of the service that answers a request."""
    found: Jobs = request.app.state.jobs
    return found


ServedJobs = Annotated[Jobs, Depends(jobs_of)]


def own_job(job: str, jobs: ServedJobs, asker: Asker) -> Job:
    """A job of who asks; an admin sees all.

    Raises:
        UnknownNameError: There is none, or it is of another: nobody learns which.
    """
    found = jobs.get(job)
    if not asker.owns(found.owner):
        raise UnknownNameError("job", job, ())
    return found


OwnJob = Annotated[Job, Depends(own_job)]


def _answer(job: Job) -> JobAnswer:
    return JobAnswer(**job.to_json())


@router.post("/jobs", operation_id="startJob", status_code=202)
def start_job(asked: JobQuestion, jobs: ServedJobs, asker: Writer) -> JobAnswer:
    """Ask for a job. It is checked first, then waits for a free place, and survives whatever ends the service."""
    return _answer(jobs.submit(asked.kind, asked.params, asker.user))


@router.get("/jobs", operation_id="listJobs")
def list_jobs(
    jobs: ServedJobs, asker: Asker, *, all_users: bool = False, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> JobList:
    """List the jobs of who asks, the newest first; of all users, for an admin who wants that."""
    everybody = all_users and asker.may("admin")
    return JobList(jobs=[_answer(job) for job in jobs.list(None if everybody else asker.user, limit=limit)])


@router.get("/jobs/{job}", operation_id="getJob")
def get_job(found: OwnJob) -> JobAnswer:
    """Say how a job stands, with the last lines of its log."""
    return _answer(found)


@router.get("/jobs/{job}/events", operation_id="followJob", response_class=StreamingResponse, responses=_STREAM)
def follow_job(found: OwnJob, jobs: ServedJobs, last_event_id: Annotated[str, Header(max_length=20)] = "") -> Response:
    """Tell what becomes of a job, as server-sent events: one at each change, until it ends."""
    seen = int(last_event_id) if last_event_id.isascii() and last_event_id.isdecimal() else -1
    if found.is_finished and seen == found.version:
        # It was all said: this answer keeps a browser from asking again.
        return Response(status_code=204)
    headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
    events = JobEvents(jobs, found.id, seen).text()
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


@router.post("/jobs/{job}/cancel", operation_id="cancelJob")
def cancel_job(found: OwnJob, jobs: ServedJobs, asker: Writer) -> JobAnswer:
    """Stop a job."""
    return _answer(jobs.cancel(found.id))


@router.post("/jobs/{job}/resume", operation_id="resumeJob")
def resume_job(found: OwnJob, jobs: ServedJobs, asker: Writer) -> JobAnswer:
    """Go on with a job that failed or was cancelled, from what it had finished."""
    return _answer(jobs.resume(found.id))


@router.get("/jobs/{job}/rows", operation_id="getJobRows")
def get_job_rows(  # noqa: PLR0913, PLR0917 - one for each thing that can be asked in an address
    found: OwnJob,
    jobs: ServedJobs,
    sort: Annotated[str, Query(max_length=100, description="A column; by default the best come first.")] = "",
    descending: Annotated[bool, Query()] = False,  # noqa: FBT002 - a part of the address
    limit: Annotated[int, Query(ge=0, le=MOST_ROWS)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    text: Annotated[str, Query(alias="filter", max_length=200, description="In any text, in any case.")] = "",
    seen: bool | None = None,  # noqa: FBT001 - a part of the address
    applicability: Annotated[str, Query(max_length=20)] = "",
    role: Annotated[str, Query(max_length=20)] = "",
) -> JobRowPage:
    """Read rows of what a job found, a page at a time."""
    where: list[tuple[str, str | bool]] = [] if seen is None else [("seen", seen)]
    where += [(column, value) for column, value in (("applicability", applicability), ("role", role)) if value]
    asked = RowsAsked(sort, descending, limit, offset, text, tuple(where))
    path = jobs.file(found, str((found.result or {}).get("rows", "")))
    return JobRowPage(**job_rows(path, asked))


@router.get("/jobs/{job}/files/{name}", operation_id="getJobFile", response_class=FileResponse, responses=_FILE)
def get_job_file(found: OwnJob, jobs: ServedJobs, name: str) -> FileResponse:
    """Fetch a file that a job made."""
    path = jobs.file(found, name)
    kind = _TYPES.get(path.suffix, "application/octet-stream")
    return FileResponse(path, media_type=kind, filename=f"{found.id}-{name}")
