"""Options of `aivc screen` for very many perturbations: who does the work, and a folder of results."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Parser, positive
from aivc.compute.reducers import TopK
from aivc.compute.shard_store import PATTERN
from aivc.core.errors import DataError
from aivc.core.registry import EXECUTORS
from aivc.data.priors.gene_sets import COLLECTIONS, gene_sets
from aivc.experiments.annotated_rows import annotated, gathering
from aivc.experiments.asked_cell import NO_INTERVAL, OUTPUTS, SHARD
from aivc.experiments.candidates import Candidates
from aivc.experiments.mass_screen import ScreenTask, mass_screen, screen_task
from aivc.experiments.screen import rows_to_json


def add_scale(parser: Parser) -> None:
    """Declare them."""
    made = parser.add_argument_group(
        "very many perturbations", "with --executor, --out is a folder of Parquet files that grows as work is finished"
    )
    made.add_argument("--executor", choices=EXECUTORS.names(), help="who does the work; ray needs the extra scale")
    made.add_argument("--workers", type=positive, default=1, help="how many at a time (default 1)")
    made.add_argument("--output", choices=OUTPUTS, default="score", help="what is kept of an answer (default score)")
    made.add_argument("--sets", default="hallmark", help=f"of pathways: {', '.join(COLLECTIONS)}, or a GMT file")
    made.add_argument("--shard", type=positive, default=SHARD, help=f"perturbations of a file (default {SHARD})")
    made.add_argument("--resume", action="store_true", help="go on with what lies in the folder")


def screen_at_scale(
    args: argparse.Namespace, asked: Sequence[str] | Candidates, contexts: Sequence[str], reporter: Reporter
) -> Outcome:
    """Run the screen, and show the best where it gives scores.

    Args:
        args: What was asked for.
        asked: Candidates.
        contexts: Where each is asked, if several are named.
        reporter: Learns how far it is.

    Raises:
        DataError: An output and a response or score that do not fit.
        IntegrityError: The folder holds other results, or results that are not to be gone on with.
    """
    if args.overwrite:
        raise DataError(["A folder of results is not replaced. Use --resume, or choose another folder."])
    task = screen_task(
        args.cell,
        asked,
        output=args.output,
        response=args.response or "",
        score=args.score,
        sets=gene_sets(args.sets) if args.output == "pathway" else None,
        context="" if contexts else args.context,
        contexts=contexts,
        new_context=args.new_context,
        allow_unknown=args.allow_unknown,
    )
    mass_screen(
        task,
        args.out,
        by=args.executor,
        workers=args.workers,
        size=args.shard,
        resume=args.resume,
        progress=reporter,
    )
    count = len(task.candidates)
    body: dict[str, Any] = {"perturbations": count, "output": args.output, "files": {"results": args.out}}
    shown: list[Any] = [f"{count} perturbations, {args.output} of each"]
    if args.output == "score":
        best, units = _best(task, args.out, args.top, largest=args.direction == "raise")
        shown += shown_rows(best)
        body |= {"units": units, "best": rows_to_json(best)}
    return Outcome({**body, "seconds": reporter.seconds}, [*shown, f"Written: {args.out}"])


def shown_rows(found: pd.DataFrame) -> list[RenderableType]:
    """The columns of ranked rows that a person reads first, and why an interval is missing, if so."""
    where = ["context"] if found["context"].nunique() > 1 else []
    known = ["seen", "applicability", "expressed", "annotation", "brake"]
    columns = ["perturbation", *where, "score", "low", "high", *known]
    rows = found[columns].astype(object).where(found[columns].notna(), "").to_numpy().tolist()
    missing = [f"Intervals: {text}." for text in found["interval"].unique() if text == NO_INTERVAL]
    return [table(columns, rows), *missing]


def _best(task: ScreenTask, folder: Path, count: int, *, largest: bool) -> tuple[pd.DataFrame, str]:
    """The best rows and what is known of their targets, and the units of the score."""
    singles = list[pa.Table]()
    # One file is held at a time; without DuckDB, which need not be there.
    tables = map(pq.read_table, sorted(folder.glob(PATTERN)))
    best = TopK("score", count, largest=largest).joined(gathering(tables, singles))
    state = task.load()
    return annotated(state, best, singles).to_pandas(), state.units
