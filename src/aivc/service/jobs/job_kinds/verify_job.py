"""Checks of what was published, as jobs: its files are true, it runs, and it answers as at publication."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from aivc.core.errors import UnknownNameError
from aivc.service.accounts import LOCAL
from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job_kind import JobKind, JobParams
from aivc.service.jobs.job_places import Uses


class VerifyParams(JobParams):
    """What is checked.

    Attributes:
        ref: Of the version, such as ``virtual-cell/lab/jak@1.0``.
        badges: What for; those before one are checked too.
    """

    ref: Annotated[str, Field(min_length=1, max_length=500)]
    badges: Annotated[
        list[Literal["valid", "runs", "reproduces"]],
        Field(min_length=1, max_length=3, default_factory=lambda: ["valid", "runs", "reproduces"]),
    ]


def _check(params: VerifyParams, uses: Uses) -> None:
    from aivc.hub.refs import Ref

    Ref.parse(params.ref)


def _work(params: VerifyParams, bench: Bench) -> Mapping[str, Any]:
    from aivc.hub.hub import Hub
    from aivc.hub.refs import Ref
    from aivc.hub.use_terms import Visibility

    at, hub = Ref.parse(params.ref), Hub.open(bench.hub, bench.hub_database)
    bench.tell("looking it up", 0, 0)
    listing = hub.listing(at)
    if listing.visibility == Visibility.PRIVATE and bench.job.owner not in (LOCAL, at.namespace):
        raise UnknownNameError("thing in the hub", at.place, ())
    bench.tell("checking it", 0, 0)
    return {**hub.verify(at, params.badges).to_json(), "files": []}


VERIFY = JobKind(VerifyParams, _check, _work)
