"""`aivc splits`: whether a split gives away the answers it asks for."""

import argparse

from rich.console import RenderableType

from aivc.cli.console import DONE, REFUSED, Outcome, Reporter, table
from aivc.cli.evaluate import make_split
from aivc.cli.grammar import Commands, natural
from aivc.cli.sources import add_source, measured
from aivc.evaluation.leakage import check_split


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
            "aivc splits check screen.h5ad --schema screen.toml --split split.json --json",
        ),
    )
    add_source(made)
    made.add_argument("--split", metavar="SPLIT.json|KIND", required=True, help="as `aivc evaluate --split` takes it")
    made.add_argument("--seed", type=natural, default=0, help="draws the split, where a kind is given (default 0)")


def _check(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    measurement, name = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter)
    split = make_split(args.split, measurement, seed=args.seed)
    reporter("looking for leaks", 0, 0)
    found = check_split(measurement, split)
    count = len(found.leaks)
    verdict = f"{count} leak{'s' * (count > 1)} found." if count else "No leak found."
    rows = [[each.severity, each.where, each.kind, each.sentence] for each in found.findings]
    about = {"kind": split.kind, "folds": len(split.folds), "digest": split.digest}
    lead = f"{name}: {split.kind}, {len(split.folds)} folds"
    shown: list[RenderableType] = [lead, table(["", "where", "what", "found"], rows), verdict]
    return Outcome({"data": name, "split": about, **found.to_json()}, shown, REFUSED if count else DONE)
