"""`aivc consistency`: whether a virtual cell agrees with itself from cell to tissue."""

import argparse
from pathlib import Path

from rich.console import RenderableType

from aivc.cli.console import DONE, REFUSED, Outcome, Reporter, table
from aivc.cli.grammar import Commands, natural, positive
from aivc.cli.sources import add_schema, measured
from aivc.core.virtual_cell import VirtualCell
from aivc.evaluation.consistency.suite import consistency


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "consistency",
        _consistency,
        "Check a virtual cell of tissue against itself. Properties that must hold across scales, each with its null: "
        "symmetries, locality, use of neighbors, pooling, and whether the order of two steps matters. The exit code is "
        "1 where one does not hold.",
        examples=(
            "aivc consistency tissue/ section.h5ad --schema section.toml",
            "aivc consistency tissue/ section.h5ad --schema section.toml --save --json",
        ),
    )
    made.add_argument("cell", type=Path, metavar="CELL", help="folder that `aivc embed --save-cell` wrote")
    made.add_argument("data", metavar="FILE|DATASET", help="a tissue: a file, or a name of the catalog")
    add_schema(made)
    made.add_argument("--cells", type=positive, default=1000, help="most cells to check on (default 1000)")
    made.add_argument("--gene", default="", help="silenced in all cells (default: the one whose readings vary most)")
    made.add_argument("--seed", type=natural, default=0, help="of all that is drawn (default 0)")
    made.add_argument("--save", action="store_true", help="keep the table on the card of the virtual cell")


def _consistency(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    cell = VirtualCell.load(args.cell)
    tissue, _ = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter, controls=False)
    found = consistency(cell, tissue, cells=args.cells, gene=args.gene, seed=args.seed, progress=reporter)
    if args.save:
        found.on_card(cell).save(args.cell, overwrite=True)
    rows = [[row.code, row.name, row.value, row.null, row.rule, row.verdict] for row in found.rows]
    columns = ["", "property", "value", "null", "holds where", "verdict"]
    notes = [f"{row.code} {row.name}: {row.note}" for row in found.rows if row.note]
    about = found.about
    said = f"{about['cells']:,} of {about['of']:,} cells in {about['sections']} sections, {about['encoder']}."
    kept = [f"The table is on the card of {args.cell}."] if args.save else []
    shown: list[RenderableType] = [said, table(columns, rows), *notes, *kept]
    code = REFUSED if found.failed else DONE
    return Outcome({**found.to_json(), "seconds": reporter.seconds}, shown, code)
