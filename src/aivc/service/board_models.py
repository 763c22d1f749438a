"""Forms of what the API says of the leaderboard and of registered parts."""

from pydantic import BaseModel

from aivc.service.cell_models import Better


class BoardMetric(BaseModel):
    """One score of a benchmark."""

    name: str
    label: str
    better: Better


class BoardScore(BaseModel):
    """One score of one method, with its 95 % interval and its place between floor and ceiling."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    anchored: float | None = None


class BoardRow(BaseModel):
    """One method on one benchmark; the flat fields are those of the first metric."""

    method: str
    role: str
    floor: bool
    value: float | None
    low: float | None
    high: float | None
    anchored: float | None
    scores: dict[str, BoardScore]


class BoardBenchmark(BaseModel):
    """One benchmark with all methods that were scored."""

    name: str
    title: str
    task: str
    question: str
    digest: str
    metric: str
    metrics: list[BoardMetric]
    rows: list[BoardRow]


class Leaderboard(BaseModel):
    """All frozen benchmarks."""

    benchmarks: list[BoardBenchmark]


class RegisteredPart(BaseModel):
    """One registered part, and who brought it."""

    name: str
    origin: str


class PartLists(BaseModel):
    """Everything that is registered, by group."""

    parts: dict[str, list[RegisteredPart]]
