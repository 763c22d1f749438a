"""`aivc embed`: where cells lie, how surely, and how far from what the encoder learned from."""

import argparse
from pathlib import Path

import numpy as np

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, natural, positive
from aivc.cli.sources import add_schema
from aivc.core.errors import IntegrityError, SchemaError, UnavailableError
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.data.io.check import check
from aivc.data.io.schema import SPECIES, Schema
from aivc.experiments.atlas.embed import AXES, COVERAGE, NOVELTY, UNCERTAINTY, embed_file, require_free
from aivc.experiments.atlas.embed_tissue import TISSUE_AXES, embed_tissue_file

_ENCODER, _OF_IMAGES = "factor-analysis", "morphology"


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "embed",
        _embed,
        "Represent the cells of a file and write the states where scanpy looks for them. An h5ad keeps all that it "
        "holds; controls are not needed.",
        examples=(
            "aivc embed cells.h5ad --schema cells.toml --out embedded.h5ad",
            "aivc embed cells.h5ad --schema cells.toml --cell cell/ --on-disk --out embedded.h5ad",
            "aivc embed plate.zarr --schema images.toml --on-disk --out embedded.h5ad",
            "aivc embed slide.h5ad --schema slide.toml --scale multicellular --save-cell tissue/ --out embedded.h5ad",
            "aivc embed mouse.h5ad --schema mouse.toml --cell human-cell/ --to-species human --out embedded.h5ad",
        ),
    )
    made.add_argument("data", type=Path, metavar="FILE", help="cells, in any format that `aivc data check` reads")
    add_schema(made)
    which = made.add_mutually_exclusive_group()
    which.add_argument(
        "--encoder",
        default="",
        help=f"fit this one on the cells themselves (default {_ENCODER}; {_OF_IMAGES} for images)",
    )
    which.add_argument("--cell", type=Path, metavar="FOLDER", help="use the encoder of a virtual cell instead")
    made.add_argument(
        "--scale",
        choices=[str(Scale.CELLULAR), str(Scale.MULTICELLULAR)],
        default=str(Scale.CELLULAR),
        help="multicellular: cells with their neighbors, where the schema says where they lie (default cellular)",
    )
    made.add_argument(
        "--graph",
        default=None,
        metavar="RULE",
        help="who is a neighbor: nearest:8, radius:50 or delaunay:3 (default: the neighbors of the file, or nearest:8)",
    )
    made.add_argument("--reach", type=positive, default=None, help="how many steps away neighbors count (default 3)")
    made.add_argument(
        "--save-cell", type=Path, metavar="NEW", help="save the encoders of cells and of tissue as a virtual cell"
    )
    made.add_argument("--dim", type=positive, default=32, help="axes, where an encoder is fitted (default 32)")
    made.add_argument("--seed", type=natural, default=0, help="draws the cells that it learns from (default 0)")
    made.add_argument(
        "--to-species",
        choices=SPECIES[:2],
        default=None,
        help="name the genes as this species does first, by their orthologs; the schema says which they are of",
    )
    made.add_argument("--out", type=Path, required=True, metavar="OUT.h5ad", help="a new h5ad file")


def _embed(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    require_free(args.out)
    if args.cell is None:
        ENCODERS.load(args.encoder or _ENCODER)
    if not args.data.exists():
        raise UnavailableError(f"There is no file {args.data}. Check the path of the cells.")
    if args.cell is not None and not args.cell.is_dir():
        raise UnavailableError(f"There is no virtual cell {args.cell}. Give the folder that `aivc fit` wrote.")
    if not args.schema:
        raise SchemaError(
            f"{args.data} is a file, and a schema says what its values are: add --schema S.toml, with lines such as "
            'units = "counts" and perturbation = { value = "control" }.'
        )
    schema = Schema.from_toml(args.schema)
    if args.to_species is not None and schema.species not in set(SPECIES[:2]) - {args.to_species}:
        raise SchemaError(
            f"--to-species {args.to_species} needs cells of the other species, but the schema says species = "
            f'"{schema.species}". Correct the schema, or leave the option out.'
        )
    _require_tissue(args)
    reporter(f"checking {args.data.name}", 0, 0)
    found = check(args.data, schema, controls=False)
    found.raise_if_any()
    for text in found.reading:
        reporter.note(f"note on {args.data.name}: {text}")
    return (_cells if args.scale == Scale.CELLULAR else _tissue)(args, schema, reporter)


def _cells(args: argparse.Namespace, schema: Schema, reporter: Reporter) -> Outcome:
    usual = _OF_IMAGES if schema.modality == "image" else _ENCODER
    atlas = embed_file(
        args.data,
        args.out,
        (args.encoder or usual) if args.cell is None else args.cell,
        schema=schema,
        on_disk=args.on_disk,
        dim=args.dim,
        seed=args.seed,
        species=args.to_species,
        progress=reporter,
    )
    columns = {UNCERTAINTY: atlas.uncertainty, COVERAGE: atlas.coverage, NOVELTY: atlas.novelty}
    spread = {name: np.quantile(column, [0.05, 0.5, 0.95]).tolist() for name, column in columns.items()}
    body = {
        "data": args.data.name,
        "cells": len(atlas.values),
        "axes": atlas.values.shape[1],
        **atlas.about,
        "quantiles": spread,
        "files": {"atlas": args.out},
        "seconds": reporter.seconds,
    }
    said = f"{len(atlas.values):,} cells on {atlas.values.shape[1]} axes of {atlas.about['encoder']} lie in {args.out}."
    rows = [[name, *values] for name, values in spread.items()]
    notes = filter(None, atlas.about.get("notes", "").split("\n"))
    lines = [said, *filter(None, [atlas.about.get("orthologs")])]
    return Outcome(body, [*lines, *notes, table(["obs", "5 %", "median", "95 %"], rows), f"scanpy: use_rep='{AXES}'"])


def _require_tissue(args: argparse.Namespace) -> None:
    asked = {"--graph": args.graph, "--reach": args.reach, "--save-cell": args.save_cell}
    given = [name for name, value in asked.items() if value is not None]
    if args.scale == Scale.CELLULAR and given:
        raise SchemaError(f"{', '.join(given)} is of tissue: add --scale multicellular, or leave it out.")
    if args.scale == Scale.MULTICELLULAR and args.to_species is not None:
        raise SchemaError(
            "Names are not brought to another species at the multicellular scale. Leave --to-species out."
        )
    if args.save_cell is not None and args.save_cell.exists():
        raise IntegrityError(f"{args.save_cell} exists. Choose another name for the virtual cell, or move it away.")


def _tissue(args: argparse.Namespace, schema: Schema, reporter: Reporter) -> Outcome:
    made = embed_tissue_file(
        args.data,
        args.out,
        (args.encoder or _ENCODER) if args.cell is None else args.cell,
        schema=schema,
        on_disk=args.on_disk,
        graph=args.graph,
        reach=args.reach,
        dim=args.dim,
        seed=args.seed,
        progress=reporter,
    )
    files = {"atlas": args.out}
    if args.save_cell is not None:
        made.cell.save(args.save_cell)
        files["cell"] = args.save_cell
    n, d = made.states.values.shape
    about = made.about
    body = {"data": args.data.name, "cells": n, "axes": d, **about, "files": files, "seconds": reporter.seconds}
    shown = [
        f"{n:,} cells with their neighbors on {d} axes of {about['encoder']} lie in {args.out}.",
        f"{about['sections']} sections; {about['neighbors']:.1f} neighbors on average; "
        f"{about['without_neighbors']:,} cells have none.",
        f"scanpy: use_rep='{TISSUE_AXES}'",
    ]
    if args.save_cell is not None:
        shown.append(f"For other sections, and for `aivc consistency`: {args.save_cell}")
    return Outcome(body, shown)
