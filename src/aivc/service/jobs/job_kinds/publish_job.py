"""Publishing as a job: a virtual cell becomes a version in the hub, with a manifest and a self-test, for good."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from aivc.core.errors import DataError
from aivc.service.accounts import LOCAL
from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job_kind import JobKind, JobParams, JobResult
from aivc.service.jobs.job_kinds.screen_job import ShortText
from aivc.service.jobs.job_places import Uses

_Prose = Annotated[str, Field(max_length=20_000)]
_NOT_DECLARED = {"cell", "visibility"}


class PublishParams(JobParams):
    """What is published, and what is said of it; see `aivc.hub.manifest.Declared`.

    Attributes:
        cell: Id of the virtual cell.
        namespace: Of the user who publishes.
        name: What it is to be called.
        version: Such as 1.0; it is never changed.
        licence: Its SPDX name.
        title: For people.
        description: What it is.
        intended_use: What it is for.
        limits: What it is not for.
        bias: Whom the data behind it leave out.
        citation: Whom to cite.
        terms: Such as ``non-commercial``.
        visibility: Of a new namespace.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "cell": "demo",
                "namespace": "lab",
                "name": "interferon",
                "version": "1.0",
                "licence": "CC-BY-4.0",
            }
        }
    )
    cell: ShortText
    namespace: ShortText
    name: ShortText
    version: ShortText
    licence: ShortText
    title: ShortText = ""
    description: _Prose = ""
    intended_use: _Prose = ""
    limits: _Prose = ""
    bias: _Prose = ""
    citation: _Prose = ""
    terms: Annotated[list[ShortText], Field(max_length=20, default_factory=list)]
    visibility: Literal["", "public", "gated", "private"] = ""

    def declared(self) -> dict[str, Any]:
        """What a person says of it."""
        return self.model_dump(exclude=_NOT_DECLARED)


class PublishResult(JobResult):
    """What was published.

    Attributes:
        ref: Of the version.
        digest: Of its manifest.
        bytes: How long its files are together.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "ref": "virtual-cell/lab/interferon@1.0",
                "digest": f"sha256:{'0' * 64}",
                "bytes": 36855,
                "files": [],
            }
        }
    )
    ref: str
    digest: str
    bytes: int


def _check(params: PublishParams, uses: Uses) -> None:
    from aivc.hub.manifest import declared

    uses.cell(params.cell)
    declared(params.declared())
    # On a computer of one's own all namespaces are one's own.
    if uses.user not in (LOCAL, params.namespace):
        raise DataError([f"The namespace {params.namespace!r} is not yours. Publish under {uses.user!r}."])


def _work(params: PublishParams, bench: Bench) -> Mapping[str, Any]:
    from aivc.core.virtual_cell import VirtualCell
    from aivc.hub.hub import Hub
    from aivc.hub.preparing import inherited_terms
    from aivc.hub.pulled_terms import PulledTerms

    bench.tell("loading the cell", 0, 0)
    # As an object: what else lies in its folder, such as whose it is, is not published.
    folder = bench.cell(params.cell)
    cell = VirtualCell.load(folder)
    said = params.declared()
    # The terms that it was pulled under stay with it.
    said["terms"] = sorted({*said["terms"], *map(str, inherited_terms(folder))})
    bench.tell("publishing", 0, 0)
    manifest = Hub.open(bench.hub, bench.hub_database, pulled=PulledTerms.of_home(bench.home)).publish(
        cell, said, visibility=params.visibility
    )
    return {"ref": str(manifest.ref), "digest": manifest.digest, "bytes": manifest.size, "files": []}


PUBLISH = JobKind(PublishParams, _check, _work, PublishResult)
