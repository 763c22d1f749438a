"""`aivc search`: which intervention leads to a goal, at what cost, and with what else changed."""

import argparse
from pathlib import Path

from aivc.cli.console import Outcome, Reporter
from aivc.cli.fit_command import add_cell
from aivc.cli.grammar import Commands, listed, positive
from aivc.cli.screen_command import add_candidates, add_table, candidates, placed, ranked, require_table
from aivc.cli.sources import add_schema, measured
from aivc.core.errors import SchemaError
from aivc.core.measurement import Measurement
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.named_numbers import named_numbers
from aivc.experiments.goal import labelled
from aivc.experiments.search import search


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "search",
        _search,
        "Find the intervention that brings control cells closest to a wanted state, and what it costs and changes "
        "besides. The best answer is applied to control states the search did not start from.",
        examples=(
            "aivc search cell/ --goal goal.csv --candidates genes.txt --pairs --out found.csv",
            "aivc search cell/ --goal goal.csv --keep rest        (goal.csv has the columns feature and change)",
            "aivc search cell/ --goal-cells healthy.h5ad --schema healthy.toml --goal-label cell_type=naive",
        ),
    )
    add_cell(made)
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--goal", type=Path, metavar="FILE.csv", help="columns feature and change")
    which.add_argument(
        "--goal-cells", type=Path, metavar="FILE", help="wanted cells, and controls to compare them with"
    )
    add_schema(made)
    made.add_argument("--goal-label", default="", metavar="COLUMN=VALUE", help="of --goal-cells, those with this label")
    add_candidates(made, "--candidates")
    made.add_argument("--keep", type=listed, default=[], metavar="a,b|rest", help="features that are to stay")
    made.add_argument("--penalty", type=float, default=1.0, help="on change of what is to stay (default 1)")
    made.add_argument("--cost", type=Path, metavar="FILE.csv", help="columns target and cost (default 1 each)")
    made.add_argument("--pairs", action="store_true", help="search pairs too, as --agents 2")
    made.add_argument(
        "--agents", type=int, choices=(1, 2, 3), default=1, help="up to how many are combined (default 1)"
    )
    made.add_argument("--beam", type=positive, default=20, help="answers extended, and each by how many (default 20)")
    add_table(made, "found.csv", required=False)


def _search(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    if args.out is not None:
        require_table(args.out, overwrite=args.overwrite)
    goal = _goal(args, reporter)
    cost = None if args.cost is None else named_numbers(args.cost, "target", "cost", "table of costs")
    reporter("loading the cell", 0, 0)
    cell = VirtualCell.load(args.cell)
    found = search(
        cell,
        goal,
        candidates(args.candidates, args.kind, cell),
        keep=args.keep,
        penalty=args.penalty,
        cost=cost,
        start=cell.start(args.context, new_context=args.new_context),
        pairs=args.pairs,
        agents=args.agents,
        beam=args.beam,
        allow_unknown=args.allow_unknown,
        progress=reporter,
    )
    if args.out is not None:
        found.save(args.out, overwrite=args.overwrite)
    said = found.note or f"{len(found)} interventions, the one that closes most of the way to the goal first:"
    numbers = ["closes", "low", "high", "cosine", *(["side"] if found.kept else []), *(["cost"] if cost else [])]
    free = f"{len(found.front):,} of {len(found):,} are dominated by no other."
    more = [found.verdict, str(found.check), free]
    return ranked(placed(found.to_json(), cell), found.table, numbers, said, args, reporter, more)


def _goal(args: argparse.Namespace, reporter: Reporter) -> dict[str, float] | Measurement:
    if args.goal is not None:
        if args.schema or args.goal_label:
            raise SchemaError("--schema and --goal-label are about --goal-cells. Leave them out beside --goal.")
        return named_numbers(args.goal, "feature", "change", "goal")
    cells, _ = measured(args.goal_cells, args.schema, on_disk=args.on_disk, reporter=reporter, controls=False)
    if not args.goal_label:
        return cells
    column, sign, value = args.goal_label.partition("=")
    if not sign:
        raise SchemaError(f"A label is written as COLUMN=VALUE, got {args.goal_label!r}. Write cell_type=naive.")
    return labelled(cells, column, value)
