"""`aivc niches`: which surroundings recur in a tissue, what they are, who has more, and where else they occur."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, natural, positive
from aivc.cli.sources import add_schema, measured
from aivc.core.errors import SchemaError, UnavailableError, UnknownNameError
from aivc.data.io.written import write_h5ad
from aivc.experiments.atlas.embed import require_free
from aivc.experiments.atlas.tissue_niches import NICHE, TissueNiches, tissue_niches

_NOBODY, _SHOWN = "nobody", 15


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "niches",
        _niches,
        "Find the niches of a tissue, name them, and count them in sections and patients. There are as many as are "
        "stable, named by the types and genes that they hold more of. With --like, also say where else surroundings "
        "like those of some cells occur.",
        examples=(
            "aivc niches sections.h5ad --schema sections.toml --out niches.h5ad",
            "aivc niches her2st --like label=adipose\\ tissue --apart donor",
            "aivc niches other.h5ad --schema other.toml --cell tissue/ --number 8 --json",
        ),
    )
    made.add_argument("data", metavar="FILE|DATASET", help="a tissue: a file, or a name of the catalog")
    add_schema(made)
    made.add_argument(
        "--cell", type=Path, metavar="FOLDER", help="use the encoders that `aivc embed --save-cell` wrote"
    )
    made.add_argument("--graph", default=None, metavar="RULE", help="who is a neighbor (default nearest:8)")
    made.add_argument("--reach", type=positive, default=None, help="how many steps away neighbors count (default 3)")
    made.add_argument("--dim", type=positive, default=32, help="axes, where an encoder is fitted (default 32)")
    made.add_argument("--number", type=positive, help="of niches (default: the most stable of 3 to 10)")
    made.add_argument("--column", default="cell_type", help="of cell types, where there is one (default cell_type)")
    made.add_argument(
        "--like", default="", metavar="COLUMN=VALUE", help="say where surroundings like these cells' occur"
    )
    made.add_argument(
        "--apart",
        default="donor",
        help="column: what shares its value with a cell is not looked through for it; nobody looks through all "
        "(default donor)",
    )
    made.add_argument("--seed", type=natural, default=0, help="of all that draws (default 0)")
    made.add_argument("--out", type=Path, metavar="OUT.h5ad", help="a new h5ad with the niche of each cell")


def _niches(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    column, sign, value = args.like.partition("=")
    if args.like and not (column and sign and value):
        raise SchemaError(f"--like is COLUMN=VALUE, got {args.like!r}. For a niche, name it: --like {NICHE}=NAME.")
    if args.out is not None:
        require_free(args.out)
    if args.cell is not None and not args.cell.is_dir():
        raise UnavailableError(f"There is no virtual cell {args.cell}. Give the folder that `aivc embed` wrote.")
    tissue, name = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter, controls=False)
    found = tissue_niches(
        tissue,
        args.cell or "factor-analysis",
        graph=args.graph,
        reach=args.reach,
        dim=args.dim,
        numbers=() if args.number is None else (args.number,),
        column=args.column,
        seed=args.seed,
        progress=reporter,
    )
    again = _occurs(found, column, value, args.apart) if args.like else None
    if args.out is not None:
        write_h5ad(found.to_anndata(), args.out, overwrite=False)
    return _outcome(found, again, name, args, reporter)


def _occurs(found: TissueNiches, column: str, value: str, apart: str) -> pd.DataFrame:
    """Where surroundings like those of some cells occur."""
    atlas = found.atlas()
    entities = atlas.states.entities
    if column not in entities:
        raise UnknownNameError("column", column, map(str, entities), "Name a column of the cells.")
    where = np.flatnonzero(entities[column].astype(str) == value)
    if not len(where):
        raise UnknownNameError(f"value of {column}", value, sorted(set(entities[column].astype(str))))
    by = "section" if "section" in entities else apart
    return atlas.where_else(atlas.states.take(where), by, apart="" if apart == _NOBODY else apart)


def _outcome(
    found: TissueNiches, again: pd.DataFrame | None, name: str, args: argparse.Namespace, reporter: Reporter
) -> Outcome:
    best = found.niches.stability.loc[found.niches.stability["agreement"].idxmax()]
    shown: list[RenderableType] = [
        f"{len(found.names)} niches in {len(found.labels):,} cells of {name}; runs from different starts agree by "
        f"{best['agreement']:.2f} (adjusted Rand index).",
        _table(found.table),
    ]
    for column, share in found.shares.items():
        shown += [f"Share of the cells of each {column}:", _table(share.head(_SHOWN).rename_axis(column).reset_index())]
    if again is not None:
        among = "all" if args.apart == _NOBODY else f"all of another {args.apart}"
        shown += [f"Surroundings like those of {args.like}, among {among}:", _table(again.head(_SHOWN))]
    if args.out is not None:
        shown.append(f"Written: {args.out}; color by {NICHE!r}.")
    body = {
        "data": name,
        "cells": len(found.labels),
        "niches": found.table.to_dict("records"),
        "stability": found.niches.stability.to_dict("records"),
        "shares": {column: share.to_dict("index") for column, share in found.shares.items()},
        "types": None if found.types is None else found.types.to_dict("records"),
        "markers": found.markers.groupby("niche").head(20).to_dict("records"),
        "like": None if again is None else again.to_dict("records"),
        "files": {} if args.out is None else {"niches": args.out},
        "seconds": reporter.seconds,
    }
    return Outcome(body, shown)


def _table(frame: pd.DataFrame) -> RenderableType:
    return table([str(name) for name in frame], frame.to_numpy(dtype=object).tolist())
