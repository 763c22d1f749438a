"""`aivc neighbors`: what surrounds some cells of a tissue, beside a shuffle of the cells."""

import argparse
from typing import Any

from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, natural, positive
from aivc.cli.sources import add_schema, measured
from aivc.core.errors import DataError
from aivc.interpretation.neighbor_effects import neighbor_effects
from aivc.interpretation.spill_over import spill_over

_SHOWN = 15
_CAUTION = (
    "Transcripts counted in the wrong cell, smooth staining and biology look alike here; spill-over is near ('same') "
    "and not farther away ('ring')."
)


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
    made.add_argument(
        "--spill-over",
        type=natural,
        default=15,
        metavar="UM",
        help="how far transcripts may be counted in the wrong cell, in µm; 0 does not ask (default 15, where positions "
        "are in µm)",
    )
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
    body: dict[str, Any] = {**found.to_json(), "spill_over": None}
    if args.spill_over and tissue.provenance.get("coordinates", {}).get("unit") == "um":
        reporter("looking for spill-over", 0, 0)
        try:
            spilled = spill_over(tissue, within=float(args.spill_over), seed=args.seed)
        except DataError as error:
            body["spill_over"] = {"not_asked": " ".join(error.problems)}
            shown.append(f"Spill-over could not be looked for. {' '.join(error.problems)}")
        else:
            rows = spilled.table.head(_SHOWN)
            shown += [
                "spill-over",
                table([str(name) for name in rows], rows.to_numpy().tolist()),
                spilled.note,
                _CAUTION,
            ]
            body["spill_over"] = spilled.to_json()
    return Outcome({**body, "seconds": reporter.seconds}, shown)
