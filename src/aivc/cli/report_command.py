"""`aivc report` and `aivc plot`: one page about a virtual cell, and any of its figures alone."""

import argparse
from pathlib import Path

from aivc.cli.console import Outcome, Reporter
from aivc.cli.grammar import Commands, Parser, natural
from aivc.cli.sources import add_priors, add_schema, measured
from aivc.core.errors import SchemaError
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.propose import Plan
from aivc.experiments.screen import Screen
from aivc.reporting.drawing import ENDINGS, require_free_figure
from aivc.reporting.kinds import KINDS
from aivc.reporting.report import PAGE, Report, page_path, report
from aivc.reporting.tissue_report import KIND, TissueReport, is_of_tissue, tissue_report


def add(commands: Commands) -> None:
    """Declare the commands."""
    made = commands.add(
        "report",
        _report,
        "Write one page about a virtual cell. It says whether the model was shown to beat the mean effect, what it "
        "learned, and how far to trust it. With data it is scored on perturbations held out, and one is hidden and "
        "predicted.",
        examples=(
            "aivc report cell/ --out report.html",
            "aivc report cell/ --data screen.h5ad --schema screen.toml --out report/ --figures figures/",
            "aivc report cell/ --data papalexi2021 --scores scores/scores.json --plate plate.csv --out report.html",
        ),
    )
    _add_cell_and_data(made)
    made.add_argument(
        "--out", type=Path, default=Path(PAGE), metavar="HTML|DIR", help=f"page, or its folder (default {PAGE})"
    )
    made.add_argument("--figures", type=Path, metavar="DIR", help="also write every figure into this folder")
    made.add_argument("--ending", choices=ENDINGS, default=ENDINGS[0], help=f"of these figures (default {ENDINGS[0]})")
    made = commands.add(
        "plot",
        _plot,
        f"Draw one figure of the page alone, as svg or png. Kinds: {', '.join(KINDS)}.",
        examples=(
            "aivc plot effects cell/ --out effects.svg",
            'aivc plot volcano cell/ --ask "ko:JAK2" --out jak2.png',
            'aivc plot section tissue/ --data sections.h5ad --schema s.toml --ask "remove:T cell" --out map.svg',
            "aivc plot plate cell/ --plate plate.csv --out plate.svg",
            "aivc plot river cell/ --series series.h5ad --out river.svg",
        ),
    )
    made.add_argument("kind", choices=list(KINDS), metavar="KIND", help=f"one of {', '.join(KINDS)}")
    _add_cell_and_data(made)
    made.add_argument("--out", type=Path, required=True, metavar="FIG.svg|png", help="file to write")


def _add_cell_and_data(made: Parser) -> None:
    made.add_argument("cell", type=Path, metavar="CELL", help="folder that `aivc fit` wrote")
    made.add_argument("--data", metavar="FILE|DATASET", default="", help="the experiment: a file, or a catalog name")
    add_schema(made)
    made.add_argument("--context", default="", help="cell type or line that is shown (default: the one with most data)")
    made.add_argument("--ask", default="", metavar="PERTURBATION", help="look at this one gene by gene")
    made.add_argument("--response", default="", help='rank by these features, such as "STAT1, -MYC"')
    made.add_argument("--screen", type=Path, metavar="CSV", help="draw this screen, from `aivc screen`, as the ranking")
    made.add_argument("--plate", type=Path, metavar="CSV", help="draw this plate, from `aivc propose`")
    made.add_argument("--series", type=Path, metavar="H5AD", help="draw this series, from `aivc simulate`")
    made.add_argument("--scores", type=Path, metavar="JSON", help="scores.json of `aivc evaluate`, instead of scoring")
    made.add_argument("--no-scores", action="store_true", help="do not score on the data: quicker, but no verdict")
    made.add_argument("--overwrite", action="store_true", help="replace files that are there")
    made.add_argument("--seed", type=natural, default=0, help="of all that draws (default 0)")
    add_priors(made)


def _report(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    page_path(args.out, overwrite=args.overwrite)
    made = _made(args, reporter)
    path = made.save(args.out, overwrite=args.overwrite)
    drawn: list[Path] = []
    if isinstance(made, TissueReport):
        if args.figures is not None:
            drawn = [made.figures()[0].save(args.figures / f"{KIND}{args.ending}", overwrite=args.overwrite)]
        body = {"report": path, "verdict": made.verdict, "figures": drawn}
        if args.ask:
            body["by_type"] = made.by_type.to_dict("records")
        shown = [made.verdict, *(f"Written: {each}" for each in (path, *drawn))]
        return Outcome({**body, "seconds": reporter.seconds}, shown)
    if args.figures is not None:
        drawn = made.save_figures(args.figures, ending=args.ending, overwrite=args.overwrite)
    body = {"report": path, "verdict": made.verdict, "figures": drawn, "missing": dict(made.missing)}
    shown = [made.verdict, *(f"Not shown: {KINDS[kind]}. {why}" for kind, why in made.missing.items())]
    shown += [f"Written: {each}" for each in (path, *drawn)]
    return Outcome({**body, "seconds": reporter.seconds}, shown)


def _plot(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    require_free_figure(args.out, overwrite=args.overwrite)
    figure = _made(args, reporter).figures(args.kind)[0]
    path = figure.save(args.out, overwrite=args.overwrite)
    body = {"kind": args.kind, "figure": path, "caption": figure.caption, "seconds": reporter.seconds}
    return Outcome(body, [figure.caption, f"Written: {path}"])


def _made(args: argparse.Namespace, reporter: Reporter) -> Report | TissueReport:
    if args.schema and not args.data:
        raise SchemaError("--schema describes a file of cells. Name it with --data, or leave both out.")
    reporter("loading the cell", 0, 0)
    cell = VirtualCell.load(args.cell)
    of_tissue = is_of_tissue(cell)
    data, name = None, ""
    if args.data:
        data, name = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter, controls=not of_tissue)
    if of_tissue:
        return tissue_report(cell, data, ask=args.ask, seed=args.seed)
    return report(
        cell,
        data,
        name=name,
        context=args.context,
        ask=args.ask,
        response=args.response,
        screen=None if args.screen is None else Screen.load(args.screen),
        plan=None if args.plate is None else Plan.load(args.plate),
        series=args.series,
        scores=args.scores,
        score=not args.no_scores,
        parts=UR.load(Path(args.priors)) if args.priors else "auto",
        seed=args.seed,
        progress=reporter,
    )
