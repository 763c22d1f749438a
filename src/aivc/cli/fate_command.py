"""`aivc fate`: what cells of a time course will become, and how surely."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, natural, positive
from aivc.cli.sources import add_schema
from aivc.core.errors import SchemaError, UnavailableError
from aivc.data.io.added_columns import add_columns, kept_whole, require_no_matrices, require_unused
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.check import check
from aivc.data.io.schema import Schema
from aivc.experiments.atlas.embed import require_free
from aivc.experiments.fate import COLUMNS, LINEAGES, MATRICES, fate, represented
from aivc.experiments.fate_drivers import fate_drivers
from aivc.reporting.drawing import require_free_figure
from aivc.reporting.time_figures import fate_bars

# Genes that are listed, and axes of an encoder that is fitted.
_SHOWN, _AXES = 10, 32


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "fate",
        _fate,
        "Say what cells of a time course will become. Terminal states of the last time are traced back by transport "
        "and by clones, and the answer is added to a copy of the file, where CellRank keeps it.",
        examples=(
            "aivc fate cells.h5ad --schema cells.toml --terminal state=Monocyte,Neutrophil --out fates.h5ad",
            "aivc fate cells.h5ad --schema cells.toml --terminal state --states obsm:X_pca --out fates.h5ad",
        ),
    )
    made.add_argument("data", type=Path, metavar="FILE", help="cells of several times")
    add_schema(made)
    made.add_argument(
        "--terminal",
        required=True,
        metavar="COLUMN=A,B",
        help="column of labels, and those of the last time that are terminal (all, where none is named)",
    )
    made.add_argument(
        "--states",
        default="factor-analysis",
        help="an encoder to fit, or obsm:KEY of the file (default factor-analysis)",
    )
    made.add_argument("--drivers", default="", metavar="FATE", help="list genes that go with this fate")
    made.add_argument("--draws", type=positive, default=24, help="resamples of clones or cells (default 24)")
    made.add_argument("--seed", type=natural, default=0, help="draws them (default 0)")
    made.add_argument("--out", type=Path, required=True, metavar="OUT.h5ad", help="a new h5ad file")
    made.add_argument("--figure", type=Path, metavar="FIG.svg|png", help="also draw the fates of each time, as bars")


def _fate(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    require_free(args.out)
    if args.figure is not None:
        require_free_figure(args.figure)
    column, _, named = args.terminal.partition("=")
    if args.on_disk:
        raise SchemaError("Fates need all cells in memory. Leave --on-disk out.")
    if not args.data.exists():
        raise UnavailableError(f"There is no file {args.data}. Check the path of the cells.")
    if not args.schema:
        raise SchemaError(
            f"{args.data} is a file, and a schema says what its columns mean: add --schema S.toml, with lines such as "
            'units = "counts", time = "day", time_unit = "d". `aivc data guess` suggests one.'
        )
    schema = Schema.from_toml(args.schema)
    reporter(f"checking {args.data.name}", 0, 0)
    for text in check(args.data, schema, controls=False).reading:
        reporter.note(f"note on {args.data.name}: {text}")
    cells = as_measurement(args.data, schema, controls=False)
    require_unused(list(map(str, cells.entities)), COLUMNS, args.data.name)
    if kept_whole(args.data, schema):
        require_no_matrices(args.data, MATRICES)
    wanted = [text for text in named.split(",") if text]
    reporter("tracing fates", 0, 0)
    states = args.states
    if states.startswith("obsm:"):
        states = represented(args.data, cells, states, _AXES, args.seed)
    found = fate(cells, {column: wanted}, states=states, dim=_AXES, draws=args.draws, seed=args.seed)
    body: dict[str, Any] = {**found.to_json(), "files": {"fates": args.out}}
    means = body["mean_by_hours"]
    rows = [[hours, *[f"{p:.3f}" for p in of.values()]] for hours, of in means.items()]
    shown: list[RenderableType] = [found.note, "mean probability by time", table(["hours", *found.names], rows)]
    if args.drivers:
        drivers = fate_drivers(found, args.drivers, seed=args.seed).head(_SHOWN)
        body["drivers"] = drivers.to_dict("records")
        shown += [f"genes that go with {args.drivers}", table(list(map(str, drivers)), drivers.to_numpy().tolist())]
    add_columns(args.data, found.cells, args.out, found.obs(), found.uns(), obsm=found.obsm(), schema=schema)
    shown.append(f"{args.out}: obsm['{LINEAGES}']")
    if args.figure is not None:
        body["files"]["figure"] = fate_bars(found).save(args.figure)
        shown.append(f"Written: {args.figure}")
    return Outcome({**body, "seconds": reporter.seconds}, shown)
