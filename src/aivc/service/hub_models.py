"""Forms of what the API says of the hub."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_REF = "virtual-cell/lab/interferon@1.0"


class HubHit(BaseModel):
    """One version that was found."""

    ref: str
    kind: str
    namespace: str
    name: str
    version: str
    title: str
    licence: str
    terms: list[str] = []
    visibility: str = "public"
    badges: dict[str, bool | None]
    digest: str
    created: str
    description: str


class HubHits(BaseModel):
    """What was found, the newest first."""

    entries: list[HubHit]


class HubPull(BaseModel):
    """A virtual cell to be fetched."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, json_schema_extra={"examples": [{"ref": _REF}]})
    ref: Annotated[str, Field(min_length=1, max_length=400)]
    origin: Annotated[str, Field(alias="from", max_length=1000)] = Field(
        "", alias="from", description="Another hub than the one of this service; for admins."
    )


class HubCheck(BaseModel):
    """A version to be checked."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ref": _REF}]})
    ref: Annotated[str, Field(min_length=1, max_length=400)]
    badges: list[str] = ["valid", "runs"]


class HubVerdict(BaseModel):
    """What a check found."""

    ref: str
    digest: str
    badges: list[dict[str, Any]]
    signed_by: list[str]
    strangers: int
    recorded: bool
    passed: bool
