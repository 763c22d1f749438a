"""`aivc evaluate`: any set of methods on what they have not seen, with scores, a report and every prediction."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, Parser, listed, natural, positive
from aivc.cli.sources import add_priors, add_source, measured, priors
from aivc.core.errors import SplitError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS, ENCODERS, names
from aivc.data.splits import folds
from aivc.data.splits.split import Split
from aivc.evaluation.protocol.evaluate import evaluate, metrics_of, require_methods, with_usage
from aivc.evaluation.protocol.output import PREDICTIONS, REPORT, SCORES, SPLIT, Folder, require_free
from aivc.evaluation.scores.table import Evaluation
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.report import evaluation_sections, spoken_split, write_report

_SIMPLE: dict[str, Callable[..., Split]] = {
    "unseen-perturbation": folds.unseen_perturbation,
    "unseen-context": folds.unseen_context,
    "unseen-donor": folds.unseen_donor,
    "unseen-batch": folds.unseen_donor,
    "unseen-both": folds.unseen_both,
    "unseen-pair": folds.unseen_pair,
}
_KINDS = (
    *_SIMPLE,
    "few-shot-context",
    "unseen-combination",
    "hidden-combination",
    "extrapolate-dose",
    "extrapolate-hours",
)
_SPLIT_HELP = (
    "a manifest (Split.save, or a plain list of folds), or a kind: unseen-perturbation:FOLDS, unseen-context[:FOLDS], "
    "few-shot-context:GIVEN[:FOLDS], unseen-donor[:FOLDS], unseen-batch[:FOLDS], unseen-both:FOLDS, unseen-pair:FOLDS, "
    "unseen-combination:SEEN:FOLDS, hidden-combination:SHARE[:MOST], extrapolate-dose:ABOVE, extrapolate-hours:ABOVE"
)


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "evaluate",
        _evaluate,
        "Score methods on perturbations, contexts or donors they have not seen. The baselines no-change and "
        "mean-effect, and the experiment repeated, are always scored beside them.",
        examples=(
            "aivc evaluate papalexi2021 --split unseen-perturbation:5 --methods effect.v2,nearest --out scores/",
            "aivc evaluate screen.h5ad --schema screen.toml --split split.json --methods nearest --out s/ --json",
            "aivc evaluate papalexi2021 --methods nearest,nearest:shuffled --out s/  (with its negative control)",
        ),
    )
    add_source(made)
    made.add_argument("--split", metavar="SPLIT.json|KIND", default="unseen-perturbation:5", help=_SPLIT_HELP)
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
    add_recipe(made)
    add_priors(made)


def add_recipe(parser: Parser) -> None:
    """Declare what a virtual cell is made of."""
    usual = Recipe()
    parser.add_argument("--encoder", default=usual.encoder, help=f"registered encoder (default {usual.encoder})")
    parser.add_argument("--decoder", default=usual.decoder, help=f"registered decoder (default {usual.decoder})")
    parser.add_argument("--dim", type=positive, default=usual.dim, help=f"axes of the state (default {usual.dim})")
    parser.add_argument(
        "--members",
        type=natural,
        default=usual.members,
        help=f"ensemble members; 0 for a single fit, without intervals (default {usual.members})",
    )
    parser.add_argument("--seed", type=natural, default=usual.seed, help=f"of all that draws (default {usual.seed})")


def recipe(args: argparse.Namespace) -> Recipe:
    """Gather what a virtual cell is made of, and refuse unknown parts before any work.

    Raises:
        UnknownNameError: A part is not registered.
    """
    ENCODERS.load(args.encoder)
    DECODERS.load(args.decoder)
    return Recipe(args.encoder, args.decoder, args.dim, args.members, seed=args.seed)


def make_split(text: str, measurement: Measurement, *, seed: int) -> Split:
    """Read a manifest, or make the split that a text such as ``unseen-perturbation:5`` names.

    Raises:
        SplitError: The data do not allow it, or the numbers behind the kind are wrong.
        UnknownNameError: No such kind of split, and no such file.
    """
    if Path(text).is_file():
        return Split.load(Path(text), measurement)
    kind, *numbers = text.split(":")
    if kind not in _KINDS:
        raise UnknownNameError("split", kind, _KINDS, "Name one of these, or a manifest that exists.")
    try:
        return _of_kind(kind, [float(number) for number in numbers], measurement, seed)
    except (ValueError, TypeError) as error:
        if isinstance(error, SplitError):
            raise
        raise SplitError(f"{text!r} is no split. What can be given: {_SPLIT_HELP}.") from error


def _of_kind(kind: str, numbers: list[float], measurement: Measurement, seed: int) -> Split:
    if kind.startswith("extrapolate-"):
        (above,) = numbers
        return folds.extrapolate(measurement, along=kind.removeprefix("extrapolate-"), above=above)
    if kind == "hidden-combination":
        share, *most = numbers
        return folds.hidden_combination(measurement, share=share, most=int(*most) if most else None, seed=seed)
    if any(number != int(number) or number < 0 for number in numbers):
        raise ValueError("folds are whole numbers")
    whole = [int(number) for number in numbers]
    if kind == "unseen-combination":
        seen, count = whole
        return folds.unseen_combination(measurement, seen=seen, folds=count, seed=seed)
    if kind == "few-shot-context":
        few, *parts = whole
        return folds.few_shot_context(measurement, given=few, folds=int(*parts) if parts else None, seed=seed)
    given: dict[str, Any] = {"column": "batch"} if kind == "unseen-batch" else {}
    if whole:
        (given["folds"],) = whole
    return _SIMPLE[kind](measurement, seed=seed, **given)


def _evaluate(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    require_methods(args.methods)
    metrics_of(args.profile)
    usage = [name for name in args.usage if name != "none"]
    with_usage(args.methods, usage, priors=True)
    made = recipe(args)
    require_free(args.out, overwrite=args.overwrite)
    measurement, name = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter)
    reporter("split", 0, 0)
    split = make_split(args.split, measurement, seed=args.seed)
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
        progress=reporter,
    )
    folder.scores(found)
    _report(folder, found)
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
    shown: list[RenderableType] = [
        f"{body['data']['name']}: {body['split']['kind']}, {body['split']['folds']} folds",
        table(
            ["method", *(body["metrics"][name]["label"] for name in metrics)],
            [[method, *(by[name] for name in metrics)] for method, by in values.items()],
        ),
        *(f"failed: {item['method']}: {item['error']}" for item in body["failures"]),
        *body.get("adversaries", {}).get("findings", []),
        f"Report: {files['report']}",
    ]
    keys = ("data", "split", "methods", "failures", "recipe", "profile_units", "adversaries")
    about = {key: body[key] for key in keys if key in body}
    return Outcome({**about, "scores": values, "files": files, "seconds": reporter.seconds}, shown)
