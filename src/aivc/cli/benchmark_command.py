"""`aivc benchmark`: questions with a name, frozen for everybody, and the scores of methods on them."""

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from aivc.cli.console import DONE, REFUSED, Outcome, Reporter, table
from aivc.cli.executor_options import add_executor, chosen_executor
from aivc.cli.grammar import Commands, listed, natural
from aivc.core.errors import AIVCError, DataError, IntegrityError, SchemaError
from aivc.core.state import write_text
from aivc.core.writing import held, require_own
from aivc.data import catalog
from aivc.evaluation.benchmarks.benchmark import (
    AnyBenchmark,
    Benchmark,
    benchmark,
    finished,
    names,
    run_benchmark,
    superseded,
)
from aivc.evaluation.benchmarks.export import export_benchmark
from aivc.evaluation.benchmarks.task_benchmark import TaskBenchmark, answered, kept, run_task
from aivc.evaluation.protocol.checkpoints import CHECKPOINTS
from aivc.evaluation.protocol.evaluate import require_methods
from aivc.evaluation.protocol.forecast import Predicted
from aivc.evaluation.protocol.output import REPORT, SCORES, Folder, require_free
from aivc.evaluation.protocol.prediction_file import read_predictions, stamp_of
from aivc.evaluation.protocol.predictions import require_free_names
from aivc.evaluation.scores.table import Evaluation
from aivc.reporting import evaluation_sections, write_report
from aivc.reporting.task_sections import task_sections

_ALL = "all"
_LONGEST, _IN_USE = 200, ".in-use"


def add(commands: Commands) -> None:
    """Declare the commands."""
    group = commands.group(
        "benchmark",
        "Frozen benchmarks: list them, look at one, run methods on them.",
        examples=("aivc benchmark list", "aivc benchmark run papalexi-unseen-target --out scores/"),
    )
    group.add(
        "list",
        _list,
        "List every benchmark: its question, its data, whether these are here; and what was superseded by what.",
    )
    made = group.add(
        "show",
        _show,
        "Say all that a benchmark fixes: question, data, split, metrics, reference methods, known leaks, digest.",
        examples=("aivc benchmark show papalexi-unseen-target",),
    )
    made.add_argument("name", metavar="NAME", help="name from `aivc benchmark list`, or NAME@DIGEST")
    made = group.add(
        "run",
        _run,
        "Score methods on a benchmark, or on all. Every score carries the benchmark's digest. With `all`, one that "
        "fails does not stop the others; it is reported at the end, and the exit code is 1.",
        examples=(
            "aivc benchmark run papalexi-unseen-target --out scores/",
            "aivc benchmark run norman-geometry --methods your-method,your-method:shuffled,additive --out scores/",
            "aivc benchmark run papalexi-unseen-target --predictions gears=gears.h5ad --out scores/",
            "aivc benchmark run all --out scores/ --resume",
            "aivc benchmark run papalexi-unseen-target --executor processes --workers 2 --out scores/",
        ),
    )
    made.add_argument(
        "name",
        metavar="NAME|all",
        help="name from `aivc benchmark list`, or all of them; superseded versions only by NAME@DIGEST",
    )
    made.add_argument("--methods", type=listed, metavar="a,b", help="instead of the benchmark's own reference methods")
    made.add_argument(
        "--predictions",
        type=listed,
        default=[],
        metavar="a=FILE,b=FILE",
        help="also score what models of other environments predicted, each in a row of this name; see `export`",
    )
    made.add_argument("--units", metavar="U", help="of predictions whose file does not say")
    made.add_argument("--level", type=float, metavar="L", help="of their intervals, likewise (default 0.9)")
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder; each benchmark gets one inside")
    made.add_argument(
        "--resume", action="store_true", help="keep what is finished and unchanged in DIR, and do the rest again"
    )
    add_executor(made, "folds and methods of a benchmark")
    made = group.add(
        "export",
        _export,
        "Write what each fold of a benchmark gives to methods, and what it asks, so that a model of any other "
        "environment can be trained on it. README.txt says what to give back, and `run --predictions` scores that.",
        examples=("aivc benchmark export papalexi-unseen-target --out export/",),
    )
    made.add_argument("name", metavar="NAME", help="name from `aivc benchmark list`")
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for fold-0, fold-1, …")
    made.add_argument("--fold", type=natural, metavar="K", help="only this fold")
    made.add_argument("--overwrite", action="store_true", help="write folds anew that are in DIR")


def _list(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    body, rows, replaced = [], [], []
    for name in names():
        reporter(f"looking for {name}", 0, 0)
        each = benchmark(name)
        datasets = list(each.checksums)
        known = each.source is None and set(datasets) <= set(catalog.names())
        size = sum(file.bytes for data in datasets for file in catalog.entry(data).files) if known else None
        body.append(
            {
                "name": name,
                "title": each.title,
                "question": each.question,
                "dataset": ", ".join(datasets),
                "bytes": size,
                "digest": each.digest,
                "data": each.files,
            }
        )
        rows.append([name, each.title, ", ".join(datasets), f"{size / 1e6:,.1f} MB" if size else "its own", each.files])
        versions = [each, *superseded(name)]
        replaced += [
            {"name": name, "reference": old.reference, "digest": old.digest, "superseded_by": new.reference}
            for new, old in pairwise(versions)
        ]
    shown: list[RenderableType] = [table(["name", "question", "dataset", "size", "data"], rows)]
    if replaced:
        shown.append(table(["superseded", "by"], [[old["reference"], old["superseded_by"]] for old in replaced]))
    return Outcome({"benchmarks": body, "superseded": replaced}, shown)


def _show(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    each = benchmark(args.name)
    facts = {key: value for key, value in each.to_json().items() if key not in ("format", "split")}
    if isinstance(each, Benchmark):
        recipe, split = each.split.get("recipe"), each.split
        facts["split"] = {"recipe": recipe} if recipe else {"kind": split["kind"], "folds": len(split["folds"])}
    facts["data"] = each.files
    if by := _successor(each):
        facts["superseded_by"] = by
    lines = [f"{key}: {_answer(value)}" for key, value in facts.items() if key not in ("name", "leaks")]
    lines += [f"known: {leak}" for leak in each.leaks]
    return Outcome(facts, [each.name, "\n".join(lines)])


def _successor(each: AnyBenchmark) -> str:
    """Reference of the version that replaced this one; empty for the one that stands."""
    versions = [benchmark(each.name), *superseded(each.name)]
    return next((new.reference for new in versions if new.supersedes == each.reference), "")


def _answer(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_answer(item)}" for key, item in value.items())
    said = ", ".join(map(_answer, value)) if isinstance(value, list) else str(value)
    # A fold vector has a letter for each cell.
    return said if len(said) <= _LONGEST or " " in said[:_LONGEST] else f"{said[:20]}… ({len(said):,} letters)"


def _export(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    each = _of_effects(benchmark(args.name), "exported")
    reporter(f"writing {each.name}", 0, 0)
    files = export_benchmark(each, args.out, fold=args.fold, overwrite=args.overwrite)
    body = {"benchmark": each.name, "digest": each.digest, "files": files, "seconds": reporter.seconds}
    return Outcome(body, [each.reference, *map(str, files)])


def _of_effects(each: AnyBenchmark, what: str) -> Benchmark:
    if isinstance(each, Benchmark):
        return each
    raise SchemaError(
        f"{each.name} asks no effects of perturbations, so it cannot be {what}. Register the method where its protocol "
        f"{each.protocol!r} looks for it, and run the benchmark with --methods."
    )


def _predictions(args: argparse.Namespace, reporter: Reporter) -> dict[str, Predicted]:
    named = [text.partition("=") for text in args.predictions]
    if wrong := [name for name, sign, file in named if not (name and sign and file)]:
        raise DataError([f"Predictions are given as NAME=FILE, got {wrong[0]!r}. Name the row: gears=gears.h5ad."])
    if named and args.name == _ALL:
        raise DataError(["A file of predictions answers one benchmark, and all of them are asked. Name the one."])
    if len({name for name, _, _ in named}) < len(named):
        raise DataError(["Two files of predictions have one name. Give each its own."])
    require_free_names([name for name, _, _ in named], args.methods or [])
    reporter("reading predictions", 0, 0)
    return {name: read_predictions(Path(file), units=args.units, level=args.level) for name, _, file in named}


def _run(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    chosen = [benchmark(name) for name in (names() if args.name == _ALL else [args.name])]
    _require_methods(chosen, args)
    chosen_executor(args)
    predictions = _predictions(args, reporter)
    done: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for number, each in enumerate(chosen):
        reporter(each.name, number, len(chosen))
        try:
            done[each.name] = _one(each, args, predictions, reporter)
        except (AIVCError, ArithmeticError, ValueError, TypeError, LookupError, RuntimeError, MemoryError) as error:
            if args.name != _ALL:
                raise
            failed[each.name] = f"{type(error).__name__}: {error}"
    return _outcome(done, failed, reporter)


def _require_methods(chosen: Sequence[AnyBenchmark], args: argparse.Namespace) -> None:
    """Before any work: methods are known, and answers by file are asked for where there can be any."""
    for each in chosen:
        if isinstance(each, Benchmark):
            require_methods(args.methods or [])
        elif args.predictions:
            _of_effects(each, "answered by files")
        elif args.name != _ALL:
            each.asker.require(each.settings, each.methods_for(args.methods))


def _one(
    each: AnyBenchmark, args: argparse.Namespace, predictions: dict[str, Predicted], reporter: Reporter
) -> dict[str, Any]:
    # A version that was replaced must not pass for the one that stands.
    path = args.out / (each.reference if _successor(each) else each.name)
    files = {"scores": path / SCORES, "report": path / REPORT}
    if isinstance(each, TaskBenchmark):
        return _task(each, args, path, reporter)
    digests = {name: stamp_of(given) for name, given in predictions.items()}
    if args.resume and finished(files["scores"], each, args.methods, digests):
        return {"kept": True, "digest": each.digest, "files": files}
    try:
        require_free(path, overwrite=args.resume)
    except IntegrityError as error:
        error.add_note("With --resume, what is finished is kept and the rest is done again.")
        raise
    measurement = each.load_data()
    found = run_benchmark(
        each,
        args.methods,
        predictions=predictions,
        measurement=measurement,
        checkpoint=path / CHECKPOINTS,
        by=chosen_executor(args),
        progress=reporter,
    )
    # Only now: a file that cannot be scored must not cost the scores that are there.
    folder = Folder.claim(path, measurement, each.make_split(measurement), overwrite=args.resume)
    folder.scores(found)
    _report(folder, each, found)
    folder.release()
    values = {method: {name: by[name]["value"] for name in by} for method, by in found.scores.items()}
    answer = {"kept": False, "digest": each.digest, "files": files, "cost": found.body["cost"], "scores": values}
    return answer | ({"predictions": found.body["predictions"]} if predictions else {})


def _task(each: TaskBenchmark, args: argparse.Namespace, path: Path, reporter: Reporter) -> dict[str, Any]:
    """Ask method by method; what is finished is written at once, and kept with --resume."""
    files = {"scores": path / SCORES, "report": path / REPORT}
    require_own(path, "set of scores", {SCORES, REPORT, _IN_USE}.__contains__, overwrite=args.resume)
    known = kept(files["scores"], each) if args.resume else {}
    if answered(known, each, args.methods) and files["report"].is_file():
        return {"kept": True, "digest": each.digest, "files": files}
    with held(path / _IN_USE):
        found = run_task(
            each,
            args.methods,
            known=known,
            keep=lambda body: write_text(files["scores"], json.dumps(body, indent=1, ensure_ascii=False) + "\n"),
            by=chosen_executor(args),
            progress=reporter,
        )
        lead = f"{each.question} Benchmark {each.reference}; {len(found['methods'])} methods."
        write_report(files["report"], title=each.title, lead=lead, sections=task_sections(found))
    values = {method: {name: by[name]["value"] for name in by} for method, by in found["scores"].items()}
    return {"kept": False, "digest": each.digest, "files": files, "cost": found["cost"], "scores": values}


def _report(folder: Folder, each: Benchmark, found: Evaluation) -> None:
    body = found.to_json()
    lead = f"{each.question} Benchmark {each.reference}; {len(body['methods'])} methods."
    lead += "".join(f" {_given(name, about)}." for name, about in body.get("predictions", {}).items())
    write_report(folder.path / REPORT, title=each.title, lead=lead, sections=evaluation_sections(body))


def _given(name: str, about: dict[str, Any]) -> str:
    """Say where a row came from, and what of it was left aside."""
    aside = {"rows": "ignored_rows", "features": "ignored_features", "cells without counts": "empty_cells"}
    left = [f"{about[key]:,} {what}" for what, key in aside.items() if about[key]]
    said = f"{name} was predicted by another program and given as {about['file']} (sha256 {about['sha256'][:12]})"
    lead = f"{said}; left aside: {', '.join(left)}" if left else said
    lead += f"; with {about['interval_level']:.0%} intervals" if "interval_level" in about else ""
    return ". ".join([lead, *about.get("notes", ())])


def _outcome(done: dict[str, dict[str, Any]], failed: dict[str, str], reporter: Reporter) -> Outcome:
    rows: list[Sequence[object]] = [
        [
            name,
            "kept" if answer["kept"] else "done",
            *(answer.get("cost", {}).get(key) for key in ("seconds", "peak_mb")),
        ]
        for name, answer in done.items()
    ]
    shown: list[RenderableType] = [table(["benchmark", "", "seconds", "peak MB"], rows)] if rows else []
    shown += [f"Report: {answer['files']['report']}" for answer in done.values()]
    shown += [_given(name, about) for answer in done.values() for name, about in answer.get("predictions", {}).items()]
    shown += [f"failed: {name}: {error}" for name, error in failed.items()]
    body = {"benchmarks": done, "failures": failed, "seconds": reporter.seconds}
    return Outcome(body, shown, REFUSED if failed else DONE)
