"""What a kind of job is: the parameters it takes, what is checked before it waits, and how it is done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, final

from pydantic import BaseModel, ConfigDict, ValidationError

from aivc.core.errors import DataError, UnknownNameError
from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job_places import Uses

# Modules with a mapping KINDS, of names to ``module:object``.
OUR_KINDS = ("aivc.service.jobs.job_kinds",)


class JobParams(BaseModel):
    """Parameters of a job: whatever is not known is refused, and nothing is guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@final
@dataclass(frozen=True)
class JobKind:
    """One kind of job.

    Attributes:
        params: What may be asked.
        check: Looks at what was asked before it waits, and looks up all that it uses; quick.
        work: Does it, and returns what came of it as JSON; ``files`` names those that it made in ``bench.results``, and
            ``rows`` the parquet among them whose rows are shown. Begun again after a crash, it goes on where it can.
    """

    params: type[JobParams]
    check: Callable[[Any, Uses], None]
    work: Callable[[Any, Bench], Mapping[str, Any]]

    def read(self, params: Mapping[str, Any]) -> JobParams:
        """Read parameters.

        Raises:
            DataError: Every one that is not what it should be.
        """
        try:
            return self.params.model_validate(dict(params))
        except ValidationError as error:
            raise DataError([_said(each["loc"], each["msg"]) for each in error.errors()]) from error


def _said(place: tuple[int | str, ...], problem: str) -> str:
    return f"{'.'.join(map(str, place)) or 'params'}: {problem}."


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
