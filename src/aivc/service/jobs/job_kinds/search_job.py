"""Searches as jobs: which intervention leads to a goal, at what cost, and with what else changed."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job_kind import JobForm, JobKind, JobParams, JobRows
from aivc.service.jobs.job_kinds.screen_job import ALL, Perturbations, ShortText, candidates, check_candidates
from aivc.service.jobs.job_places import Uses

TABLE, ROWS = "search.csv", "search.parquet"
_Numbers = Annotated[dict[ShortText, float], Field(max_length=50_000)]


class SearchParams(JobParams):
    """What a search is asked.

    Attributes:
        cell: Id of the virtual cell.
        context: Whose control states to start from; empty where it keeps only one.
        new_context: Whether its name is meant, although it reads like a known one.
        goal: Wanted change by feature, in the units of the cell.
        candidates: Texts or plain names; ``all`` for those measured or known.
        kind: Of plain names; empty for what was measured most often.
        keep: Features that are to stay; ``["rest"]`` for all that the goal does not name.
        penalty: On change of what is to stay.
        cost: By target, 1 each where it is not named.
        agents: Up to how many are combined.
        beam: How many answers are extended, and each by how many.
        allow_unknown: Ask also about names of which the cell knows nothing.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"cell": "demo", "goal": {"CD274": -1.0}, "agents": 2}})
    cell: ShortText
    context: ShortText = ""
    new_context: bool = False
    goal: Annotated[_Numbers, Field(min_length=1)]
    candidates: Perturbations = ALL
    kind: ShortText = ""
    keep: Annotated[list[ShortText], Field(max_length=50_000, default_factory=list)]
    penalty: Annotated[float, Field(ge=0)] = 1.0
    cost: _Numbers | None = None
    agents: Literal[1, 2, 3] = 1
    beam: Annotated[int, Field(ge=1, le=1000)] = 20
    allow_unknown: bool = False


class FrontRow(JobForm):
    """An intervention that no other is better than in all that counts.

    Attributes:
        perturbation: Its text.
        score: What rows are ranked by: how much of the way it closes, less the price of what else changes.
        closes: Share of the way to the goal.
        low: Lower end of the interval of ``closes``; None where it is not bounded.
        high: Upper end.
        cosine: Whether the change points to the goal, from -1 to 1.
        side: Change of what was to stay.
        cost: Of its targets together.
        seen: Whether it was in training.
        applicability: ``in``, ``edge`` or ``out`` of what the cell has evidence of.
        dominated: False for these rows.
    """

    perturbation: str
    score: float | None
    closes: float | None
    low: float | None
    high: float | None
    cosine: float | None
    side: float | None
    cost: float | None
    seen: bool
    applicability: str
    dominated: bool


class SearchResult(JobRows):
    """What a search found; its rows are the interventions, the best first.

    Attributes:
        context: Whose control states were started from.
        level: Of the intervals.
        features: How many features the goal is about.
        kept: How many features were to stay.
        noise: Share of the way that control cells go by chance; None where it is not known.
        check_closes: Share that the first row closes, applied again.
        check_side: What else it changes, applied again.
        check_cells: To how many cells.
        check_held_out: Whether these were not searched on.
        verdict: What was found, in a sentence.
        reached: Whether more than chance is certain.
        sureness: How many rows have an interval clear of zero, in a sentence.
        note: What is to be known of the ranking; empty where there is nothing.
        front: Rows that no other dominates.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "context": "THP-1",
                "level": 0.9,
                "features": 1,
                "kept": 0,
                "noise": 0.1,
                "check_closes": 0.5,
                "check_side": 0.0,
                "check_cells": 29,
                "check_held_out": True,
                "verdict": "ko:JAK2 closes 50 % of the way, at least 41 % by its interval (90 %).",
                "reached": True,
                "sureness": "3 of 3 unseen perturbations have an interval clear of zero (90 %).",
                "total": 6,
                "note": "",
                "front": [
                    {
                        "perturbation": "ko:JAK2",
                        "score": 0.5,
                        "closes": 0.5,
                        "low": 0.41,
                        "high": 0.6,
                        "cosine": 0.9,
                        "side": 0.0,
                        "cost": 1.0,
                        "seen": True,
                        "applicability": "in",
                        "dominated": False,
                    }
                ],
                "rows": "search.parquet",
                "files": ["search.csv", "search.parquet"],
            }
        }
    )
    context: str
    level: float
    features: int
    kept: int
    noise: float | None
    check_closes: float | None
    check_side: float | None
    check_cells: int
    check_held_out: bool
    verdict: str
    reached: bool
    sureness: str
    note: str
    front: list[FrontRow]


def _check(params: SearchParams, uses: Uses) -> None:
    uses.cell(params.cell)
    check_candidates(params.candidates, params.kind)


def _work(params: SearchParams, bench: Bench) -> Mapping[str, Any]:
    # What loads cells is slow to import, and the server that checks what is asked needs none of it.
    from aivc.core.virtual_cell import VirtualCell
    from aivc.experiments.screen import rows_to_json
    from aivc.experiments.search import search

    bench.tell("loading the cell", 0, 0)
    cell = VirtualCell.load(bench.cell(params.cell))
    found = search(
        cell,
        params.goal,
        candidates(params.candidates, params.kind, cell),
        keep=params.keep,
        penalty=params.penalty,
        cost=params.cost,
        start=cell.start(params.context, new_context=params.new_context),
        agents=params.agents,
        beam=params.beam,
        allow_unknown=params.allow_unknown,
        progress=bench.tell,
    )
    for name in (TABLE, ROWS):
        found.save(bench.results / name, overwrite=True)
    said = {name: value for name, value in found.to_json().items() if name != "rows"}
    front = rows_to_json(found.front)
    return {**said, "total": len(found), "note": found.note, "front": front, "rows": ROWS, "files": [TABLE, ROWS]}


SEARCH = JobKind(SearchParams, _check, _work, SearchResult)
