"""`aivc order` and `aivc cycle`: where each cell is along its development, and in its cycle."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, Parser, natural, positive
from aivc.cli.sources import measured
from aivc.core.errors import SchemaError
from aivc.core.measurement import Measurement
from aivc.data.io.added_columns import add_columns, require_unused
from aivc.data.io.schema import Schema
from aivc.experiments import cell_cycle as cycle
from aivc.experiments.atlas.embed import require_free
from aivc.experiments.cell_order import ABOUT, KEY, ROOT_FREE_KEY, cell_order

_SHOWN = 20


def add(commands: Commands) -> None:
    """Declare the commands."""
    made = commands.add(
        "order",
        _order,
        "Order cells along their development, from a root that you give. The place of each cell lies where CellRank "
        "and scanpy look, and what the direction rests on is said.",
        examples=(
            "aivc order cells.h5ad --schema cells.toml --root Ductal --out ordered.h5ad",
            "aivc order cells.h5ad --schema cells.toml --root state=HSC --states obsm:X_pca --out ordered.h5ad",
            "aivc order cells.h5ad --schema cells.toml --root-free --out ordered.h5ad",
        ),
    )
    _add_cells(made)
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--root", default="", metavar="TYPE|COLUMN=TYPE", help="cells of this type come first")
    which.add_argument(
        "--root-free",
        action="store_true",
        help="order by the number of genes detected, most first, which runs backwards in some tissues",
    )
    made.add_argument(
        "--states",
        default="factor-analysis",
        help="an encoder to fit, or obsm:KEY of the file (default factor-analysis)",
    )
    made.add_argument("--dim", type=positive, default=32, help="axes, where an encoder is fitted (default 32)")
    made.add_argument("--key", default="", help=f"column of obs (default {KEY}, or {ROOT_FREE_KEY} without a root)")
    made.add_argument("--seed", type=natural, default=0, help="draws the cells that an encoder learns from (default 0)")
    made = commands.add(
        "cycle",
        _cycle,
        "Say where in the cell cycle each cell is: an angle, and scores of S and of G2 and M. Genes of human and mouse "
        "are known by their symbols.",
        examples=("aivc cycle cells.h5ad --schema cells.toml --out cycle.h5ad",),
    )
    _add_cells(made)
    made.add_argument("--seed", type=natural, default=0, help="draws sets of other genes to compare with (default 0)")


def _add_cells(made: Parser) -> None:
    made.add_argument("data", metavar="FILE|DATASET", help="cells: a file with its schema, or a name of the catalog")
    made.add_argument("--schema", metavar="S.toml", default="", help="says what the columns of the file mean")
    made.add_argument("--out", type=Path, required=True, metavar="OUT.h5ad", help="a new h5ad file")


def _order(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    cells = _cells(args, reporter)
    key = args.key or (ROOT_FREE_KEY if args.root_free else KEY)
    require_unused(list(map(str, cells.entities)), [key, f"{key}_spread"], args.data, "choose another name (--key)")
    column, named, label = args.root.partition("=")
    root = None if args.root_free else {column: label} if named else column
    reporter("ordering cells", 0, 0)
    states = args.states
    if states.startswith("obsm:"):
        states = _own_states(args, cells)
    found = cell_order(cells, root, states=states, dim=args.dim, seed=args.seed)
    add_columns(Path(args.data), cells, args.out, found.table(key), {ABOUT: found.about(key)}, schema=_schema(args))
    by_label = found.by_label
    rows = by_label.astype(object).where(by_label.notna(), None).head(_SHOWN).to_numpy().tolist()
    shown: list[RenderableType] = [*found.notes, *([table(list(by_label), rows)] if rows else [])]
    if found.root:
        shown.append(f'CellRank: PseudotimeKernel(adata, time_key="{key}")')
    body = {
        "key": key,
        "root": found.root,
        "root_cells": list(found.roots),
        "notes": list(found.notes),
        "later": found.later,
        "by_label": by_label.to_dict("records"),
    }
    return _outcome(args, body, shown, found.table(key), reporter)


def _cycle(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    cells = _cells(args, reporter)
    require_unused(list(map(str, cells.entities)), cycle.KEYS, args.data)
    reporter("reading the cycle", 0, 0)
    found = cycle.cell_cycle(cells, seed=args.seed)
    columns = found.table(cells.entities.index)
    add_columns(Path(args.data), cells, args.out, columns, {cycle.ABOUT: found.about()}, schema=_schema(args))
    body = {
        "genes": {"S": found.found[0], "G2/M": found.found[1]},
        "agreement": {"S": found.agreement[0], "G2/M": found.agreement[1]},
        "chance": {"S": found.chance[0], "G2/M": found.chance[1]},
        "seen": found.seen,
        "note": found.note,
    }
    return _outcome(args, body, [found.note], columns, reporter)


def _cells(args: argparse.Namespace, reporter: Reporter) -> Measurement:
    require_free(args.out)
    cells, _ = measured(args.data, args.schema, on_disk=False, reporter=reporter, controls=False)
    return cells


def _schema(args: argparse.Namespace) -> Schema | None:
    return Schema.from_toml(args.schema) if args.schema else None


def _own_states(args: argparse.Namespace, cells: Measurement) -> Any:
    from aivc.experiments.fate import represented

    if not args.schema:
        raise SchemaError(f"{args.data} is a dataset of the catalog and holds no obsm. Name an encoder with --states.")
    return represented(args.data, cells, args.states, args.dim, args.seed)


def _outcome(
    args: argparse.Namespace,
    body: Mapping[str, Any],
    shown: list[RenderableType],
    columns: pd.DataFrame,
    reporter: Reporter,
) -> Outcome:
    made = {"cells": len(columns), **body, "columns": list(columns), "files": {"cells": args.out}}
    written = f"{args.out}: {', '.join(f'obs[{name!r}]' for name in columns)}"
    return Outcome({**made, "seconds": reporter.seconds}, [*shown, written])
