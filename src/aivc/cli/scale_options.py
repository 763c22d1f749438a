"""Options of `aivc screen` for very many perturbations: who does the work, and a folder of results."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Parser, positive
from aivc.compute.reducers import TopK
from aivc.compute.shard_store import PATTERN
from aivc.core.errors import DataError
from aivc.core.registry import EXECUTORS
from aivc.data.priors.gene_sets import COLLECTIONS, gene_sets
from aivc.experiments.mass_screen import OUTPUTS, SHARD, Candidates, mass_screen, screen_task


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


def screen_at_scale(args: argparse.Namespace, asked: Sequence[str] | Candidates, reporter: Reporter) -> Outcome:
    """Run the screen, and show the best where it gives scores.

    Raises:
        DataError: An output and a response that do not fit.
        IntegrityError: The folder holds other results, or results that are not to be gone on with.
    """
    if args.overwrite:
        raise DataError(["A folder of results is not replaced. Use --resume, or choose another folder."])
    task = screen_task(
        args.cell,
        asked,
        output=args.output,
        response=args.response or "",
        sets=gene_sets(args.sets) if args.output == "pathway" else None,
        context=args.context,
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
    body: dict[str, Any] = {"perturbations": len(asked), "output": args.output, "files": {"results": args.out}}
    shown: list[Any] = [f"{len(asked)} perturbations, {args.output} of each"]
    if args.output == "score":
        best = _best(args.out, args.top, largest=args.direction == "raise")
        rows = best.to_pylist()
        columns = ["perturbation", "score", "low", "high", "seen", "applicability"]
        shown.append(table(columns, [[row[name] for name in columns] for row in rows]))
        body["best"] = rows
    return Outcome({**body, "seconds": reporter.seconds}, [*shown, f"Written: {args.out}"])


def _best(folder: Path, count: int, *, largest: bool) -> pa.Table:
    # One file is held at a time; without DuckDB, which need not be there.
    return TopK("score", count, largest=largest).joined(map(pq.read_table, sorted(folder.glob(PATTERN))))
