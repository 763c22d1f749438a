"""Forms of what the API says of datasets and asks about them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from aivc.service.cell_models import Visibility


class OpenQuestion(BaseModel):
    """A field of the schema that the file does not settle."""

    field: str
    question: str
    suggestion: Any
    choices: list[str]


class SchemaGuess(BaseModel):
    """What the file seems to mean, with evidence; to be confirmed."""

    convention: str = ""
    # Not called ``schema``, which is a method of every model.
    fields: dict[str, Any] = Field({}, alias="schema", serialization_alias="schema")
    evidence: dict[str, str] = {}
    questions: list[OpenQuestion] = []
    notes: list[str] = []


class DatasetSummary(BaseModel):
    """One dataset of a list."""

    id: str
    name: str
    state: Literal["asked", "ready", "refused"]
    cells: int
    genes: int
    positions: bool = Field(description="Whether its cells have places, so that sections of it can be shown.")
    created: float
    owner: str
    visibility: Visibility


class DatasetList(BaseModel):
    """The datasets that a user may see."""

    datasets: list[DatasetSummary]


class DatasetDetail(DatasetSummary):
    """All that is said of one dataset."""

    guess: SchemaGuess
    confirmed: dict[str, Any] | None = Field(None, description="The schema that a person confirmed.")
    problems: list[str] = []


class SchemaConfirmation(BaseModel):
    """What a person says the columns mean."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"schema": {"units": "counts", "perturbation": "gene", "control": ["non-targeting"], "kind": "ko"}}
            ]
        },
    )
    fields: Annotated[dict[str, Any], Field(alias="schema")]


class FeatureList(BaseModel):
    """Features that were measured."""

    features: list[str]
