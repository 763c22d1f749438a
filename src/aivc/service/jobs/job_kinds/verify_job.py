"""Checks of what was published, as jobs: its files are true, it runs, and it answers as at publication."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from aivc.core.errors import UnknownNameError
from aivc.service.accounts import LOCAL
from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job_kind import JobForm, JobKind, JobParams, JobResult
from aivc.service.jobs.job_places import Uses


class VerifyParams(JobParams):
    """What is checked.

    Attributes:
        ref: Of the version, such as ``virtual-cell/lab/jak@1.0``.
        badges: What for; those before one are checked too.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"ref": "virtual-cell/lab/interferon@1.0", "badges": ["valid", "runs"]}}
    )
    ref: Annotated[str, Field(min_length=1, max_length=500)]
    badges: Annotated[
        list[Literal["valid", "runs", "reproduces"]],
        Field(min_length=1, max_length=3, default_factory=lambda: ["valid", "runs", "reproduces"]),
    ]


class BadgeFound(JobForm):
    """One check of a version; see `aivc.hub.badges.BadgeRecord`.

    Attributes:
        badge: Which.
        passed: None where it cannot be checked.
        detail: What was found, in a sentence.
        checked: When, ISO 8601.
        environment: Versions it was checked with.
    """

    badge: Literal["valid", "runs", "reproduces"]
    passed: bool | None
    detail: str
    checked: str
    environment: dict[str, str]


class VerifyResult(JobResult):
    """What a check found; see `aivc.hub.hub_report.HubReport`.

    Attributes:
        ref: What was checked.
        digest: Of its manifest.
        badges: One for each check.
        signed_by: Trusted keys that signed it.
        strangers: How many keys signed it that are not trusted here.
        recorded: Whether the hub keeps the badges.
        passed: Whether nothing that could be checked failed.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "ref": "virtual-cell/lab/interferon@1.0",
                "digest": f"sha256:{'0' * 64}",
                "badges": [
                    {
                        "badge": "valid",
                        "passed": True,
                        "detail": "The manifest and 12 files are what they say.",
                        "checked": "2026-01-01T00:00:00+00:00",
                        "environment": {"python": "3.11.7", "aivc": "0.1.0"},
                    }
                ],
                "signed_by": [],
                "strangers": 0,
                "recorded": True,
                "passed": True,
                "files": [],
            }
        }
    )
    ref: str
    digest: str
    badges: list[BadgeFound]
    signed_by: list[str]
    strangers: int
    recorded: bool
    passed: bool


def _check(params: VerifyParams, uses: Uses) -> None:
    from aivc.hub.refs import Ref

    Ref.parse(params.ref)


def _work(params: VerifyParams, bench: Bench) -> Mapping[str, Any]:
    from aivc.hub.hub import Hub
    from aivc.hub.pulled_terms import PulledTerms
    from aivc.hub.refs import Ref
    from aivc.hub.use_terms import Visibility

    at, hub = Ref.parse(params.ref), Hub.open(bench.hub, bench.hub_database, pulled=PulledTerms.of_home(bench.home))
    bench.tell("looking it up", 0, 0)
    listing = hub.listing(at)
    if listing.visibility == Visibility.PRIVATE and bench.job.owner not in (LOCAL, at.namespace):
        raise UnknownNameError("thing in the hub", at.place, ())
    bench.tell("checking it", 0, 0)
    return {**hub.verify(at, params.badges).to_json(), "files": []}


VERIFY = JobKind(VerifyParams, _check, _work, VerifyResult)
