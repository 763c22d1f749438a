"""Searches as jobs: which intervention leads to a goal, at what cost, and with what else changed."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job_kind import JobKind, JobParams
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


SEARCH = JobKind(SearchParams, _check, _work)
