"""`aivc explain`: which evidence a prediction is made from, which genes, which pathways."""

import argparse

from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.fit_command import add_cell
from aivc.cli.grammar import Commands, positive
from aivc.core.virtual_cell import VirtualCell
from aivc.data.priors.gene_sets import COLLECTIONS, gene_sets
from aivc.interpretation.explain import explain

_SHOWN = 10


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "explain",
        _explain,
        "Say what a prediction is made of: perturbations, knowledge, genes and pathways. The pieces add up to it.",
        examples=(
            'aivc explain cell/ "ko:JAK2"',
            'aivc explain cell/ "ko:JAK2" --sets hallmark --top 50 --json',
        ),
    )
    add_cell(made)
    made.add_argument("perturbation", metavar="PERTURBATION", help="such as ko:JAK2, or drug:nutlin-3@10uM for 48h")
    made.add_argument("--top", type=positive, default=20, help="features listed and looked for in sets (default 20)")
    made.add_argument(
        "--sets", default="", metavar="NAME|FILE.gmt", help=f"gene sets: {', '.join(COLLECTIONS)}, or a GMT file"
    )


def _explain(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    sets = gene_sets(args.sets) if args.sets else None
    reporter("loading the cell", 0, 0)
    cell = VirtualCell.load(args.cell)
    reporter(f"taking {args.perturbation} apart", 0, 0)
    said = explain(
        cell,
        args.perturbation,
        args.context,
        top=args.top,
        sets=sets,
        new_context=args.new_context,
        allow_unknown=args.allow_unknown,
    )
    body = {
        "perturbation": said.perturbation,
        "context": said.context,
        "units": said.units,
        "sureness": said.sureness,
        "pieces": said.pieces.to_dict("records"),
        "sources": said.sources.to_dict("records"),
        "genes": said.genes.to_dict("records"),
        "pathways": None if said.pathways is None else said.pathways.to_dict("records"),
        "seconds": reporter.seconds,
    }
    shown: list[RenderableType] = [
        f"{said.perturbation} in {said.context}: what the predicted effect is made of",
        said.sureness,
    ]
    for title, frame in (
        ("by kind of evidence", said.sources),
        ("piece by piece", said.pieces),
        (f"largest effects, in {said.units}", said.genes),
        ("gene sets", said.pathways),
    ):
        if frame is not None and len(frame):
            rows = frame.head(args.top if title.startswith("largest") else _SHOWN)
            shown += [title, table([str(name) for name in rows], rows.to_numpy().tolist())]
    return Outcome(body, shown)
