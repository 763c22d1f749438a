"""`aivc demo`, `aivc parts` and `aivc --version`: what there is, and the whole way round in one command."""

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, natural
from aivc.core.registry import GROUPS, Registry


class Version(argparse.Action):
    """Prints the version; looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print and leave."""
        print(f"aivc {version('aivc')}")
        parser.exit()


def add(commands: Commands) -> None:
    """Declare the commands."""
    made = commands.add(
        "demo",
        _demo,
        "Fit, ask and score a virtual cell on a real screen. Ends with a report to open in a browser.",
        examples=("aivc demo", "aivc demo --out demo/ --json"),
    )
    made.add_argument("--data", default="", metavar="DATASET", help="name from `aivc data list`")
    made.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="where the report goes")
    made.add_argument("--seed", type=natural, default=0, help="of all that draws (default 0)")
    commands.add(
        "parts",
        _parts,
        "List all that is registered, from encoders to benchmarks, and who brought each.",
        examples=("aivc parts", "aivc parts --json"),
    )


def _demo(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    from aivc.demo import run

    found = run(data=args.data, out=args.out, seed=args.seed, progress=reporter)
    facts = [f"{key}: {found[key]}" for key in ("data", "source", "cells", "seconds", "peak_mb", "coverage90")]
    metrics = list(next(iter(found["scores"].values())))
    rows = [[method, *(by[name] for name in metrics)] for method, by in found["scores"].items()]
    shown: list[RenderableType] = ["\n".join(facts), table(["method", *metrics], rows), f"Report: {found['report']}"]
    return Outcome(found, shown)


def _parts(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    found = {group: {name: Registry(group).origin(name) for name in Registry(group).names()} for group in GROUPS}
    rows = [[group, name, origin] for group, parts in found.items() for name, origin in parts.items()]
    return Outcome(found, [table(["group", "name", "from"], rows)])
