"""`aivc connect`: a virtual cell that another computer serves, as a folder like any other."""

import argparse
import os
from pathlib import Path

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands
from aivc.core.errors import IntegrityError

_TOKEN = "AIVC_TOKEN"


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "connect",
        _connect,
        "Connect to a virtual cell that another computer serves. What is written can be asked, scored and combined as "
        "any virtual cell; its parts stay there, and the states or cells that you ask about are sent there. "
        f"A token is taken from {_TOKEN}.",
        examples=("aivc connect https://host/api/v1/cells/interferon --out far/",),
    )
    made.add_argument("address", metavar="ADDRESS", help="https://host/api/v1/cells/CELL")
    made.add_argument("--out", type=Path, metavar="FOLDER", required=True, help="missing or empty")


def _connect(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise IntegrityError(f"{args.out} holds something already. Name a folder that is missing or empty.")
    from aivc.data.far_part import REMOTE, FarPart
    from aivc.experiments.far_cell import far_cell

    found = far_cell(args.address, token=os.environ.get(_TOKEN, ""))
    found.cell.save(args.out)
    for remark in found.remarks:
        reporter.note(remark)
    origin = FarPart(args.address).origin
    parts = {name: str(getattr(part, "far", {}).get("name", "")) for name, part in found.cell.parts.items()}
    body = {
        "cell": str(args.out),
        "asked_at": args.address,
        "parts": parts,
        "contexts": list(found.cell.starts),
        "remarks": list(found.remarks),
        "variable": {"name": REMOTE, "value": origin},
    }
    shown = table(("part", "there"), [[name, far] for name, far in parts.items()])
    said = f"To ask it, name the service: {REMOTE}={origin} (with =TOKEN behind it where it needs one)."
    return Outcome(body, [f"{args.out} asks {args.address}", shown, said])
