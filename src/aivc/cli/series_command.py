"""`aivc series`: signals of a time course at times nobody measured, beside how well times left out were met."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, listed, natural, positive
from aivc.cli.sources import measured
from aivc.core.errors import DataError
from aivc.core.writing import require_absent
from aivc.data.io.time_texts import STATED, TimeRule
from aivc.data.io.written import write_table
from aivc.experiments.signal_courses import TimeCourse, time_courses

_ENDINGS = (".csv", ".parquet")
_SHOWN = 5


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "series",
        _series,
        "Say what signals, such as phosphorylation sites, are at times nobody measured. Times left out say how well "
        "that goes, beside simple answers; each series has its own zero.",
        examples=(
            "aivc series insulin-liver --by series",
            "aivc series sites.csv --schema sites.toml --by experiment --at 90s,5min --out effects.csv",
        ),
    )
    made.add_argument(
        "data", metavar="TABLE|DATASET", help="samples with times and replicates, or a name from `aivc data list`"
    )
    made.add_argument("--schema", metavar="S.toml", default="", help="says what the columns of the table mean")
    made.add_argument(
        "--by", default="context", metavar="COLUMN", help="which series a sample belongs to (default: its context)"
    )
    made.add_argument("--at", type=_times, default=None, metavar="90s,5min", help="say effects at these times")
    made.add_argument(
        "--out", type=Path, default=None, metavar="CSV|PARQUET", help="write them here, with intervals (needs --at)"
    )
    made.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    made.add_argument("--splits", type=positive, default=5, help="ways to halve the replicates of zero (default 5)")
    made.add_argument("--seed", type=natural, default=0, help="halves them (default 0)")


def _times(text: str) -> list[float]:
    """Seconds, of ``90s,5min``."""
    hours, problems = TimeRule(texts=STATED).hours(listed(text))
    if problems or not (hours > 0).all():
        raise argparse.ArgumentTypeError(
            f"times after zero with their units are wanted, such as 90s,5min; got {text!r}"
        )
    return [float(each) for each in np.round(hours * 3600, 6)]


def _series(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    _require_place(args)
    table_read, _ = measured(args.data, args.schema, on_disk=False, reporter=reporter, controls=False)
    reporter("leaving times out", 0, 0)
    found = time_courses(table_read, by=args.by, splits=args.splits, seed=args.seed)
    shown = [line for course in found for line in _lines(course)]
    files = {}
    if args.at is not None:
        said = pd.concat([course.at(args.at) for course in found], ignore_index=True)
        shown += _largest(said)
        if args.out is not None:
            write_table(said, args.out, overwrite=args.overwrite)
            files["effects"] = args.out
            shown.append(f"{args.out}: {len(said):,} effects beside zero, with intervals")
    body = {"series": [_body(course) for course in found], "by": args.by, "files": files}
    return Outcome({**body, "seconds": reporter.seconds}, shown)


def _lines(course: TimeCourse) -> list[RenderableType]:
    """A series for people: what was measured, and how times left out were met."""
    readings = course.readings
    counts = sorted({len(readings.zero), *(len(each) for each in readings.later)})
    times = ", ".join(f"{second:g}" for second in readings.seconds)
    replicates = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    said = f"{course.name}: {len(course.signals):,} signals at zero and {times} s, {replicates} replicates."
    if course.dropped:
        said += f" {course.dropped:,} signals that some samples lack are left out."
    if course.left_out.empty:
        return [said, course.note]
    rows = [[row.method, row.r, row.rmse, row.held] for row in course.left_out.itertuples()]
    return [said, table(["times left out", "r", "RMSE", f"in {course.level:.0%} interval"], rows), course.note]


def _body(course: TimeCourse) -> dict[str, Any]:
    return {
        "series": course.name,
        "signals": len(course.signals),
        "dropped": course.dropped,
        "at_seconds": course.readings.seconds,
        "left_out": course.left_out.to_dict("records"),
        "made_by": course.made_by,
        "level": course.level,
        "note": course.note,
    }


def _largest(said: pd.DataFrame) -> list[RenderableType]:
    """The largest effects of each series and time."""
    shown: list[RenderableType] = []
    for (name, second), rows in said.groupby(["series", "seconds"], sort=False):
        most = rows.loc[rows["effect"].abs().nlargest(_SHOWN).index]
        shown.append(f"{name} at {second:g} s: largest effects beside its zero")
        shown.append(
            table(["signal", "effect", "low", "high"], most[["signal", "effect", "low", "high"]].to_numpy().tolist())
        )
    return shown


def _require_place(args: argparse.Namespace) -> None:
    if args.out is None:
        return
    if args.at is None:
        raise DataError(["--out holds effects at times that are asked for. Add --at, such as --at 90s,5min."])
    if args.out.suffix not in _ENDINGS:
        raise DataError([f"A table is written as .csv or .parquet, not {args.out.name}. Choose one of these endings."])
    require_absent(args.out, overwrite=args.overwrite)
