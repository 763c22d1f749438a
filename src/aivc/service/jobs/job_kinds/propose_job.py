"""Plates as jobs: a finished screen becomes the next experiment, part to confirm, part to learn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from aivc.core.errors import UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job_kind import JobKind, JobParams, JobRows
from aivc.service.jobs.job_kinds.screen_job import ROWS as SCREENED
from aivc.service.jobs.job_kinds.screen_job import ShortText
from aivc.service.jobs.job_places import Uses

TABLE, ROWS = "plate.csv", "plate.parquet"


class ProposeParams(JobParams):
    """What a plate is asked; see `aivc.experiments.propose.propose`.

    Attributes:
        screen: Id of a finished job that screened.
        size: Wells of the plate.
        controls: Control wells.
        positive: Perturbations whose effect is known.
        explore: Share of wells that are there to learn from.
        replicates: Wells per perturbation and guide.
        guides: Guides per perturbation.
        seed: Of the layout.
        no_edge: Leave the outer rows and columns empty.
        repeat_seen: Offer also what was in training.
        unexpressed: Offer also to lower what is not expressed.
        with_cell: Ask the cell that was screened what each well tells of others.
        families: Name of a collection of gene sets, of which no small one fills the plate.
        per_family: Exploited targets of one small set at most.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"screen": "0123456789abcdef", "size": 96, "controls": 8, "explore": 0.5}}
    )
    screen: ShortText
    size: Literal[6, 12, 24, 48, 96, 384, 1536] = 96
    controls: Annotated[int, Field(ge=1, le=1536)] = 8
    positive: Annotated[list[ShortText], Field(max_length=100, default_factory=list)]
    explore: Annotated[float, Field(ge=0, le=1)] = 0.5
    replicates: Annotated[int, Field(ge=1, le=100)] = 1
    guides: Annotated[int, Field(ge=1, le=100)] = 1
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    no_edge: bool = False
    repeat_seen: bool = False
    unexpressed: bool = False
    with_cell: bool = True
    families: ShortText = ""
    per_family: Annotated[int, Field(ge=1, le=1000)] = 3


class ProposeResult(JobRows):
    """What a plate became; its rows are the wells.

    Attributes:
        size: Wells of the plate.
        seed: Of the layout.
        level: Of the intervals of the screen.
        note: What is on the plate, in a sentence.
        sureness: How many perturbations on it have an interval clear of zero, in a sentence.
        remarks: What was left out, and how wells were chosen.
        screen: Id of the job that screened.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "size": 96,
                "seed": 0,
                "level": 0.9,
                "note": "96 wells: 8 control, 44 exploit, 44 explore; no well stays empty.",
                "sureness": "60 of 88 perturbations on the plate have an interval clear of zero (90 %).",
                "remarks": [],
                "screen": "0123456789abcdef",
                "total": 96,
                "rows": "plate.parquet",
                "files": ["plate.csv", "plate.parquet"],
            }
        }
    )
    size: int
    seed: int
    level: float
    note: str
    sureness: str
    remarks: list[str]
    screen: str


def _check(params: ProposeParams, uses: Uses) -> None:
    from aivc.data.priors.gene_sets import COLLECTIONS
    from aivc.experiments.plate import wells

    uses.job(params.screen, "screen")
    wells(params.size, edge=not params.no_edge)
    for text in params.positive:
        Perturbation.parse(text)
    if params.families and params.families not in COLLECTIONS:
        # A path would read any file of the server.
        raise UnknownNameError("collection of gene sets", params.families, COLLECTIONS)


def _work(params: ProposeParams, bench: Bench) -> Mapping[str, Any]:
    from aivc.core.virtual_cell import VirtualCell
    from aivc.data.priors.gene_sets import gene_sets
    from aivc.experiments.propose import propose
    from aivc.experiments.screen import Screen

    bench.tell("choosing wells", 0, 0)
    asked = bench.screened(params.screen)
    cell = Path(asked["uses"]["cells"][asked["params"]["cell"]])
    plan = propose(
        Screen.load(bench.result_of(params.screen, SCREENED)),
        params.size,
        controls=params.controls,
        positive=params.positive,
        explore=params.explore,
        replicates=params.replicates,
        guides=params.guides,
        edge=not params.no_edge,
        seed=params.seed,
        repeat_seen=params.repeat_seen,
        unexpressed=params.unexpressed,
        cell=VirtualCell.load(cell) if params.with_cell else None,
        families=gene_sets(params.families) if params.families else None,
        per_family=params.per_family,
    )
    for name in (TABLE, ROWS):
        plan.save(bench.results / name, overwrite=True)
    said = {name: value for name, value in plan.to_json().items() if name != "wells"}
    more = {"remarks": list(plan.remarks), "screen": params.screen, "total": len(plan)}
    return {**said, **more, "rows": ROWS, "files": [TABLE, ROWS]}


PROPOSE = JobKind(ProposeParams, _check, _work, ProposeResult)
