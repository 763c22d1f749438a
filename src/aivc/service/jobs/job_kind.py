"""What a kind of job is: the parameters it takes, what is checked before it waits, and how it is done."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, final

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from aivc.core.errors import DataError, UnknownNameError
from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job_places import Uses

# Modules with a mapping KINDS, of names to ``module:object``.
OUR_KINDS = ("aivc.service.jobs.job_kinds",)


# So many problems are named of one question.
_SHOWN = 20
# An attribute of a docstring, with the lines that go on with it.
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


class JobForm(BaseModel):
    """A form whose fields the API describes in the words of its docstring; whatever else is given is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Give each attribute of the docstring to its field."""
        made = handler(core)
        form = handler.resolve_ref_schema(made)
        form["description"], _, attributes = str(form["description"]).partition("\n\nAttributes:\n")
        for name, said in _ATTRIBUTE.findall(attributes):
            if name in form["properties"]:
                form["properties"][name]["description"] = " ".join(said.replace("``", "").split())
        return made


class JobParams(JobForm):
    """Parameters of a job: whatever is not known is refused, and nothing is guessed."""


class JobResult(JobForm):
    """What came of a job, as the API describes it."""

    files: Annotated[list[str], Field(description="Names of the files it made.")]


class JobRows(JobResult):
    """What came of a job that found rows."""

    rows: Annotated[str, Field(description="Name of the file whose rows are shown.")]
    total: Annotated[int, Field(description="How many rows there are.")]


@final
@dataclass(frozen=True)
class JobKind:
    """One kind of job.

    Attributes:
        params: What may be asked.
        check: Looks at what was asked before it waits, and looks up all that it uses; quick.
        work: Does it, and returns what came of it as JSON; ``files`` names those that it made in ``bench.results``, and
            ``rows`` the parquet among them whose rows are shown. Begun again after a crash, it goes on where it can.
        result: What comes of it, for the description of the API; None where it is not described.
    """

    params: type[JobParams]
    check: Callable[[Any, Uses], None]
    work: Callable[[Any, Bench], Mapping[str, Any]]
    result: type[JobResult] | None = None

    def read(self, params: Mapping[str, Any]) -> JobParams:
        """Read parameters.

        Raises:
            DataError: Every one that is not what it should be.
        """
        try:
            return self.params.model_validate(dict(params))
        except ValidationError as error:
            found = error.errors()
            said = [self._said(each["type"], each["loc"], each["msg"]) for each in found[:_SHOWN]]
            more = [f"And {len(found) - _SHOWN:,} more."] if len(found) > _SHOWN else []
            raise DataError([*said, *more]) from error

    def _said(self, problem: str, place: tuple[int | str, ...], message: str) -> str:
        if problem == "extra_forbidden":
            return str(UnknownNameError("parameter", str(place[-1]), self.params.model_fields))
        return f"{'.'.join(map(str, place)) or 'params'}: {message}."


def job_kind(name: str, modules: Sequence[str] = OUR_KINDS) -> JobKind:
    """Load a kind of job; what does it is imported only now.

    Raises:
        UnknownNameError: There is no such kind.
    """
    known: dict[str, str] = {}
    for module in modules:
        known |= import_module(module).KINDS
    if name not in known:
        raise UnknownNameError("kind of job", name, known)
    where, _, what = known[name].partition(":")
    found: JobKind = getattr(import_module(where), what)
    return found
