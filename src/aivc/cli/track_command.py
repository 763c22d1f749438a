"""`aivc track`: counts, tracks and divisions of the nuclei of a movie, as tables."""

import argparse
import math
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands
from aivc.cli.sources import measured
from aivc.core.errors import DataError, UnavailableError
from aivc.core.measurement import Measurement
from aivc.core.writing import require_absent
from aivc.data.images.segment import Segmentation
from aivc.experiments.movie import Followed, followed

_ENDINGS = (".csv", ".parquet")
_FILMS = (".tif", ".tiff")
_ONE = "light"
_SHOWN = 30


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "track",
        _track,
        "Count and follow the nuclei of a movie, with divisions. Frames that are copies are left out. Nothing is "
        "trained; how well it works is known of movies with known motion alone.",
        examples=(
            "aivc track movie.tif --diameter 12 --reach 14 --out tracks.csv",
            "aivc track movie.ome.zarr --schema movie.toml --nucleus DAPI --diameter 30 --reach 20 --out tracks.csv "
            "--counts counts.csv",
            "aivc track histone-movies --diameter 12 --reach 12 --out tracks.csv",
        ),
    )
    made.add_argument(
        "data", metavar="MOVIE|DATASET", help="a TIFF of one channel; any images with their schema; or a catalog name"
    )
    made.add_argument(
        "--schema", metavar="S.toml", default="", help="says what the file holds (TIFF of one channel: none)"
    )
    made.add_argument("--axes", default="tyx", help="of a TIFF without a schema, where it does not name them (tyx)")
    made.add_argument("--nucleus", default="", metavar="CHANNEL", help="that shows nuclei (default: the only one)")
    made.add_argument("--diameter", type=length, required=True, metavar="PX", help="of a nucleus, about, at least 4")
    made.add_argument("--reach", type=length, required=True, metavar="PX", help="longest step between two frames")
    made.add_argument(
        "--method", choices=("otsu", "local"), default="otsu", help="local: for light that is uneven (default otsu)"
    )
    made.add_argument("--by", default="section", metavar="COLUMN", help="tells movies apart (default section)")
    made.add_argument(
        "--out", type=Path, required=True, metavar="CSV|PARQUET", help="where each nucleus is, its track and mother"
    )
    made.add_argument("--counts", type=Path, default=None, metavar="CSV|PARQUET", help="write cells per frame here")
    made.add_argument("--overwrite", action="store_true", help="replace files that are there")


def length(text: str) -> float:
    """Read a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0 is wanted; got {text!r}")
    return value


def _track(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    places = [place for place in (args.out, args.counts) if place is not None]
    if len(set(places)) < len(places):
        raise DataError(["--out and --counts name one file. Give each a name of its own."])
    for place in places:
        if place.suffix not in _ENDINGS:
            raise DataError([f"A table is written as .csv or .parquet, not {place.name}. Choose one of these endings."])
        require_absent(place, overwrite=args.overwrite)
    movie = _movie(args, reporter)
    nucleus = args.nucleus or _only(movie)
    how = Segmentation(nucleus=nucleus, diameter=args.diameter, method=args.method, keep_cut=True)
    found = followed(movie, how, args.reach, by=args.by, progress=reporter)
    from aivc.data.io.written import write_table

    write_table(_joined(found, "objects"), args.out, overwrite=args.overwrite)
    files = {"tracks": args.out}
    if args.counts is not None:
        write_table(_joined(found, "counts"), args.counts, overwrite=args.overwrite)
        files["counts"] = args.counts
    shown: list[RenderableType] = [note for each in found for note in each.notes]
    for each in found:
        shown += [f"{each.name}: cells in each frame, with 90 % intervals", _counts(each)]
    shown += [f"Written: {', '.join(map(str, files.values()))}"]
    body = {"movies": [_body(each) for each in found], "files": files, "seconds": reporter.seconds}
    return Outcome(body, shown)


def _movie(args: argparse.Namespace, reporter: Reporter) -> Measurement:
    from aivc.data import catalog

    path = Path(args.data)
    bare = path.suffix.lower() in _FILMS and not args.schema
    if not bare:
        return measured(args.data, args.schema, on_disk=False, reporter=reporter, controls=False)[0]
    if not path.exists():
        raise UnavailableError(
            f"There is no movie {path}, nor a dataset of this name: {', '.join(catalog.names()[:3])} …"
        )
    from aivc.data.io.read import read
    from aivc.data.io.schema import Schema

    said = {"channels": [_ONE], "axes": args.axes, "um_per_pixel": "unknown"}
    schema = Schema.from_json(
        {
            "units": "intensity",
            "modality": "image",
            "species": "none",
            "perturbation": {"value": "control"},
            "image": said,
        }
    )
    return read(path, schema, controls=False)


def _only(movie: Measurement) -> str:
    if len(movie.features) != 1:
        names = ", ".join(map(str, movie.features))
        raise DataError([f"The movie has channels {names}. Say which shows nuclei: --nucleus CHANNEL."])
    return str(movie.features[0])


def _joined(found: list[Followed], what: str) -> pd.DataFrame:
    return pd.concat([getattr(each.lineages, what).assign(movie=each.name) for each in found], ignore_index=True)


def _counts(each: Followed) -> RenderableType:
    columns = ["frame", "cells", "low", "high", "alone", "missed"]
    return table(columns, each.lineages.counts[columns].head(_SHOWN).to_numpy(dtype=object).tolist())


def _body(each: Followed) -> dict[str, Any]:
    return {
        "movie": each.name,
        "notes": list(each.notes),
        "copies": list(each.copies),
        "linked": each.linked,
        "fusions_in_reversed": each.fusions,
        "counts": each.lineages.counts.to_dict("records"),
        "divisions": each.lineages.divisions.to_dict("records"),
    }
