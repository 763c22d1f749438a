"""Virtual screens as jobs: many perturbations ranked by what they do to a response."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field

from aivc.core.perturbation import Agent, Perturbation, kind_of
from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job_kind import JobKind, JobParams, JobRows
from aivc.service.jobs.job_places import Uses

if TYPE_CHECKING:
    from aivc.core.virtual_cell import VirtualCell

ALL: Literal["all"] = "all"
ShortText = Annotated[str, Field(max_length=200)]
Perturbations = Literal["all"] | Annotated[list[ShortText], Field(min_length=1, max_length=1_000_000)]
TABLE, ROWS = "screen.csv", "screen.parquet"
_JOURNAL = "screen.unfinished"


class ScreenParams(JobParams):
    """What a screen is asked.

    Attributes:
        cell: Id of the virtual cell.
        context: Whose control states to start from; empty where it keeps only one.
        new_context: Whether its name is meant, although it reads like a known one.
        response: What to read out, such as ``STAT1, -MYC``.
        direction: Whether what lowers it or what raises it comes first.
        perturbations: Texts or plain names; ``all`` for those measured or known.
        kind: Of plain names; empty for what was measured most often.
        allow_unknown: Ask also about names of which the cell knows nothing.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "cell": "demo",
                "response": "CD274",
                "direction": "lower",
                "perturbations": ["ko:JAK2", "ko:STAT1"],
            }
        }
    )
    cell: ShortText
    context: ShortText = ""
    new_context: bool = False
    response: Annotated[str, Field(min_length=1, max_length=10_000)]
    direction: Literal["lower", "raise"] = "lower"
    perturbations: Perturbations = ALL
    kind: ShortText = ""
    allow_unknown: bool = False


class ScreenResult(JobRows):
    """What a screen found; its rows are the perturbations, the best first.

    Attributes:
        response: What was read out, as it was understood.
        name: Of the response.
        context: Whose control states were started from.
        level: Of the intervals.
        direction: Whether what lowers it or what raises it comes first.
        units: Of the scores.
        sureness: How many rows have an interval clear of zero, in a sentence.
        note: What is to be known of the ranking; empty where there is nothing.
        new_context: Whether the cell had not been trained in that context.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "response": "CD274",
                "name": "CD274",
                "context": "THP-1",
                "level": 0.9,
                "direction": "lower",
                "units": "log1p_cp10k",
                "sureness": "2 of 2 perturbations, all seen in training, have an interval clear of zero (90 %).",
                "total": 2,
                "note": "",
                "new_context": False,
                "rows": "screen.parquet",
                "files": ["screen.csv", "screen.parquet"],
            }
        }
    )
    response: str
    name: str
    context: str
    level: float
    direction: Literal["lower", "raise"]
    units: str
    sureness: str
    note: str
    new_context: bool


def _check(params: ScreenParams, uses: Uses) -> None:
    from aivc.experiments.response import Response

    uses.cell(params.cell)
    Response.parse(params.response)
    check_candidates(params.perturbations, params.kind)


def _work(params: ScreenParams, bench: Bench) -> Mapping[str, Any]:
    # What loads cells is slow to import, and the server that checks what is asked needs none of it.
    from aivc.core.virtual_cell import VirtualCell
    from aivc.experiments.screen import screen

    bench.tell("loading the cell", 0, 0)
    cell = VirtualCell.load(bench.cell(params.cell))
    asked = candidates(params.perturbations, params.kind, cell)
    bench.write(f"{len(asked):,} perturbations are asked about.")
    journal = bench.folder / _JOURNAL
    found = screen(
        cell,
        asked,
        params.response,
        start=cell.start(params.context, new_context=params.new_context),
        direction=params.direction,
        checkpoint=journal,
        allow_unknown=params.allow_unknown,
        progress=bench.tell,
    )
    for name in (TABLE, ROWS):
        found.save(bench.results / name, overwrite=True)
    journal.unlink(missing_ok=True)
    said = {name: value for name, value in found.to_json().items() if name != "rows"}
    new = found.context not in cell.contexts
    return {**said, "total": len(found), "note": found.note, "new_context": new, "rows": ROWS, "files": [TABLE, ROWS]}


def check_candidates(perturbations: str | list[str], kind: str) -> None:
    """See, before a job waits, that what is asked about can be read.

    Raises:
        PerturbationError: A text is no perturbation.
        UnknownNameError: There is no such kind.
    """
    from aivc.service.question_answers import spaced

    if kind:
        kind_of(kind)
    if perturbations != ALL:
        for text in perturbations:
            if ":" in text:
                Perturbation.parse(spaced(text))


def candidates(perturbations: str | list[str], kind: str, cell: "VirtualCell") -> list[str]:
    """Texts of the perturbations to ask about, none twice.

    Args:
        perturbations: Texts or plain names; ``all`` for what the cell has measured or knows something of.
        kind: Of plain names; empty for the kind that was measured most often.
        cell: Who is asked.

    Raises:
        DataError: The cell knows nothing of that kind.
    """
    from aivc.experiments.known_names import KnownNames
    from aivc.service.question_answers import spaced

    known = KnownNames.of(cell)
    kind = kind or known.usual_kind
    if perturbations == ALL:
        return known.candidates(kind)
    names = [text.strip() for text in perturbations if text.strip()]
    return list(dict.fromkeys(spaced(name) if ":" in name else str(Agent(kind, name)) for name in names))


SCREEN = JobKind(ScreenParams, _check, _work, ScreenResult)
