"""Forms of what is asked of jobs and answered about them; the API describes them kind by kind (`job_forms`)."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from aivc.service.job_forms import answer_forms, question_forms


class JobQuestion(BaseModel):
    """A job that is asked for; its kind reads the parameters."""

    model_config = ConfigDict(extra="forbid")
    kind: Annotated[str, Field(max_length=64)]
    params: dict[str, Any]

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe it as one of the forms that the kinds read."""
        return handler(question_forms())


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


class JobStanding(BaseModel):
    """What is said of every job."""

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: JobStep
    error: JobFailure | None
    owner: str
    created: float = Field(description="Seconds since 1970, as are all times here.")
    started: float | None
    finished: float | None
    attempts: int
    cancel_asked: bool
    log: list[str] = Field(description="Its last lines; empty in lists.")


class JobAnswer(JobStanding):
    """One job; what was asked and what came of it are as its kind left them."""

    kind: str
    params: dict[str, Any]
    result: dict[str, Any] | None

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe it as one of the forms that the kinds give."""
        return handler(answer_forms(JobStanding))


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobAnswer]


class JobRowPage(BaseModel):
    """Rows of what a job found."""

    rows: list[dict[str, Any]]
    total: int = Field(description="How many there are on all pages.")
