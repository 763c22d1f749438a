"""`aivc screen` and `propose`: virtual screens, and the plate that tests them."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, UsageError, table
from aivc.cli.fit_command import add_cell, nothing_measured
from aivc.cli.grammar import Commands, Parser, listed, natural, positive
from aivc.cli.scale_options import add_scale, screen_at_scale, shown_rows
from aivc.core.errors import DataError, IntegrityError, UnavailableError
from aivc.core.foreign_text import read_text
from aivc.core.perturbation import Agent, kind_of
from aivc.core.virtual_cell import VirtualCell
from aivc.core.writing import require_absent
from aivc.data.io.written import write_table
from aivc.data.priors.gene_sets import COLLECTIONS, gene_sets
from aivc.experiments.known_names import KnownNames
from aivc.experiments.library import Library
from aivc.experiments.propose import propose
from aivc.experiments.response import Response
from aivc.experiments.scores.ranked_library import rank_library
from aivc.experiments.scores.score_text import parse_score
from aivc.experiments.screen import Screen, rows_to_json, screen

ALL = "all"
_TABLES = (".csv", ".parquet")
_HELP = "See: aivc screen --help"


def add(commands: Commands) -> None:
    """Declare the commands."""
    made = commands.add(
        "screen",
        _screen,
        "Ask a virtual cell about many perturbations and rank them by what they do to a response. Interrupted, it goes "
        "on where it stopped when the same is asked again.",
        examples=(
            'aivc screen cell/ --response "CD274" --lower --out screen.csv',
            'aivc screen cell/ --response "STAT1, IRF1, -MYC" --raise --perturbations genes.txt --out screen.csv',
            'aivc screen cell/ --response "CD274" --executor processes --workers 2 --out results/ --resume',
            'aivc screen cell/ --library pairs.json --score "gene:IRF1 - gene:MYC" --raise --top 50 --out best.csv',
            'aivc screen cell/ --score "gene:IRF1" --context K562,RPE1 --executor processes --workers 2 --out results/',
        ),
    )
    add_cell(made)
    read = made.add_mutually_exclusive_group()
    read.add_argument("--response", help='features to read out, such as "CD274" or "STAT1, 2*IRF1, -MYC"')
    read.add_argument("--score", help='with --library or --executor: what to rank by, such as "gene:IRF1 - gene:MYC"')
    made.add_argument("--library", type=Path, metavar="FILE.json", help="candidates, as Library.save wrote them")
    which = made.add_mutually_exclusive_group()
    which.add_argument(
        "--lower", dest="direction", action="store_const", const="lower", help="look for what lowers it (the default)"
    )
    which.add_argument("--raise", dest="direction", action="store_const", const="raise", help="look for what raises it")
    made.set_defaults(direction="lower")
    add_candidates(made, "--perturbations")
    add_table(made, "screen.csv", required=True)
    add_scale(made)
    made = commands.add(
        "propose",
        _propose,
        "Turn a virtual screen into the next plate: part to confirm, part to learn.",
        examples=(
            "aivc propose screen.csv --size 96 --out plan.csv",
            "aivc propose screen.csv --cell cell/ --families reactome --guides 2 --no-edge --size 384 --out plan.csv",
        ),
    )
    made.add_argument("screen", type=Path, metavar="SCREEN.csv", help="table that `aivc screen` wrote")
    made.add_argument("--size", type=positive, default=96, help="wells of the plate (default 96)")
    made.add_argument("--controls", type=natural, default=8, help="control wells (default 8)")
    made.add_argument(
        "--positive",
        type=listed,
        default=[],
        metavar="a,b",
        help="positive controls, as ko:JAK2, spread over it",
    )
    made.add_argument("--explore", type=float, default=0.5, help="share of wells to learn from, 0 to 1 (default 0.5)")
    made.add_argument("--replicates", type=positive, default=1, help="wells per perturbation and guide (default 1)")
    made.add_argument("--guides", type=positive, default=1, help="guides per perturbation (default 1)")
    made.add_argument("--no-edge", action="store_true", help="leave the outer rows and columns empty")
    made.add_argument(
        "--cell", type=Path, metavar="CELL", help="the cell that was screened: explore what teaches most about others"
    )
    made.add_argument(
        "--families",
        default="",
        metavar="NAME|FILE.gmt",
        help=f"gene sets, of which no small one fills the plate: {', '.join(COLLECTIONS)}, or a GMT file",
    )
    made.add_argument("--per-family", type=positive, default=3, help="exploited targets of one small set (default 3)")
    made.add_argument("--unexpressed", action="store_true", help="offer also to lower what is not expressed")
    made.add_argument("--repeat-seen", action="store_true", help="offer also what was in training")
    made.add_argument("--seed", type=natural, default=0, help="of the layout (default 0)")
    add_table(made, "plan.csv", required=True)


def add_candidates(parser: Parser, option: str) -> None:
    """Declare what is asked about (`candidates`)."""
    parser.add_argument(
        option,
        dest="candidates",
        metavar="FILE|all",
        default=ALL,
        help="one perturbation or name a line; all means what the cell has measured or knows of (default all)",
    )
    parser.add_argument(
        "--kind", default="", help="kind of plain names, such as ko, crispri or drug (default: what the cell measured)"
    )


def add_table(parser: Parser, example: str, *, required: bool) -> None:
    """Declare the table that is written, and how much of it is shown."""
    parser.add_argument("--out", type=Path, required=required, metavar=example, help="table to write, .csv or .parquet")
    parser.add_argument("--overwrite", action="store_true", help="replace the table where it exists")
    parser.add_argument("--top", type=positive, default=20, help="rows shown (default 20)")


def candidates(source: str, kind: str, cell: VirtualCell) -> list[str]:
    """Texts of the perturbations to ask about, none twice.

    Args:
        source: A file of one perturbation or plain name a line, or ``all``.
        kind: Of plain names; empty for the kind that was measured most often.
        cell: Whom to ask: ``all`` is what it has measured, or knows something of.

    Raises:
        DataError: The cell knows nothing of that kind.
        UnavailableError: There is no such file.
    """
    known = KnownNames.of(cell)
    kind = kind or known.usual_kind
    kind_of(kind)
    if source == ALL:
        return known.candidates(kind)
    try:
        lines = read_text(Path(source)).splitlines()
    except IntegrityError as error:
        raise UnavailableError(
            f"{source} cannot be read ({error}). Give a text file of one perturbation or gene a line, or all."
        ) from error
    names = [line.strip() for line in lines if line.strip()]
    return list(dict.fromkeys(name if ":" in name else str(Agent(kind, name)) for name in names))


def _screen(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    if args.executor:
        if args.library is not None and args.candidates != ALL:
            raise UsageError("--executor goes with --library or --perturbations, not with both.", _HELP)
        cell = VirtualCell.load(args.cell)
        contexts = contexts_named(args.context, cell)
        if args.library is not None:
            library = Library.load(args.library).known_to(cell, allow_unknown=args.allow_unknown)
            return screen_at_scale(args, library, contexts, reporter)
        return screen_at_scale(args, candidates(args.candidates, args.kind, cell), contexts, reporter)
    if args.resume or args.output != "score":
        raise UsageError("--resume and --output go with --executor: name one, such as processes.", _HELP)
    require_table(args.out, overwrite=args.overwrite)
    if args.score is not None or args.library is not None:
        return _screen_library(args, reporter)
    if not args.response:
        raise UsageError("one of --response, or --library with --score, is required", _HELP)
    response = Response.parse(args.response)
    reporter("loading the cell", 0, 0)
    cell = VirtualCell.load(args.cell)
    if contexts_named(args.context, cell):
        raise UsageError("Several contexts go with --executor, or with --library and --score.", _HELP)
    asked = candidates(args.candidates, args.kind, cell)
    start = cell.start(args.context, new_context=args.new_context)
    direction: Literal["lower", "raise"] = args.direction
    journal = args.out.with_name(args.out.name + ".unfinished")
    found = screen(
        cell,
        asked,
        response,
        start=start,
        direction=direction,
        checkpoint=journal,
        allow_unknown=args.allow_unknown,
        progress=reporter,
    )
    found.save(args.out, overwrite=args.overwrite)
    journal.unlink(missing_ok=True)
    said = found.note or f"{len(found)} perturbations, best to {direction} {response.name} first, in {found.units}:"
    return ranked(placed(found.to_json(), cell), found.table, ["score", "low", "high"], said, args, reporter)


def _screen_library(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    """The best of a library by a score; only these are written."""
    if args.score is None or args.library is None or args.candidates != ALL:
        raise DataError(
            [
                "A library is ranked by a score, and holds its own candidates. Give --library and --score together; "
                "or --executor, which takes --perturbations too."
            ]
        )
    score, library = parse_score(args.score), Library.load(args.library)
    reporter("loading the cell", 0, 0)
    cell = VirtualCell.load(args.cell)
    contexts = contexts_named(args.context, cell)
    found = rank_library(
        cell,
        library.across(contexts) if contexts else library,
        score,
        context="" if contexts else args.context,
        new_context=args.new_context,
        direction=args.direction,
        top=args.top,
        allow_unknown=args.allow_unknown,
        progress=reporter,
    )
    said = {"score_text": found.score, "direction": found.direction, "units": found.units}
    write_table(found.table.assign(**said), args.out, overwrite=args.overwrite)
    body = {
        **said,
        "context": found.context,
        "asked": found.asked,
        "left_out": dict(found.left_out),
        "rows": rows_to_json(found.table),
    }
    body |= {"files": {"table": args.out}, "seconds": reporter.seconds}
    return Outcome(body, [found.note, *shown_rows(found.table), f"Written: {args.out}"])


def contexts_named(text: str, cell: VirtualCell) -> list[str]:
    """Names of several contexts, with commas between them; none where the text is the name of one."""
    return [] if text in cell.starts or "," not in text else listed(text)


def _propose(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    require_table(args.out, overwrite=args.overwrite)
    found, sets = Screen.load(args.screen), gene_sets(args.families) if args.families else None
    reporter("choosing wells", 0, 0)
    plan = propose(
        found,
        args.size,
        controls=args.controls,
        positive=args.positive,
        explore=args.explore,
        replicates=args.replicates,
        seed=args.seed,
        repeat_seen=args.repeat_seen,
        guides=args.guides,
        edge=not args.no_edge,
        unexpressed=args.unexpressed,
        cell=None if args.cell is None else VirtualCell.load(args.cell),
        families=sets,
        per_family=args.per_family,
    )
    plan.save(args.out, overwrite=args.overwrite)
    columns = ["well", "perturbation", "role", "reason"]
    rows = plan.table[columns].head(args.top).to_numpy(dtype=object).tolist()
    body = {**plan.to_json(), "remarks": list(plan.remarks), "files": {"plan": args.out}, "seconds": reporter.seconds}
    return Outcome(body, [plan.note, table(columns, rows), plan.sureness, *plan.remarks, f"Written: {args.out}"])


def placed(body: Mapping[str, Any], cell: VirtualCell) -> dict[str, Any]:
    """Add whether anything was measured in the context asked about."""
    return {**body, "new_context": body["context"] not in cell.contexts, "contexts": len(cell.contexts)}


def ranked(
    body: Mapping[str, Any],
    found: pd.DataFrame,
    numbers: list[str],
    said: str,
    args: argparse.Namespace,
    reporter: Reporter,
    more: Sequence[str] = (),
) -> Outcome:
    """Print the first rows of a ranking.

    Args:
        body: What is answered as JSON.
        found: The whole table.
        numbers: Its columns of numbers to show.
        said: Stands above the rows.
        args: What was asked for.
        reporter: Keeps the time.
        more: Sentences below the rows.
    """
    shown_too = [name for name in ("dominated", "expressed", "annotation", "brake") if name in found]
    columns = ["perturbation", *numbers, "seen", "applicability", *shown_too]
    rows = found[columns].head(args.top).to_numpy(dtype=object).tolist()
    files = {"table": args.out} if args.out is not None else {}
    new = [nothing_measured(body["context"], body["contexts"])] if body["new_context"] else []
    shown: list[RenderableType] = [
        said,
        table(columns, rows),
        body["sureness"],
        *more,
        *new,
        *(f"Written: {path}" for path in files.values()),
    ]
    return Outcome({**body, "files": files, "seconds": reporter.seconds}, shown)


def require_table(path: Path, *, overwrite: bool) -> None:
    """Refuse, before work starts, a table that could not be written.

    Raises:
        DataError: Its name has another ending.
        IntegrityError: It is there, and is not to be replaced.
    """
    if path.suffix not in _TABLES:
        raise DataError(
            [f"Tables are written as {' or '.join(_TABLES)}, got {path.name}. Choose one of these endings."]
        )
    require_absent(path, overwrite=overwrite)
