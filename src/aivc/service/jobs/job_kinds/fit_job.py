"""Fits as jobs: a virtual cell learned from a dataset, and scored on perturbations that were kept from it."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.registry import MANIPULATORS
from aivc.core.saved_cell import CELL
from aivc.core.state import write_text
from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job_kind import JobKind, JobParams, JobResult
from aivc.service.jobs.job_kinds.screen_job import ShortText
from aivc.service.jobs.job_places import Uses

if TYPE_CHECKING:
    from aivc.core.measurement import Measurement
    from aivc.core.ur import UR
    from aivc.experiments.fitting.shared_fit import Recipe

# Beside the saved cell: how well it answers what it has not seen, and where it comes from.
SCORES, ABOUT = "scores.json", "about.json"
_SHUFFLED, _KNOWS_PRIORS = ":shuffled", "nearest"
_FOLDS = 5
_MADE, _CHECKPOINTS = "cell", "checkpoints"


class FitParams(JobParams):
    """What a fit is asked.

    Attributes:
        dataset: Id of the dataset.
        name: Of the cell.
        manipulator: Registered name of what learns.
        evaluate: Score it too, on perturbations it has not seen, beside plain baselines.
        seed: Of everything that draws.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"dataset": "my-screen", "name": "My cell", "manipulator": "effect.v2", "evaluate": True}
        }
    )
    dataset: ShortText
    name: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^\w[\w .+=-]*$")]
    manipulator: ShortText = "effect.v2"
    evaluate: bool = True
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0


class FitResult(JobResult):
    """What a fit made.

    Attributes:
        cell: Id of the virtual cell.
        cells: How many cells it was fitted on; missing where the cell does not say.
        units: Of what it answers; missing where the cell does not say.
        notes: What is to be known of the fit; missing where there is nothing.
        perturbations: How many it was fitted on.
        contexts: Which it was fitted in.
        scored: Whether it was scored on perturbations kept from it.
        scores: Means by method and metric, None where a metric has no value; missing where it was not scored.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "cell": "my-cell-01234567",
                "cells": 2200,
                "units": "log1p_cp10k",
                "perturbations": 80,
                "contexts": ["THP-1"],
                "scored": True,
                "scores": {"effect.v2": {"pearson-delta": 0.61}, "mean-effect": {"pearson-delta": 0.43}},
                "files": [],
            }
        }
    )
    cell: str
    # What has no value here may be missing.
    cells: Annotated[int, Field(default_factory=int)]
    units: Annotated[str, Field(default_factory=str)]
    notes: Annotated[list[str], Field(default_factory=list)]
    perturbations: int
    contexts: list[str]
    scored: bool
    scores: Annotated[dict[str, dict[str, float | None]], Field(default_factory=dict)]


def _check(params: FitParams, uses: Uses) -> None:
    uses.dataset(params.dataset)
    if params.manipulator not in MANIPULATORS.names():
        raise UnknownNameError("manipulator", params.manipulator, MANIPULATORS.names())


def _work(params: FitParams, bench: Bench) -> Mapping[str, Any]:
    name = _id(params.name, bench.job.id)
    place, made = bench.home / "cells" / name, bench.folder / _MADE
    if not (place / CELL).is_file():
        bench.tell("reading the dataset", 0, 0)
        cells = bench.dataset(params.dataset).read()
        for note in cells.provenance.get("notes", ()):
            bench.write(f"Note on {params.dataset}: {note}")
        _fit(params, cells, made, bench)
        if params.evaluate:
            _evaluate(params, cells, made / SCORES, bench)
        about = {
            "name": params.name,
            "title": params.name,
            "owner": bench.job.owner,
            "visibility": "private",
            "source": "fit",
            "dataset": params.dataset,
            "job": bench.job.id,
            "created": bench.job.created,
        }
        write_text(made / ABOUT, json.dumps(about, indent=1) + "\n")
        # Who lost the claim meanwhile stops here.
        bench.tell("keeping the cell", 0, 0)
        _keep(made, place)
    card = read_json(place / CELL)["card"]
    read = {key: card[key] for key in ("cells", "units", "notes") if key in card}
    known = {"perturbations": len(card.get("perturbations", ())), "contexts": list(card.get("contexts", ()))}
    return {"cell": name, **read, **known, **_scores(place / SCORES), "files": []}


def _keep(made: Path, place: Path) -> None:
    """Give a cell its place in one step, with all that belongs to it: nobody sees half a cell."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(place)
    except OSError:
        # A former attempt that came late was quicker by a moment: of the same data and seed, it is the same cell.
        if not (place / CELL).is_file():
            raise
        shutil.rmtree(made)


def _id(name: str, job: str) -> str:
    """A name for the folder of a cell, which no other job gives."""
    return f"{re.sub(r'[^a-z0-9]+', '-', name.casefold()).strip('-')[:60] or 'cell'}-{job[:8]}"


def _recipe(params: FitParams) -> "Recipe":
    from aivc.experiments.fitting.shared_fit import Recipe

    return Recipe(seed=params.seed)


def _fit(params: FitParams, cells: "Measurement", made: Path, bench: Bench) -> None:
    from aivc.core.virtual_cell import VirtualCell
    from aivc.experiments.fitting.fit import fit

    if (made / CELL).is_file():
        # A former attempt came so far; what is damaged is not gone on with.
        VirtualCell.load(made)
        bench.write("The cell was fitted already: going on from there.")
        return
    bench.tell(f"fitting {params.manipulator}", 0, 0)
    fit(cells, params.manipulator, recipe=_recipe(params), progress=bench.tell).save(made)
    bench.write(f"{params.manipulator} was fitted.")


def _evaluate(params: FitParams, cells: "Measurement", scores: Path, bench: Bench) -> None:
    """Score the method as `aivc demo` does: on unseen perturbations, beside plain baselines and itself, shuffled."""
    from aivc.data.splits.folds import unseen_perturbation
    from aivc.evaluation.protocol.evaluate import evaluate
    from aivc.experiments.fitting.fetch_knowledge import knowledge
    from aivc.experiments.fitting.fit_images import image_table

    if scores.is_file():
        return
    if MANIPULATORS.load(params.manipulator).needs_times:
        bench.write(f"{params.manipulator} answers about time: no perturbation was kept from it to score it by.")
        return
    table = image_table(cells)
    groups = len(set(map(str, table.perturbations))) - 1
    if groups < 2:
        bench.write("With a single perturbation none can be kept from it to score it by.")
        return
    known = knowledge(table, [params.manipulator], progress=bench.tell)
    split = unseen_perturbation(table, folds=min(_FOLDS, groups), seed=params.seed)
    methods = [params.manipulator, f"{params.manipulator}{_SHUFFLED}"]
    if known.parts is not None and _are_known(table, known.parts):
        methods.insert(0, _KNOWS_PRIORS)
    found = evaluate(
        table,
        split,
        list(dict.fromkeys(methods)),
        parts=known,
        recipe=_recipe(params),
        name=params.dataset,
        checkpoint=bench.folder / _CHECKPOINTS,
        progress=bench.tell,
    )
    write_text(scores, json.dumps(found.to_json(), indent=1) + "\n")


def _are_known(cells: "Measurement", parts: "UR") -> bool:
    """Whether anything is known of what was perturbed, so that neighbors can be found by it."""
    from aivc.experiments.fitting.fetch_knowledge import require_known

    try:
        require_known(cells, [_KNOWS_PRIORS], parts)
    except DataError:
        return False
    return True


def _scores(path: Path) -> dict[str, Any]:
    """Means of the scores by method and metric, where the cell was scored."""
    if not path.is_file():
        return {"scored": False}
    body = read_json(path)
    means = {method: {metric: of["value"] for metric, of in by.items()} for method, by in body["scores"].items()}
    return {"scored": True, "scores": means}


FIT = JobKind(FitParams, _check, _work, FitResult)
