"""Forms of figures that the service draws: the drawing, what it shows in words, and what it was drawn from."""

from typing import Annotated, Any

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
