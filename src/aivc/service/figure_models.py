"""Forms of figures that the service draws: the drawing, what it shows in words, and what it was drawn from."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field


class DrawnFigure(BaseModel):
    """One figure. Its drawing holds no script, and its caption says in words what it shows and what it does not."""

    svg: str = Field(description="One <svg> element.")
    caption: str
    notes: list[str] = []
    rows: Annotated[list[dict[str, Any]], Field(description="What was drawn, as a table, where it is short.")] = []


class Album(BaseModel):
    """What a cell can draw images of."""

    perturbations: list[str]
    contexts: list[str]


class TypeChange(BaseModel):
    """How much the cells of one type change."""

    cell_type: str
    cells: int
    taken_out: int
    mean_change: float = Field(description="Mean length of the change of the state; 0 for cells that were taken out.")


class TissueAnswer(BaseModel):
    """How far an edit of a tissue is felt."""

    edit: str = Field(description="As it was understood.")
    applicability: Literal["inside", "edge", "outside"]
    applicability_text: str
    made_by: list[str]
    verdict: str
    taken_out: int
    put_in: int = Field(description="They have no position, and are not among the points.")
    others: int | None = Field(description="Cells that nothing was done to; null where no neighbor is known.")
    changed: int | None = Field(description="Those of them that change by more than a hundredth of the scatter.")
    within: int | None = Field(description="Most links between one that changes and one something was done to.")
    mean: float | None = Field(description="Mean change of the others, in units of the scatter of states.")
    shuffled: float | None = Field(description="The same with neighbors shuffled within their types before the fit.")
    by_type: list[TypeChange]


class TimeStep(BaseModel):
    """One step of a schedule, and how many cells one cell of the start has become at its end."""

    step: int
    begin: float = Field(description="Hours on the clock of the data.")
    end: float
    done: str
    applicability: Literal["inside", "edge", "outside"]
    inside: bool = Field(description="Whether its hours lie inside of the times that were read.")
    seen: Literal["seen", "unseen", ""] = Field(description="Whether its agents were in the fit; empty for a wait.")
    made_by: str
    mass: float | None
    low: float | None
    high: float | None


class MassAt(BaseModel):
    """How many cells one cell of the start has become at a moment."""

    step: int
    time: float
    mass: float | None
    low: float | None
    high: float | None
    untreated: float | None


class StateShare(BaseModel):
    """Share of the cells of a moment that are in one state."""

    step: int
    time: float
    state: str
    share: float | None
    low: float | None
    high: float | None


class TimeAnswer(BaseModel):
    """What a schedule leads to, moment by moment."""

    schedule: str
    context: str
    times: list[float] = Field(description="Hours of each moment, the start first.")
    cells: int = Field(description="How many are followed.")
    level: float
    intervals: str = Field(description="What the intervals hold.")
    assumptions: list[str]
    semigroup: float | None = Field(description="How far many steps end from one step of all hours.")
    steps: list[TimeStep]
    growth: list[MassAt]
    states: list[StateShare]
