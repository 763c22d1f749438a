"""`aivc simulate`: take cells through a schedule of waits and treatments, and write the populations on the way."""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.fit_command import add_cell
from aivc.cli.grammar import Commands, natural, positive
from aivc.cli.sources import add_schema, measured
from aivc.core.errors import ControlError, SchemaError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.schedule import Schedule
from aivc.core.views import NOT_FOR_TESTING, require_h5ad
from aivc.core.virtual_cell import VirtualCell
from aivc.core.writing import require_absent
from aivc.data.io.written import write_h5ad
from aivc.experiments.series import SeriesTables
from aivc.experiments.simulate import simulate
from aivc.reporting.drawing import require_free_figure
from aivc.reporting.time_figures import river

_SHOWN = 6


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "simulate",
        _simulate,
        "Take cells through a schedule of waits and treatments: a population at the end of each step, with mass.",
        examples=(
            'aivc simulate cell/ "wait 48h" --context culture --every 12h --out series.h5ad',
            'aivc simulate cell/ "wait 24h; drug:dexamethasone@100nM for 3h; wait 24h" --out series.h5ad',
            'aivc simulate cell/ "drug:X@1uM from 24h to 48h; wait 24h" --figure river.png',
        ),
    )
    add_cell(made)
    made.add_argument("schedule", help='steps between semicolons, such as "wait 24h; drug:X@1uM for 3h; wait 24h"')
    made.add_argument(
        "--control", metavar="FILE", default="", help="start from your own control cells, with their time"
    )
    add_schema(made)
    made.add_argument(
        "--every", type=_hours, default=None, metavar="6h", help="keep populations every so many hours too"
    )
    made.add_argument(
        "--at", type=_hours, default=None, metavar="24h", help="start from cells read then (default: the earliest)"
    )
    made.add_argument("--cells", type=positive, default=200, help="cells that are followed, at most (default 200)")
    made.add_argument("--extrapolate", action="store_true", help="answer also outside of the times that were read")
    made.add_argument("--decoder", default="", help="which one reads cells out, where there are several")
    made.add_argument("--out", type=Path, metavar="FILE.h5ad", help="write cells, mass, states and intervals")
    made.add_argument("--figure", type=Path, metavar="FIG.svg|png", help="also draw the series as a river of states")
    made.add_argument("--overwrite", action="store_true", help="replace files that are there")
    made.add_argument("--seed", type=natural, default=0, help="of all that draws (default 0)")


def _hours(text: str) -> float:
    """Hours, such as ``6h``."""
    try:
        hours = float(text.removesuffix("h"))
    except ValueError:
        hours = math.nan
    if not 0 <= hours < math.inf:
        raise argparse.ArgumentTypeError(f"hours read 6h, got {text!r}")
    return hours


def _simulate(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    if args.out is not None:
        require_h5ad(args.out)
        require_absent(args.out, overwrite=args.overwrite)
    if args.figure is not None:
        require_free_figure(args.figure, overwrite=args.overwrite)
    schedule = Schedule.parse(args.schedule)
    reporter("loading the cell", 0, 0)
    cell = VirtualCell.load(args.cell)
    start = _start(args, reporter)
    reporter(f"simulating {schedule}", 0, 0)
    series = simulate(
        cell,
        start,
        schedule,
        every=args.every,
        at=args.at,
        cells=args.cells,
        extrapolate=args.extrapolate,
        allow_unknown=args.allow_unknown,
        decoder=args.decoder,
        new_context=args.new_context,
        seed=args.seed,
    )
    files = {}
    if args.out is not None:
        write_h5ad(series.to_anndata(), args.out, overwrite=args.overwrite, compression="gzip", compression_opts=1)
        files["series"] = args.out
    tables = series.tables
    if args.figure is not None:
        files["figure"] = river(tables).save(args.figure, overwrite=args.overwrite)
    body = {
        **tables.about,
        "cells": len(series.moments[0].draws[0]),
        "draws": len(series.moments[-1].draws),
        "steps": tables.steps.to_dict("records"),
        "growth": tables.growth.to_dict("records"),
        "states": tables.states.to_dict("records"),
        "fates": tables.fates.to_dict("records"),
        "not_for_testing": NOT_FOR_TESTING,
        "files": files,
        "seconds": reporter.seconds,
    }
    return Outcome(body, _shown(tables, files))


def _start(args: argparse.Namespace, reporter: Reporter) -> Measurement | str:
    if not args.control:
        if args.schema:
            raise SchemaError("--schema describes a file of control cells. Name it with --control, or leave both out.")
        return str(args.context)
    measurement, _ = measured(args.control, args.schema, on_disk=args.on_disk, reporter=reporter)
    keep = measurement.perturbations == CONTROL
    if args.context:
        keep &= measurement.contexts.astype(str) == args.context
    if not keep.any():
        where = f" of context {args.context!r}" if args.context else ""
        raise ControlError(f"{args.control} holds no control cells{where}. Check the schema's control, or --context.")
    return measurement.take(keep)


def _shown(tables: SeriesTables, files: Mapping[str, Path]) -> list[RenderableType]:
    """The series for people: what was done, how many cells there are, and what they are."""
    about, names = tables.about, list(dict.fromkeys(tables.states["state"]))[:_SHOWN]
    share = tables.states.pivot(index="step", columns="state", values="share")
    rows = [
        [step.step, f"{step.begin:g} to {step.end:g}", step.done, _evidence(step), step.mass, step.low, step.high]
        + [float(share.loc[step.step, name]) for name in names]
        for step in tables.steps.itertuples()
    ]
    columns = ["step", "hours", "done", "evidence", "mass", "low", "high", *names]
    shown: list[RenderableType] = [f"{about['context']} from {about['from']:g} h: {about['schedule']}"]
    shown += [table(columns, rows)]
    shown += ["Mass is for one cell of the start; what follows it are shares of states."]
    shown += list(about["assumptions"])
    if np.isfinite(about["semigroup"]):
        shown.append(f"Steps instead of one: untreated cells end {about['semigroup']:.1%} of their way from there.")
    shown.append(f"Intervals: {about['intervals']}.")
    if "today" in " ".join(tables.steps["made_by"]):
        shown.append("After the last time that was read, cells stay as they were: nothing is known of later.")
    shown += [f"Written: {path}" for path in files.values()]
    if "series" in files:
        if "figure" not in files:
            shown.append(f"Draw it: aivc plot river CELL --series {files['series']} --out river.svg")
        shown.append(NOT_FOR_TESTING)
    return shown


def _evidence(step: Any) -> str:
    where = "inside" if step.inside else "OUTSIDE the times read"
    return ", ".join(filter(None, [where, step.seen, {"in": "", "edge": "edge", "out": "out"}[step.applicability]]))
