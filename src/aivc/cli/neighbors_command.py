"""`aivc neighbors`: what surrounds some cells of a tissue, beside a shuffle of the cells."""

import argparse

from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, natural, positive
from aivc.cli.sources import add_schema, measured
from aivc.interpretation.neighbor_effects import neighbor_effects

_SHOWN = 15


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "neighbors",
        _neighbors,
        "Say what surrounds some cells of a tissue more than chance would have it. Types, distances, and the ligands "
        "and receptors of CellPhoneDB, each beside a shuffle of the cells within their section.",
        examples=(
            "aivc neighbors section.h5ad --schema section.toml --where niche=border",
            "aivc neighbors section.h5ad --schema section.toml --where cell_type=T --within-type --json",
        ),
    )
    made.add_argument("data", metavar="FILE|DATASET", help="a tissue: a file, or a name of the catalog")
    add_schema(made)
    made.add_argument(
        "--where", required=True, metavar="COLUMN=VALUE", help="the cells to look at, by a column of theirs"
    )
    made.add_argument("--graph", default="nearest:8", metavar="RULE", help="who is a neighbor (default nearest:8)")
    made.add_argument("--reach", type=positive, default=3, help="how many steps away to look (default 3)")
    made.add_argument("--within-type", action="store_true", help="let cells exchange places with their own type alone")
    made.add_argument("--shuffles", type=positive, default=200, help="how often cells exchange places (default 200)")
    made.add_argument("--seed", type=natural, default=0, help="draws the shuffles (default 0)")


def _neighbors(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    column, _, value = args.where.partition("=")
    tissue, _ = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter, controls=False)
    reporter("shuffling cells", 0, 0)
    found = neighbor_effects(
        tissue,
        {column: value},
        graph=args.graph,
        reach=args.reach,
        within_type=args.within_type,
        shuffles=args.shuffles,
        seed=args.seed,
    )
    shown: list[RenderableType] = [found.note]
    for title, frame in (("by distance", found.shells), ("by type", found.types), ("by pair", found.pairs)):
        if frame is not None and len(frame):
            rows = frame.head(_SHOWN)
            shown += [title, table([str(name) for name in rows], rows.to_numpy().tolist())]
    return Outcome({**found.to_json(), "seconds": reporter.seconds}, shown)
