"""`aivc locate`: where in the cell a protein is, whether that is known of it, and whether a treatment moves it."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, listed, natural, positive
from aivc.cli.sources import add_source, measured
from aivc.core.errors import DataError, SchemaError, WritingError
from aivc.core.measurement import CONTROL, Measurement

_SHOWN = 20


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "locate",
        _locate,
        "Say where in the cell a protein is, and whether a treatment moves it. Crops have masks of nucleus and cell; "
        "or --nucleus, --cells and --diameter find them, and --crop cuts crops out of whole fields. Places are learned "
        "from labelled crops (--learn) or from simulated cells; what is annotated of the gene stands beside them.",
        examples=(
            "aivc locate cells/ --schema cells.toml --channel GFP --gene RELA",
            "aivc locate cells/ --schema cells.toml --channel GFP --learn location --out places.csv",
            "aivc locate bbbc021-cells --channel Actin --nucleus DAPI --cells Tubulin,Actin --diameter 34 --json",
        ),
    )
    add_source(made)
    made.add_argument("--channel", required=True, help="that shows the protein")
    made.add_argument("--gene", default="", help="compare with what is annotated of this human gene")
    made.add_argument("--learn", default="", metavar="COLUMN", help="learn from the crops that have a place in it")
    made.add_argument("--nucleus", default="", metavar="CHANNEL", help="find nuclei in it, in crops without masks")
    made.add_argument("--cells", type=listed, default=None, metavar="A,B", help="find cells in these, likewise")
    made.add_argument("--diameter", type=positive, default=None, metavar="PX", help="of a nucleus, likewise")
    made.add_argument("--crop", type=positive, default=None, metavar="PX", help="cut crops of this side out of fields")
    made.add_argument("--seed", type=natural, default=0, help="of all that draws (default 0)")
    made.add_argument("--out", type=Path, metavar="OUT.csv", help="a new table with a row for each cell")


def _locate(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    from aivc.data.images.subcellular import complete
    from aivc.experiments.known_location import agreement
    from aivc.experiments.locate import Locator, labelled
    from aivc.experiments.translocation import translocation

    if args.out is not None and args.out.exists():
        raise WritingError(f"{args.out} exists. Name a new file, or remove it.")
    crops, name = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter, controls=False)
    crops = _masked(crops, args, reporter)
    kept = complete(crops)
    crops = crops.take(kept)
    if args.learn:
        reporter("learning places", 0, 0)
        known_n = labelled(crops, args.learn)
        if known_n.all():
            raise DataError([f"All crops have a place in {args.learn}. Leave it blank where the place is asked for."])
        locator = Locator.fit(crops.take(known_n), args.channel, column=args.learn, seed=args.seed)
        crops = crops.take(~known_n)
    else:
        reporter("learning places from simulated cells", 0, 0)
        locator = Locator.simulated(seed=args.seed)
    found = locator.locate(crops, args.channel)
    label = found.wells.get("perturbation", CONTROL)
    mean = found.wells.assign(perturbation=label).groupby("perturbation")[list(found.places)].mean()
    whole = found.wells[list(found.places)].mean()
    sets = tuple(sorted({place for each in found.wells["set"] for place in each.split("|")}))
    known = agreement(args.gene, (whole / whole.sum()).to_dict(), sets) if args.gene else None
    arms = set(map(str, crops.perturbations))
    moved = translocation(crops, args.channel, seed=args.seed) if CONTROL in arms and len(arms) > 1 else None
    if args.out is not None:
        found.cells.rename_axis("cell").to_csv(args.out)
    notes = [*found.notes, *([f"{(~kept).sum()} crops without nucleus or cytoplasm are left out."] * (not kept.all()))]
    shown: list[RenderableType] = [
        f"{args.channel} in {len(found.cells):,} cells of {len(found.wells)} wells of {name}.",
        "Mean probability of each place, over wells:",
        _table(mean.reset_index()),
        *([str(known)] if known else []),
    ]
    if moved is not None:
        shown += ["Share of the light in the nucleus, beside controls of the same plate:", _table(moved.head(_SHOWN))]
    shown += [*notes, *([f"Written: {args.out}"] if args.out is not None else [])]
    body = {
        "data": name,
        "channel": args.channel,
        "cells": len(found.cells),
        "places": list(found.places),
        "wells": _records(found.wells.rename_axis("name").reset_index()),
        "perturbations": _records(mean.reset_index()),
        "known": known and {**known._asdict(), "text": str(known)},
        "moved": None if moved is None else _records(moved),
        "notes": notes,
        "files": {} if args.out is None else {"cells": args.out},
        "seconds": reporter.seconds,
    }
    return Outcome(body, shown)


def _masked(crops: Measurement, args: argparse.Namespace, reporter: Reporter) -> Measurement:
    """Crops with masks: their own, or those that are found."""
    from aivc.data.images.layout import is_mask

    asked = (bool(args.nucleus), bool(args.cells), args.diameter is not None)
    if (any(asked) or args.crop is not None) and not all(asked):
        raise SchemaError("Masks are found with all of --nucleus, --cells and --diameter. Give the others, too.")
    if not any(asked):
        if not any(is_mask(name) for name in crops.features):
            raise SchemaError(
                f"{args.data} has no masks. Declare them in the schema, or have them found with --nucleus, --cells and "
                "--diameter."
            )
        return crops
    from aivc.data.images.central_masks import central_masks
    from aivc.data.images.segment import Segmentation, segmented_crops

    reporter("finding nuclei and cells", 0, 0)
    how = Segmentation(nucleus=args.nucleus, cell=tuple(args.cells), diameter=args.diameter)
    return central_masks(crops, how) if args.crop is None else segmented_crops(crops, how, args.crop)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _table(frame: pd.DataFrame) -> RenderableType:
    rows = [["" if _blank(value) else value for value in row] for row in frame.to_numpy(dtype=object)]
    return table([str(name) for name in frame], rows)


def _blank(value: object) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))
