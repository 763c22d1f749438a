"""`aivc score`: a file of predicted cells against a file of measured ones, whoever predicted them."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, arrow, json_text, table
from aivc.cli.grammar import Commands, listed, natural
from aivc.cli.sources import checked, measured
from aivc.core.errors import UnavailableError
from aivc.core.state import write_text
from aivc.core.writing import require_absent
from aivc.data.io.schema import Schema
from aivc.data.io.written import write_table
from aivc.evaluation.metrics.metric import Metric
from aivc.evaluation.protocol.evaluate import metrics_of
from aivc.evaluation.protocol.forecast import Forecast, Predicted
from aivc.evaluation.protocol.prediction_file import with_intervals
from aivc.evaluation.scores.comparison import summarize
from aivc.evaluation.scores.score import score_populations

SCORES, ROWS = "scores.json", "perturbations.csv"


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "score",
        _score,
        "Score a file of predicted cells against a file of measured ones. Effects are measured against the measured "
        "controls on both sides; controls in the prediction are not looked at.",
        examples=(
            "aivc score predicted.h5ad measured.h5ad --schema screen.toml --profile vcc2026",
            "aivc score predicted.h5ad measured.h5ad --schema screen.toml --profile vcc2025 --out scores/ --json",
        ),
    )
    made.add_argument("predicted", type=Path, metavar="PREDICTED", help="cells that a method predicts")
    made.add_argument("measured", metavar="MEASURED", help="cells of the experiment, with their controls")
    made.add_argument("--schema", metavar="S.toml", default="", required=True, help="says what the columns mean")
    made.add_argument(
        "--predicted-schema", metavar="S.toml", default="", help="where the predicted file is labeled otherwise"
    )
    made.add_argument(
        "--profile", type=listed, default=["vcc2026"], metavar="a,b", help="what to score by (default vcc2026)"
    )
    made.add_argument(
        "--level", type=float, metavar="L", help="of the intervals that layers low and high hold (default 0.9)"
    )
    made.add_argument("--shared-only", action="store_true", help="score the perturbations that both files have")
    made.add_argument("--on-disk", action="store_true", help="leave values on disk (h5ad, zarr, 10x h5)")
    made.add_argument("--out", type=Path, metavar="DIR", help=f"folder for {SCORES} and {ROWS}")
    made.add_argument("--overwrite", action="store_true", help="replace earlier scores in DIR")
    made.add_argument("--seed", type=natural, default=0, help="of the bootstrap (default 0)")


def _score(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    metrics = metrics_of(args.profile)
    for name in (SCORES, ROWS) if args.out is not None else ():
        require_absent(args.out / name, overwrite=args.overwrite)
    predicted = _predicted(args, args.predicted_schema or args.schema, reporter)
    real, name = measured(args.measured, args.schema, on_disk=args.on_disk, reporter=reporter)
    reporter("scoring", 0, 0)
    found = score_populations(predicted, real, metrics, shared_only=args.shared_only, progress=reporter)
    summaries = summarize(found.assign(method="predicted"), metrics, args.seed)["predicted"]
    scores = {
        key: {at: each[at] for at in ("value", "low", "high", "n", "undefined")} for key, each in summaries.items()
    }
    body: dict[str, Any] = {
        "predicted": args.predicted.name,
        "measured": name,
        "profile": args.profile,
        "perturbations": len(found),
        "contexts": int(found["context"].nunique()),
        **({"interval_level": predicted.level} if isinstance(predicted, Forecast) else {}),
        "metrics": {metric.name: metric.to_json() for metric in metrics},
        "scores": scores,
    }
    files = {}
    if args.out is not None:
        files = {"scores": args.out / SCORES, "perturbations": args.out / ROWS}
        write_table(found, files["perturbations"], overwrite=args.overwrite)
        write_text(files["scores"], json_text(body) + "\n")
    return Outcome({**body, "files": files, "seconds": reporter.seconds}, _shown(body, metrics, files))


def _predicted(args: argparse.Namespace, schema: str, reporter: Reporter) -> Predicted:
    path = args.predicted
    if not path.exists():
        raise UnavailableError(f"There is no file {path}. Check the path of the predicted cells.")
    # A prediction may hold perturbed cells only.
    cells = checked(path, schema, on_disk=args.on_disk, reporter=reporter, controls=False)
    return with_intervals(cells, path, Schema.from_toml(schema), level=args.level)


def _shown(body: dict[str, Any], metrics: list[Metric], files: dict[str, Path]) -> list[RenderableType]:
    size = f"{body['perturbations']} perturbations in {body['contexts']} contexts"
    lead = f"{body['predicted']} against {body['measured']}: {size}"
    rows = [
        [
            metric.label,
            *(body["scores"][metric.name][key] for key in ("value", "low", "high", "n")),
            arrow(metric.direction),
        ]
        for metric in metrics
    ]
    notes = [
        f"{metric.label}: {body['scores'][metric.name]['undefined']} ({metric.undefined})"
        for metric in metrics
        if body["scores"][metric.name]["undefined"]
    ]
    columns = ["metric", "mean", "95 % from", "to", "n", "better"]
    return [lead, table(columns, rows), *notes, *(f"{what}: {path}" for what, path in files.items())]
