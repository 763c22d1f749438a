"""The main job, end to end: read a real screen, predict unseen knockouts, be scored, and propose the next plate."""

import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from aivc.core.errors import UnavailableError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.state import write_text
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data import catalog
from aivc.data.io.check import check
from aivc.data.priors.for_screen import priors_for
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.streaming.stream import Progress
from aivc.evaluation.protocol.evaluate import evaluate
from aivc.evaluation.scores.table import Evaluation
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.propose import Plan, propose
from aivc.experiments.screen import Response, Screen, screen
from aivc.reporting.report import report

METHOD = "effect.v2"
# Stands in ``scores.json`` beside the cell, so that a service knows the demo when it serves it.
MADE_BY = "aivc demo"
# Readouts known beforehand: interferon-gamma response genes on the panel (MSigDB Hallmark), and the ERK kinases.
_RESPONSES = {"papalexi2021": ("PSMB9", "STAT1", "UBE2L6"), "sachs2005": ("p44/42",)}
_LEVEL = 0.9


@final
@dataclass(frozen=True, eq=False)
class _Job:
    """What every step of the demo shares."""

    measurement: Measurement
    name: str
    priors: UR
    recipe: Recipe
    out: Path
    tell: Progress


def run(
    *, data: str = "", out: Path = Path("out/demo"), seed: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """Run the demo and write its report, its virtual cell with its scores, its screen and its plate.

    Args:
        data: Name in the catalog; by default the default screen, or the packaged data where that cannot be had.
        out: Folder to write into; made where it does not exist.
        seed: Of everything that draws.
        progress: Called with what is being done, how far, of how much.

    Returns:
        JSON-ready: ``data``, ``source``, ``cells``, ``seconds``, ``peak_mb``, ``scores``, ``coverage90``, ``report``.

    Raises:
        UnknownNameError: No such dataset.
    """
    began = time.perf_counter()
    tell = progress or (lambda what, done, total: None)
    tell("read", 0, 1)
    measurement, name, source, priors = _choose(data)
    checked = check(measurement, species="none" if name == catalog.FALLBACK else "human")
    checked.raise_if_any()
    job = _Job(measurement, name, priors, Recipe(seed=seed), out, tell)
    evaluation = _evaluate(job)
    tell("fit", 0, 1)
    cell = fit(measurement, METHOD, parts=priors, recipe=job.recipe)
    cell.save(out / "cell", overwrite=True)
    scores_json = {**evaluation.to_json(), "made_by": MADE_BY}
    write_text(out / "scores.json", json.dumps(scores_json) + "\n")
    ranked, plan = _next_experiment(job, cell)
    made = report(
        cell, measurement, name=name, screen=ranked, plan=plan, scores=evaluation.to_json(), parts=priors, seed=seed,
        notes=_notes(name, source, checked.notes), progress=tell,
    )  # fmt: skip
    page = made.save(out / "report.html", overwrite=True)
    seconds = round(time.perf_counter() - began, 1)
    scores = {m: {k: v["value"] for k, v in by.items()} for m, by in evaluation.scores.items()}
    return {
        "data": name,
        "source": source,
        "cells": len(measurement),
        "seconds": seconds,
        "peak_mb": round(_peak_mb()),
        "scores": scores,
        "coverage90": scores[METHOD]["coverage90"],
        "report": str(page),
    }


def _choose(data: str) -> tuple[Measurement, str, str, UR]:
    """The screen asked for, or the first one that can be had together with its priors, and why it is this one."""
    if data:
        measurement = catalog.load(data)
        return measurement, data, f"{catalog.entry(data).title}, as asked.", priors_for(measurement)
    chosen = catalog.default()
    try:
        return chosen.measurement, chosen.name, chosen.reason, priors_for(chosen.measurement)
    except UnavailableError as error:
        title = catalog.entry(catalog.FALLBACK).title
        measurement = catalog.load(catalog.FALLBACK)
        reason = f"{title}, which comes with the package, because knowledge of genes could not be had: {error}"
        return measurement, catalog.FALLBACK, reason, priors_for(measurement)


def _evaluate(job: _Job) -> Evaluation:
    groups = len(set(job.measurement.perturbations)) - 1
    split = unseen_perturbation(job.measurement, folds=min(5, groups), seed=job.recipe.seed)
    split.save(job.out / "split.json")
    methods = ["nearest", METHOD, f"{METHOD}:shuffled"]
    return evaluate(job.measurement, split, methods, parts=job.priors, recipe=job.recipe, progress=job.tell)


def _notes(name: str, source: str, found: tuple[str, ...]) -> list[str]:
    few = ["With eight conditions to learn from, read the ranking as a demonstration, not as advice."]
    return [f"Data: {source}", *found, *(few if name == catalog.FALLBACK else [])]


def _next_experiment(job: _Job, cell: VirtualCell) -> tuple[Screen, Plan]:
    response = Response.of(_RESPONSES.get(job.name, tuple(map(str, job.measurement.features[:1]))))
    names = sorted({*map(str, job.priors.entities.index)})
    seen = {str(text) for text in job.measurement.perturbations} - {CONTROL}
    kinds = {agent.kind for text in seen for agent in Perturbation.parse(text).agents}
    kind = "ko" if job.name == catalog.FALLBACK or "ko" in kinds else sorted(kinds)[0]
    known = {target for text in seen for target in Perturbation.parse(text).targets}
    asked = sorted(seen) + [str(Perturbation((Agent(kind, name),))) for name in names if name not in known]
    contexts = sorted(cell.starts)
    ranked = screen(
        cell, asked, response, context=contexts[0], direction="lower", level=_LEVEL,
        progress=job.tell,
    )  # fmt: skip
    ranked.save(job.out / "screen.csv", overwrite=True)
    plan = propose(ranked, size=96, seed=job.recipe.seed, cell=cell)
    plan.save(job.out / "plate.csv", overwrite=True)
    return ranked, plan


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)
