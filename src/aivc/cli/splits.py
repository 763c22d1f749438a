"""`aivc splits`: whether a split gives away the answers it asks for."""

import argparse
from pathlib import Path

from rich.console import RenderableType

from aivc.cli.console import DONE, REFUSED, Outcome, Reporter, table
from aivc.cli.grammar import Commands, natural
from aivc.cli.sources import add_source, measured
from aivc.core.errors import SchemaError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.virtual_cell import VirtualCell
from aivc.data import catalog
from aivc.data.splits.split import Split
from aivc.evaluation.leakage.leaks import check_split


def add(commands: Commands) -> None:
    """Declare the commands."""
    group = commands.group(
        "splits",
        "Checks of who may see what.",
        examples=("aivc splits check papalexi2021 --split split.json",),
    )
    made = group.add(
        "check",
        _check,
        "Find every way in which training could have seen what is tested. Exit code 1 if there is any.",
        examples=(
            "aivc splits check papalexi2021 --split unseen-perturbation:5",
            "aivc splits check papalexi2021 --split split.json --cell cell/ --others kang2018",
            "aivc splits check screen.h5ad --schema screen.toml --split split.json --others mine.h5ad:mine.toml --json",
        ),
    )
    add_source(made)
    made.add_argument("--split", metavar="SPLIT.json|KIND", required=True, help="as `aivc evaluate --split` takes it")
    made.add_argument("--seed", type=natural, default=0, help="draws the split, where a kind is given (default 0)")
    made.add_argument(
        "--cell",
        dest="cells",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a virtual cell to check by what its parts carry of their training; may stand several times",
    )
    made.add_argument(
        "--others",
        action="append",
        default=[],
        metavar="NAME|FILE:SCHEMA",
        help="other data, or predicted cells, to find copies of scored cells in; may stand several times",
    )


def _check(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    cells = {str(folder): VirtualCell.load(folder) for folder in args.cells}
    others = {text: _other(text, on_disk=args.on_disk, reporter=reporter) for text in args.others}
    measurement, name = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter)
    split = Split.parse(args.split, measurement, seed=args.seed)
    reporter("looking for leaks", 0, 0)
    found = check_split(measurement, split, cells=cells, others=others)
    count = len(found.leaks)
    verdict = f"{count} leak{'s' * (count > 1)} found." if count else "No leak found."
    rows = [[each.severity, each.where, each.kind, each.sentence] for each in found.findings]
    about = {"kind": split.kind, "folds": len(split.folds), "digest": split.digest}
    lead = f"{name}: {split.kind}, {len(split.folds)} folds"
    shown: list[RenderableType] = [lead, table(["", "where", "what", "found"], rows), verdict]
    looked = {"cells": sorted(cells), "others": sorted(others)}
    return Outcome({"data": name, "split": about, **looked, **found.to_json()}, shown, REFUSED if count else DONE)


def _other(text: str, *, on_disk: bool, reporter: Reporter) -> Measurement:
    if text in catalog.names() and not Path(text).exists():
        return catalog.load(text)
    file, _, schema = text.rpartition(":")
    if not file:
        near = str(UnknownNameError("dataset", text, catalog.names()))
        raise SchemaError(f"{near} --others takes a dataset, or a file and its schema, such as mine.h5ad:mine.toml.")
    return measured(file, schema, on_disk=on_disk, reporter=reporter)[0]
