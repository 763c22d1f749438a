"""How the API describes jobs: a form of question and one of answer for each kind."""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic_core import CoreSchema

from aivc.service.jobs.job_kind import JobKind, job_kind
from aivc.service.jobs.job_kinds import KINDS


def question_forms() -> CoreSchema:
    """What may be asked, kind by kind."""

    def form(name: str, kind: JobKind) -> type[BaseModel]:
        fields: Any = {"kind": (_only(name), ...), "params": (kind.params, ...)}
        config = ConfigDict(extra="forbid", json_schema_extra={"example": {"kind": name, "params": _example(kind)}})
        said = f"A job of the kind {name} that is asked for."
        return create_model(f"{name.title()}JobQuestion", __config__=config, __doc__=said, **fields)

    return _by_kind(form)


def answer_forms(shared: type[BaseModel]) -> CoreSchema:
    """What is said of jobs, kind by kind.

    Args:
        shared: What is said of those of every kind.
    """

    def form(name: str, kind: JobKind) -> type[BaseModel]:
        assert kind.result is not None, f"say what comes of {name}"
        result: Any = Annotated[cast("Any", kind.result) | None, Field(description="None until it is done.")]
        fields: Any = {"kind": (_only(name), ...), "params": (kind.params, ...), "result": (result, ...)}
        return create_model(
            f"{name.title()}JobAnswer", __base__=shared, __doc__=f"One job of the kind {name}.", **fields
        )

    return _by_kind(form)


def _by_kind(form: Callable[[str, JobKind], type[BaseModel]]) -> CoreSchema:
    forms = [form(name, job_kind(name)) for name in sorted(KINDS)]
    made: Any = Annotated[cast("Any", reduce(or_, forms)), Field(discriminator="kind")]
    return TypeAdapter(made).core_schema


def _only(name: str) -> Any:
    return cast("Any", Literal)[name]


def _example(kind: JobKind) -> Any:
    return kind.params.model_json_schema()["example"]
