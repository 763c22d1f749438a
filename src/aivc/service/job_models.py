"""Forms of what is asked of jobs and answered about them, as the API states them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_EXAMPLE: dict[str, Any] = {
    "kind": "screen",
    "params": {"cell": "demo", "response": "CD274", "direction": "lower", "perturbations": ["ko:JAK2", "ko:STAT1"]},
}


class JobQuestion(BaseModel):
    """A job that is asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})
    kind: Annotated[str, Field(max_length=64, description="screen, search, propose, fit, publish or verify.")]
    params: Annotated[dict[str, Any], Field(description="Of that kind; what is not known there is refused.")]


class JobStep(BaseModel):
    """How far a job is."""

    text: str
    done: int
    total: int = Field(description="0 where it is not known.")
    seconds_left: float | None


class JobFailure(BaseModel):
    """Why a job failed."""

    kind: str
    problems: list[str]


class JobAnswer(BaseModel):
    """One job."""

    id: str
    kind: str
    params: dict[str, Any]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: JobStep
    error: JobFailure | None
    result: dict[str, Any] | None
    owner: str
    created: float = Field(description="Seconds since 1970, as are all times here.")
    started: float | None
    finished: float | None
    attempts: int
    cancel_asked: bool
    log: list[str] = Field(description="Its last lines; empty in lists.")


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobAnswer]


class JobRowPage(BaseModel):
    """Rows of what a job found."""

    rows: list[dict[str, Any]]
    total: int = Field(description="How many there are on all pages.")
