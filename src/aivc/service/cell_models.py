"""Forms of what is asked of virtual cells and answered by them, as the API states them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Visibility = Literal["public", "gated", "private"]
Better = Literal["higher", "lower", "neither"]


class CellSummary(BaseModel):
    """One virtual cell of a list."""

    id: str
    name: str
    title: str
    source: Literal["demo", "fit", "hub", "folder"]
    owner: str
    visibility: Visibility
    contexts: list[str]
    perturbations: int
    features: int
    units: str
    kinds: list[str]
    scored: bool
    created: float = Field(description="Seconds since 1970.")


class CellList(BaseModel):
    """The virtual cells that a user may ask."""

    cells: list[CellSummary]


class Capabilities(BaseModel):
    """What a cell can be asked about beside profiles."""

    cells: bool
    tissue: bool
    time: bool
    images: bool


class DoseRange(BaseModel):
    """Doses that were measured."""

    used: bool
    units: str
    values: list[float]


class HourRange(BaseModel):
    """Durations that were measured."""

    used: bool
    values: list[float]


class MetricScore(BaseModel):
    """One score with its 95 % interval."""

    value: float | None
    low: float | None = None
    high: float | None = None
    better: Better


class MethodScores(BaseModel):
    """Scores of one method, by metric."""

    name: str
    metrics: dict[str, MetricScore]


class ScoreTable(BaseModel):
    """What was found when perturbations were hidden and predicted."""

    split: str
    methods: list[MethodScores]
    labels: dict[str, str] = Field(description="How each metric is called for people.")
    sentence: str


class CellDetail(CellSummary):
    """All that is said of one virtual cell."""

    card: dict[str, Any]
    encoders: list[str]
    instruments: list[str]
    capabilities: Capabilities
    doses: DoseRange
    hours: HourRange
    scores: ScoreTable | None
    dataset: str | None


class SuggestedName(BaseModel):
    """A perturbation that can be asked about."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "ko:JAK2", "name": "JAK2", "kind": "ko", "measured": True}]}
    )
    text: str
    name: str
    kind: str
    measured: bool


class NameList(BaseModel):
    """What was found for the letters typed so far."""

    names: list[SuggestedName]


class PredictionQuestion(BaseModel):
    """A question to a virtual cell."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"perturbation": "ko:JAK2"}, {"perturbation": "ko:JAK2+ko:STAT1", "context": "THP-1"}]
        },
    )
    perturbation: Annotated[str, Field(min_length=1, max_length=2000)]
    context: Annotated[str, Field(max_length=500)] = ""
    new_context: bool = False
    allow_unknown: bool = False
    top: Annotated[int, Field(ge=1, le=2000)] = 50
    level: Annotated[float, Field(ge=0.01, le=0.99)] = 0.9
    why: bool = True
    sets: Literal["", "hallmark", "reactome", "go-bp"] = "hallmark"


class GeneEffect(BaseModel):
    """The predicted effect on one feature, and its interval."""

    feature: str
    control: float | None
    predicted: float | None
    effect: float | None
    low: float | None
    high: float | None
    clear: bool = Field(description="Whether the interval lies clear of zero.")


class Volcano(BaseModel):
    """Effect and sureness of each feature, the surest first."""

    feature: list[str]
    effect: list[float]
    sureness: list[float] = Field(description="Half-widths of its interval that an effect lies from zero.")


class PathwayHit(BaseModel):
    """A set of genes that holds more of the strongest effects than chance would put there."""

    name: str
    score: float = Field(description="Hits over those expected; negative where they fall.")
    p: float
    q: float
    genes: list[str]


class Reason(BaseModel):
    """One piece of evidence that an answer is made from."""

    perturbation: str
    context: str
    source: str
    share: float | None
    similarity: float | None


class HeldOutScore(BaseModel):
    """One score of one question."""

    value: float | None
    better: Better


class HeldOutMethod(BaseModel):
    """How well one method met this question when it was hidden from it."""

    name: str
    metrics: dict[str, HeldOutScore]


class HeldOutQuestion(BaseModel):
    """How well this question was met when it was hidden."""

    split: str
    methods: list[HeldOutMethod]


class PredictedAnswer(BaseModel):
    """What a virtual cell says a perturbation does."""

    perturbation: str
    context: str
    units: str
    level: float
    applicability: Literal["inside", "edge", "outside"]
    applicability_text: str
    made_by: list[str]
    abstained: bool
    sureness: str
    measured: bool
    genes: list[GeneEffect]
    volcano: Volcano
    pathways: list[PathwayHit]
    why: list[Reason]
    scored: HeldOutQuestion | None
    remarks: list[str]
    seconds: float
