"""The fields that a manifest is made of: what is read and written, files, self-test, data, scores and origin."""

from typing import Annotated, Literal, final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from aivc.hub.file_formats import require_path
from aivc.hub.use_terms import UseTerm

UNKNOWN = "unknown"

Line = Annotated[str, StringConstraints(max_length=500)]
Prose = Annotated[str, StringConstraints(max_length=20_000)]
Sha = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**53)]


class KnownFields(BaseModel):
    """Fields that are known, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@final
class SpaceContract(KnownFields):
    """A space that is read or written: two parts fit where these are equal."""

    space: Line
    scale: Line
    dim: Count
    encoder: Annotated[Line, Field(description="Digest of the fitted encoder that writes the space.")]


@final
class TypedPort(KnownFields):
    """One thing that goes in or comes out."""

    name: Line
    type: Literal["measurement", "ur", "perturbation", "context", "profile", "table"]
    units: Line = ""
    features: Count | None = None
    features_digest: Annotated[Sha | None, Field(description="sha256 of the names of the features, one a line.")] = None


@final
class HubFile(KnownFields):
    """One file, by its content."""

    path: Line
    sha256: Sha
    bytes: Count

    @field_validator("path")
    @classmethod
    def _plain(cls, path: str) -> str:
        require_path(path)
        return path


@final
class TestQuestion(KnownFields):
    """What is asked of it, and where the answer lies in the file of the self-test."""

    # Not a test of pytest's, although its name begins like one.
    __test__ = False
    context: Annotated[
        Line, Field(description="Whose control states it starts from; empty: the states in `start`.")
    ] = ""
    perturbation: Line = ""
    start: Annotated[Line, Field(description="Array of states or values to start from.")] = ""
    answer: Annotated[Line, Field(description="Array of the profile that was answered.")]


@final
class SelfTest(KnownFields):
    """Questions with the answers that were given at publication."""

    way: Literal["predict", "manipulate", "decode", "encode"]
    file: Line
    questions: Annotated[list[TestQuestion], Field(min_length=1, max_length=32)]
    cells: Annotated[int, Field(ge=2, le=10_000, description="Virtual cells that are read out for each answer.")] = 100
    rtol: Annotated[float, Field(ge=0, le=0.1)] = 1e-4
    atol: Annotated[float, Field(ge=0, le=0.1)] = 1e-5


@final
class TrainingSet(KnownFields):
    """One dataset or table that it was made from."""

    name: Line
    licence: Line = UNKNOWN
    terms: list[UseTerm] = []
    entities: Count | None = None
    donors: Annotated[Count | None, Field(description="How many; null where it is unknown.")] = None
    digest: Line = ""


@final
class TrainingData(KnownFields):
    """What it was made from; an empty list of sets says that it is unknown."""

    sets: Annotated[list[TrainingSet], Field(max_length=1000)] = []
    ancestry: dict[Line, Count] | Literal["unknown"] = "unknown"
    sexes: dict[Line, Count] | Literal["unknown"] = "unknown"


@final
class EvaluationRow(KnownFields):
    """One score."""

    dataset: Line
    dataset_role: Literal["train", "validation", "test", "independent", "unknown"]
    metric: Line
    value: float | None
    low: float | None = None
    high: float | None = None
    n: Count | None = None
    split: Line = ""
    compared_with: Line = ""


@final
class UncertaintyNote(KnownFields):
    """How it says what it does not know."""

    method: Line = UNKNOWN
    calibrated: bool | None = None
    coverage: Line = UNKNOWN


@final
class MadePart(KnownFields):
    """A registered part, and the digest of its state."""

    group: Line
    name: Line
    origin: Line = UNKNOWN
    digest: Line


@final
class MadeWith(KnownFields):
    """What made it."""

    packages: dict[Line, Line] = {}
    parts: dict[Line, MadePart] = {}
    cell: Annotated[Line, Field(description="Digest of the virtual cell, as each of its predictions states it.")] = ""
    parents: Annotated[list[Line], Field(description="Refs of what it was made from.")] = []
