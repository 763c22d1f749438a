"""`aivc evaluate`: any set of methods on what they have not seen, with scores, a report and every prediction."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, arrow, table
from aivc.cli.executor_options import add_executor, chosen_executor
from aivc.cli.grammar import Commands, listed, positive
from aivc.cli.recipe_options import add_recipe, recipe
from aivc.cli.sources import add_priors, add_source, measured, priors
from aivc.core.registry import names
from aivc.data.splits.split import Split
from aivc.data.splits.split_text import SPLITS
from aivc.evaluation.protocol.checkpoints import CHECKPOINTS
from aivc.evaluation.protocol.evaluate import evaluate, metrics_of, require_methods, with_usage
from aivc.evaluation.protocol.output import PREDICTIONS, REPORT, SCORES, SPLIT, Folder, require_free
from aivc.evaluation.scores.table import Evaluation
from aivc.reporting import evaluation_sections, spoken_split, write_report
from aivc.reporting.verdict import verdict


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "evaluate",
        _evaluate,
        "Score methods on perturbations, contexts or donors they have not seen. The baselines no-change and "
        "mean-effect, and the experiment repeated, are always scored beside them. Interrupted, it goes on after the "
        "last finished fold when the same is asked again.",
        examples=(
            "aivc evaluate papalexi2021 --split unseen-perturbation:5 --methods effect.v2,nearest --out scores/",
            "aivc evaluate screen.h5ad --schema screen.toml --split split.json --methods nearest --out s/ --json",
            "aivc evaluate papalexi2021 --methods nearest,nearest:shuffled --out s/  (with its negative control)",
            "aivc evaluate papalexi2021 --methods effect.v2 --executor processes --workers 2 --out s/",
        ),
    )
    add_source(made)
    made.add_argument("--split", metavar="SPLIT.json|KIND", default="unseen-perturbation:5", help=SPLITS)
    made.add_argument("--methods", type=listed, required=True, metavar="a,b", help="names from `aivc parts`")
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for scores, report, predictions")
    made.add_argument("--cells", type=positive, default=200, help="cells per predicted population (default 200)")
    made.add_argument("--keep-going", action="store_true", help="report a method that fails instead of stopping")
    made.add_argument(
        "--adversaries", action="store_true", help="also score answers without merit, and say which metrics they fool"
    )
    made.add_argument(
        "--profile",
        type=listed,
        metavar="a,b",
        help=f"metric profiles: {', '.join(names('profiles'))} (default: every registered metric)",
    )
    made.add_argument(
        "--usage",
        type=listed,
        default=["perturbation"],
        metavar="a,b",
        help="inputs to take from every method by shuffling, to see what it then loses: perturbation, priors, context, "
        "or none (default perturbation)",
    )
    made.add_argument("--no-predictions", action="store_true", help="write scores and report only")
    made.add_argument("--overwrite", action="store_true", help="replace an earlier evaluation in DIR")
    add_executor(made, "folds and methods")
    add_recipe(made)
    add_priors(made)


def _evaluate(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    require_methods(args.methods)
    metrics_of(args.profile)
    usage = [name for name in args.usage if name != "none"]
    with_usage(args.methods, usage, priors=True)
    made, by = recipe(args), chosen_executor(args)
    require_free(args.out, overwrite=args.overwrite)
    measurement, name = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter)
    reporter("split", 0, 0)
    split = Split.parse(args.split, measurement, seed=args.seed)
    for fold in range(len(split.folds)):
        split.roles(measurement, fold)
    bare = [method.split(":")[0] for method in args.methods]
    parts = priors(measurement, bare, args.priors, reporter)
    folder = Folder.claim(args.out, measurement, split, overwrite=args.overwrite)
    found = evaluate(
        measurement,
        split,
        args.methods,
        parts=parts,
        recipe=made,
        cells=args.cells,
        name=name,
        keep_going=args.keep_going,
        adversaries=args.adversaries,
        profile=args.profile,
        usage=usage,
        sink=None if args.no_predictions else folder.prediction,
        checkpoint=folder.path / CHECKPOINTS,
        by=by,
        progress=reporter,
    )
    folder.scores(found)
    _report(folder, found)
    folder.release()
    return _outcome(args, folder, found, reporter)


def _report(folder: Folder, found: Evaluation) -> None:
    body = found.to_json()
    lead = (
        f"{len(body['methods'])} methods on {body['data']['name']}, asked about what they had not seen "
        f"({spoken_split(str(body['split']['kind']))})."
    )
    title = f"How far can it be trusted? {body['data']['name']}"
    write_report(folder.path / REPORT, title=title, lead=lead, sections=evaluation_sections(body))


def _outcome(args: argparse.Namespace, folder: Folder, found: Evaluation, reporter: Reporter) -> Outcome:
    files = {"scores": folder.path / SCORES, "report": folder.path / REPORT, "split": folder.path / SPLIT}
    if not args.no_predictions:
        files["predictions"] = folder.path / PREDICTIONS
    body, metrics = found.to_json(), list(found.body["metrics"])
    values = {method: {name: by[name]["value"] for name in metrics} for method, by in found.scores.items()}
    directions = {metric.name: metric.direction for metric in metrics_of(args.profile)}
    shown: list[RenderableType] = [
        f"{body['data']['name']}: {body['split']['kind']}, {body['split']['folds']} folds; in brackets 95 % intervals",
        table(
            ["score", *found.scores],
            [
                [
                    f"{body['metrics'][name]['label']} {arrow(directions[name])}",
                    *(_with_interval(by[name]) for by in found.scores.values()),
                ]
                for name in metrics
            ],
        ),
        *(verdict({}, method, body) for method in args.methods if method in found.scores),
        *found.sureness,
        *(f"failed: {item['method']}: {item['error']}" for item in body["failures"]),
        *body.get("adversaries", {}).get("findings", []),
        f"Report: {files['report']}",
    ]
    keys = ("data", "split", "methods", "failures", "recipe", "profile_units", "adversaries", "notes")
    about = {key: body[key] for key in keys if key in body}
    about["sureness"] = list(found.sureness)
    return Outcome({**about, "scores": values, "files": files, "seconds": reporter.seconds}, shown)


def _with_interval(score: Mapping[str, Any]) -> object:
    """A score and its interval over perturbations; the score alone where it has none."""
    if score["value"] is None or score["low"] is None:
        return score["value"]
    return f"{score['value']:.3g} [{score['low']:.2g}, {score['high']:.2g}]"
