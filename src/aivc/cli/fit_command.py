"""`aivc fit` and `aivc predict`: learn a virtual cell from a screen, and ask it what a perturbation would do."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, natural, positive
from aivc.cli.recipe_options import add_recipe, recipe
from aivc.cli.sources import add_priors, add_schema, add_source, made_from, measured, priors
from aivc.core.errors import ControlError, SchemaError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import GUARANTEED, Prediction
from aivc.core.registry import MANIPULATORS
from aivc.core.saved_cell import owns
from aivc.core.ur import UR
from aivc.core.views import NOT_FOR_TESTING, require_h5ad, to_anndata
from aivc.core.virtual_cell import VirtualCell
from aivc.core.worth import Worth
from aivc.core.writing import require_absent, require_own
from aivc.data.io.written import write_h5ad
from aivc.experiments.batch import was_seen
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.gallery import gallery
from aivc.experiments.known_names import KnownNames
from aivc.experiments.predict import predict
from aivc.reporting.drawing import require_free_figure
from aivc.reporting.gallery_figure import gallery_figure

_TISSUE_MEANS = (
    "Effects are means over all cells after, less means over all before: who was taken out or put in counts in them. "
    "They say what such surroundings look like, which is an effect only as far as neighbors are the cause."
)


def add(commands: Commands) -> None:
    """Declare the commands."""
    made = commands.add(
        "fit",
        _fit,
        "Learn a virtual cell from a perturbation screen and save it.",
        examples=(
            "aivc fit papalexi2021 --out cell/",
            "aivc fit screen.h5ad --schema screen.toml --manipulator mean-effect --out cell/",
            "aivc fit papalexi2021 --split split.json --fold 0 --out cell-0/",
            "aivc fit crops.npz --schema images.toml --on-disk --out cell/",
            "aivc fit days.h5ad --schema days.toml --manipulator development.v1 --onto cell/ --out both/",
        ),
    )
    add_source(made)
    made.add_argument("--manipulator", default="effect.v2", help="name from `aivc parts` (default effect.v2)")
    made.add_argument("--out", type=Path, required=True, metavar="CELL_DIR", help="folder for the virtual cell")
    made.add_argument("--overwrite", action="store_true", help="replace a virtual cell in CELL_DIR")
    made.add_argument(
        "--split",
        metavar="SPLIT.json|KIND",
        default="",
        help="fit for one fold of a split, as `aivc evaluate` takes it",
    )
    made.add_argument("--fold", type=natural, default=0, help="which fold, from 0 (default 0)")
    made.add_argument(
        "--abstain", action="store_true", help="answer with the mean effect where perturbations left out did not gain"
    )
    made.add_argument(
        "--onto", type=Path, metavar="CELL", help="add a manipulator of time to this virtual cell, and keep its parts"
    )
    made.add_argument(
        "--counts",
        default="",
        metavar="0=1000,24=1300",
        help="cells in the culture by hours, for a manipulator of time: mass follows them",
    )
    add_recipe(made)
    add_priors(made)
    made = commands.add(
        "predict",
        _predict,
        "Ask a virtual cell what a perturbation would do, or several of them one by one.",
        examples=(
            'aivc predict cell/ "ko:JAK2"',
            'aivc predict cell/ "ko:JAK2 + ko:STAT1" --top 50 --out predicted.h5ad',
            "aivc predict cell/ ko:JAK2 ko:STAT1 --out predicted.h5ad",
            'aivc predict cell/ "drug:taxol@1uM" --image taxol.png',
            'aivc predict cell/ "crispri:TP53" --control my-controls.h5ad --schema my.toml',
            'aivc predict cell/ "drug:imatinib" --context "a line never treated"',
            'aivc predict tissue/ "remove:T cell" --control sections.h5ad --schema sections.toml',
            'aivc predict tissue/ "ko:STAT1 where cell_type=tumour" --control sections.h5ad --schema sections.toml',
        ),
    )
    add_cell(made)
    made.add_argument(
        "perturbations",
        nargs="+",
        metavar="PERTURBATION",
        help="such as ko:JAK2, or drug:nutlin-3@10uM for 48h; of tissue also remove:TYPE, add, swap, "
        "move, and ko:GENE where COLUMN=VALUE",
    )
    made.add_argument("--control", metavar="FILE", default="", help="start from your own control cells")
    add_schema(made)
    made.add_argument(
        "--cells", type=positive, default=200, help="virtual cells of each perturbation to write (default 200)"
    )
    made.add_argument("--out", type=Path, metavar="FILE.h5ad", help="write effects, intervals and virtual cells")
    made.add_argument(
        "--image",
        type=Path,
        metavar="FIG.png|svg",
        help="draw control cells, the same predicted, and measured ones; of a cell that was fitted on crops",
    )
    made.add_argument("--overwrite", action="store_true", help="replace files that are there")
    made.add_argument("--top", type=positive, default=20, help="features shown, largest effect first (default 20)")
    made.add_argument("--seed", type=natural, default=0, help="draws the virtual cells (default 0)")


def add_cell(parser: Any) -> None:
    """Declare which virtual cell is asked, and in which context."""
    parser.add_argument("cell", type=Path, metavar="CELL", help="folder that `aivc fit` wrote")
    parser.add_argument(
        "--context",
        default="",
        help="cell type or line to start from; any, where the cell was fitted on a table of effects",
    )
    parser.add_argument("--new-context", action="store_true", help="the context is new, though it reads like another")
    parser.add_argument(
        "--allow-unknown", action="store_true", help="answer also where nothing is known of a name, or without a dose"
    )


def _fit(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    # What reads files is slow to import, and `predict` needs none of it.
    from aivc.data.splits.split import Split
    from aivc.experiments.fitting.fit import fit
    from aivc.experiments.fitting.fit_images import image_table

    MANIPULATORS.load(args.manipulator)
    made = recipe(args)
    if MANIPULATORS.load(args.manipulator).needs_times:
        return _fit_time(args, made, reporter)
    if args.onto is not None or args.counts:
        raise SchemaError(f"--onto and --counts are for manipulators of time, and {args.manipulator} is none.")
    require_own(args.out, "virtual cell", owns, overwrite=args.overwrite)
    measurement, name = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter)
    parts = priors(measurement, [args.manipulator], args.priors, reporter)
    reporter(f"fitting {args.manipulator}", 0, 0)
    split = Split.parse(args.split, image_table(measurement), seed=args.seed) if args.split else None
    cell = fit(
        measurement,
        args.manipulator,
        parts=parts,
        recipe=made,
        split=split,
        fold=args.fold,
        made_from=made_from(args.priors),
        abstain=args.abstain,
        progress=reporter,
    )
    cell.save(args.out, overwrite=args.overwrite)
    body = {
        "cell": args.out,
        "data": name,
        "manipulator": args.manipulator,
        "encoders": [encoder.name for encoder in cell.encoders.values()],
        "instruments": sorted(cell.instruments),
        "contexts": sorted(cell.starts),
        "cells": cell.card["cells"],
        "perturbations": len(cell.card["perturbations"]),
        "units": cell.card["units"],
        "recipe": vars(made),
        **{
            name: cell.card[name]
            for name in ("left_out", "abstains", "left_out_abstaining", "notes")
            if name in cell.card
        },
        **({"split": split.digest, "fold": args.fold} if split else {}),
        **({"images": cell.card["images"]} if "images" in cell.card else {}),
        "seconds": reporter.seconds,
    }
    said = (
        f"A virtual cell that learned {body['perturbations']} perturbations from {body['cells']:,} cells of {name} "
        f"lies in {args.out}."
    )
    drawn = [*cell.card["images"]["notes"]] if "images" in cell.card else []
    image = " --image cells.png" if drawn else ""
    return Outcome(body, [said, *drawn, f'Ask it: aivc predict {args.out} "{cell.card["perturbations"][0]}"{image}'])


def _fit_time(args: argparse.Namespace, made: Recipe, reporter: Reporter) -> Outcome:
    """Fit what cells become, alone or on top of a virtual cell."""
    from aivc.experiments.fitting.fit_time import fit_time

    if args.split or args.abstain or args.priors:
        raise SchemaError("--split, --abstain and --priors are of perturbations: leave them out for one of time.")
    require_own(args.out, "virtual cell", owns, overwrite=args.overwrite)
    settings = {"counts": _counts(args.counts)} if args.counts else {}
    below = None if args.onto is None else VirtualCell.load(args.onto)
    measurement, name = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter)
    cell = fit_time(measurement, args.manipulator, below, recipe=made, settings=settings, progress=reporter)
    cell.save(args.out, overwrite=args.overwrite)
    about = cell.card["time"]
    body = {
        "cell": args.out,
        "data": name,
        "manipulator": args.manipulator,
        "encoders": [encoder.name for encoder in cell.encoders.values()],
        "instruments": sorted(cell.instruments),
        "contexts": sorted(cell.starts),
        "time": about,
        "seconds": reporter.seconds,
    }
    first, last = about["hours"][0], about["hours"][-1]
    shown = [
        f"A virtual cell that learned what cells of {name} become from {first:g} h to {last:g} h lies in {args.out}.",
        *([f"Too few cells to learn from at {_at(about['left_out'])} h."] if "left_out" in about else []),
        *([f"{args.manipulator} answers by {about['kept']}: {about['because']}."] if "kept" in about else []),
        f'Ask it: aivc simulate {args.out} "{_asks(about["under"], last - first)}"',
    ]
    return Outcome(body, shown)


def _at(hours: list[float]) -> str:
    return ", ".join(f"{each:g}" for each in hours)


def _asks(under: list[str], hours: float) -> str:
    """A schedule that the cell answers: untreated cells where they were read over time, else treated ones."""
    return f"wait {hours:g}h" if not under or "" in under else f"{under[0]} for {hours:g}h"


def _counts(text: str) -> dict[float, float]:
    try:
        return {float(hours): float(cells) for hours, cells in (pair.split("=") for pair in text.split(","))}
    except ValueError:
        raise SchemaError(f"--counts reads HOURS=CELLS, such as 0=1000,24=1300, got {text!r}.") from None


def _predict(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    if args.out is not None:
        require_h5ad(args.out)
        require_absent(args.out, overwrite=args.overwrite)
    if args.image is not None:
        require_free_figure(args.image, overwrite=args.overwrite)
        if len(args.perturbations) > 1:
            raise SchemaError("--image draws cells under one perturbation. Ask about several one by one.")
    reporter("loading the cell", 0, 0)
    cell = VirtualCell.load(args.cell)
    start = _start(cell, args, reporter)
    known = KnownNames.of(cell)
    asked = [known.question(text, allow_unknown=args.allow_unknown) for text in args.perturbations]
    files: dict[str, Path] = {}
    drawn: list[str] = []
    if args.image is not None:
        # First, so that what cannot be drawn is said before any work.
        found = gallery(cell, asked[0], context=args.context, seed=args.seed)
        drawn = list(found.notes)
        files["image"] = gallery_figure(found, said=True).save(args.image, overwrite=args.overwrite)
    reporter(f"asking about {', '.join(map(str, asked))}", 0, 0)
    one = len(asked) == 1
    answers = (
        (predict(cell, start, asked[0], cells=args.cells, allow_unknown=args.allow_unknown),)
        if one
        else predict(cell, start, asked, cells=args.cells, allow_unknown=args.allow_unknown)
    )
    if args.out is not None:
        made = to_anndata(answers[0] if one else answers, cells=args.cells, seed=args.seed)
        write_h5ad(made, args.out, overwrite=args.overwrite, compression="gzip", compression_opts=1)
        files["prediction"] = args.out
    context = str(start.contexts[0])
    bodies = [
        {**_body(cell, each, said, context, args.top), "asked": text, "unknown": list(known.unknown(each))}
        for text, each, said in zip(args.perturbations, asked, answers, strict=True)
    ]
    shown: list[RenderableType] = [item for body in bodies for item in _shown(body)]
    shown += [*drawn, *(f"Written: {path}" for path in files.values())]
    shown += [NOT_FOR_TESTING] if "prediction" in files else []
    answer = bodies[0] if one else {"predictions": bodies}
    return Outcome(
        {**answer, **({"drawn": drawn} if drawn else {}), "files": files, "seconds": reporter.seconds}, shown
    )


def _body(
    cell: VirtualCell, asked: Perturbation, said: Prediction[Measurement], context: str, top: int
) -> dict[str, Any]:
    new: dict[str, Any] = {"new_context": context not in cell.contexts, "contexts": len(cell.contexts)}
    if said.affected is not None:
        felt = said.affected
        names = ("cells", "within", "rounds", "damping", "mean", "shuffled")
        new["affected"] = {
            "changed": len(felt.names),
            **{name: getattr(felt, name) for name in names},
            "said": str(felt),
        }
    new["seen"] = was_seen(cell, asked, said.applicability)
    if new["new_context"] and "worth" in cell.card:
        new["worth"] = cell.card["worth"]
    about = _about(said, asked, context)
    return {**about, **new, "effects": _effects(said, top), "not_for_testing": NOT_FOR_TESTING}


def _shown(body: Mapping[str, Any]) -> list[RenderableType]:
    """One answer for people."""
    columns = ["feature", "control", "effect", "low", "high"]
    values = [[row[key] for key in columns] for row in body["effects"]]
    worth = [str(Worth(**body["worth"]))] if "worth" in body else []
    if "affected" in body:
        # Of a tissue, means before and after are over other cells where some were taken out or put in.
        felt = [body["affected"]["said"], _TISSUE_MEANS]
        return [*_titles(body), table(columns, values), *felt, body["sureness"]]
    return [*_titles(body), table(columns, values), body["sureness"], _evidence(body), *worth]


def _titles(body: Mapping[str, Any]) -> list[str]:
    """What stands above the effects: as what the question was read, and what it is an answer to."""
    read = Perturbation.parse(body["asked"])
    titles = [] if str(read) == body["perturbation"] else [f"Read as {body['perturbation']}: asked was {read}."]
    if not body["unknown"]:
        return [*titles, f"{body['perturbation']} in {body['context']}: largest effects, in {body['units']}"]
    names = ", ".join(body["unknown"])
    return [
        *titles,
        f"NOTHING IS KNOWN of {names}. This is no prediction for it: any other unknown name gets the same answer.",
        f"Default answer in {body['context']}: largest effects, in {body['units']}",
    ]


def _start(cell: VirtualCell, args: argparse.Namespace, reporter: Reporter) -> UR:
    if not args.control:
        if args.schema:
            raise SchemaError("--schema describes a file of control cells. Name it with --control, or leave both out.")
        if not cell.starts and cell.card.get("tissue"):
            raise ControlError(
                "A virtual cell of tissue is asked about sections: name them with --control and --schema."
            )
        return cell.start(args.context, new_context=args.new_context)
    measurement, _ = measured(args.control, args.schema, on_disk=args.on_disk, reporter=reporter)
    keep = measurement.perturbations == CONTROL
    if args.context:
        keep &= measurement.contexts.astype(str) == args.context
    if not keep.any():
        where = f" of context {args.context!r}" if args.context else ""
        raise ControlError(f"{args.control} holds no control cells{where}. Check the schema's control, or --context.")
    return cell.states(measurement.take(keep))


def _effects(said: Prediction[Measurement], top: int) -> list[dict[str, Any]]:
    effect, (low, high) = said.effect, said.effect_interval(0.9)
    features = said.draws[0].features
    order = np.argsort(-np.abs(effect), kind="stable")[:top]
    return [
        {
            "feature": str(features[i]),
            "control": float(said.control[i]),
            "effect": float(effect[i]),
            "low": float(low[i]),
            "high": float(high[i]),
        }
        for i in order
    ]


def _about(said: Prediction[Measurement], asked: Perturbation, context: str) -> dict[str, Any]:
    return {
        "perturbation": str(asked),
        "context": context,
        "units": said.profile_units,
        "applicability": str(said.applicability),
        "made_by": list(said.made_by),
        "level": 0.9,
        "intervals": _basis(said),
        "coverage": said.coverage,
        "sureness": said.sureness(),
        "abstained": said.abstained,
    }


def _basis(said: Prediction[Measurement]) -> str:
    """What the intervals stand on: calibration speaks for perturbations like those it was made on, and no others."""
    if said.calibration is None:
        return "spread of the ensemble"
    return "calibrated" if said.coverage == GUARANTEED else "not for such a perturbation"


def _evidence(body: Mapping[str, Any]) -> str:
    seen = {
        "in": "This perturbation, or what it is made of, was seen in training.",
        "edge": "This perturbation was not seen in training, but its relatives were.",
        "out": "Nothing is known about this perturbation: the answer is a default.",
    }
    sure = {
        "calibrated": "Intervals hold 90% of what would be measured, on average over such perturbations.",
        "not for such a perturbation": "Intervals were calibrated on perturbations unlike it: not guaranteed.",
        "spread of the ensemble": "Intervals show only what the ensemble disagrees on, and are not calibrated.",
    }
    silent = "The method is not trusted here, and the mean effect answers. " if body["abstained"] else ""
    if not body["new_context"]:
        return f"{seen[body['applicability']]} {silent}{sure[body['intervals']]}"
    where = nothing_measured(body["context"], body["contexts"])
    known = "This perturbation was measured there." if body["seen"] else seen[body["applicability"]]
    return f"{where} {known} {silent}{sure[body['intervals']]}"


def nothing_measured(context: str, known: int) -> str:
    """Say that a context is new, and what an answer for it stands on."""
    others = "the one context" if known == 1 else f"the {known} contexts"
    return f"Nothing was measured in {context}: the answer stands on {others} in which something was."
