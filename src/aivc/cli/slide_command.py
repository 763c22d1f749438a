"""`aivc slide`: what spots express, learned from the H&E image of one section and read off that of another."""

import argparse
from pathlib import Path

from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, listed, natural, positive
from aivc.cli.sources import add_source, measured
from aivc.cli.track_command import length
from aivc.core.errors import DataError, UnavailableError
from aivc.core.writing import require_absent
from aivc.experiments.slide import DECODER, Slide, fit_slide, gene_skill, load_slide_decoder, slide

_SHOWN = 15


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "slide",
        _slide,
        "Learn what spots express from the stained image of a section (--fit), and predict it for another section from "
        "its image and the places of its spots (--use). Genes that are not predicted on blocks of tissue left out are "
        "not shown.",
        examples=(
            "aivc slide visium/ --schema visium.toml --image he.tif --fit reader/",
            "aivc slide other/ --schema visium.toml --image other.tif --use reader/ --out predicted.h5ad",
            "aivc slide spots.h5ad --schema spots.toml --image C2.jpg --section C2 --columns pixel_x,pixel_y --fit r/",
        ),
    )
    add_source(made)
    made.add_argument("--image", type=Path, required=True, help="TIFF, PNG or JPEG in color, as a whole")
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--fit", type=Path, metavar="NEW", help="learn from this section and save it here")
    what.add_argument("--use", type=Path, metavar="FOLDER", help="predict with what was saved")
    made.add_argument("--out", type=Path, default=None, metavar="OUT.h5ad", help="predicted expression (with --use)")
    made.add_argument("--section", default="", help="which one, where the file holds several")
    made.add_argument(
        "--columns", default="", metavar="X,Y", help="with pixels of the image (default: Visium's, or pixel_x,pixel_y)"
    )
    made.add_argument("--scale", type=length, default=1.0, help="pixels of this image for each of full resolution (1)")
    made.add_argument("--um-per-pixel", type=length, default=None, help="size of a pixel of this image")
    made.add_argument(
        "--width",
        type=length,
        default=None,
        help="of a patch: µm with --um-per-pixel, else pixels (two spot distances)",
    )
    made.add_argument("--genes", type=positive, default=500, help="how many are tried: the most variable (default 500)")
    made.add_argument("--seed", type=natural, default=0, help="draws the blocks (default 0)")


def _slide(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    columns = tuple(listed(args.columns)) if args.columns else None
    _require(args, columns)
    spots, _ = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter, controls=False)
    reporter("cutting patches", 0, 0)
    made = slide(
        spots,
        args.image,
        section=args.section,
        columns=columns,  # type: ignore[arg-type]
        scale=args.scale,
        width=args.width,
        um_per_pixel=args.um_per_pixel,
    )
    return (_fitted if args.fit is not None else _predicted)(made, args, reporter)


def _require(args: argparse.Namespace, columns: tuple[str, ...] | None) -> None:
    if columns is not None and len(columns) != 2:
        raise DataError([f"--columns are two, x before y; got {', '.join(columns)}."])
    if not args.image.is_file():
        raise UnavailableError(f"There is no image {args.image}. Check its path.")
    if (args.out is None) == (args.use is not None):
        raise DataError(["--use writes what it predicts: add --out OUT.h5ad. --fit writes its folder alone."])
    if args.use is not None and not args.use.is_dir():
        raise UnavailableError(f"There is no folder {args.use}. Give the one that `aivc slide --fit` wrote.")
    for place in (args.fit, args.out):
        if place is not None:
            require_absent(place)


def _fitted(made: Slide, args: argparse.Namespace, reporter: Reporter) -> Outcome:
    reporter("fitting", 0, 0)
    fitted = fit_slide(made, genes=args.genes, seed=args.seed)
    fitted.state().save(args.fit)
    skill = gene_skill(fitted)
    best = skill[skill["shown"]].head(_SHOWN)
    shown: list[RenderableType] = [*made.notes, *fitted.notes]
    if len(best):
        shown.append(table(["gene", "r on blocks left out"], best[["gene", "r"]].to_numpy(dtype=object).tolist()))
    shown.append(f"Written: {args.fit}")
    body = {
        "spots": len(made.spots),
        "left_out": list(made.patches.left_out),
        "notes": [*made.notes, *fitted.notes],
        "genes": skill.to_dict("records"),
        "files": {DECODER: args.fit},
    }
    return Outcome({**body, "seconds": reporter.seconds}, shown)


def _predicted(made: Slide, args: argparse.Namespace, reporter: Reporter) -> Outcome:
    from aivc.data.io.to_anndata import to_anndata
    from aivc.data.io.written import write_h5ad

    fitted = load_slide_decoder(args.use)
    reporter("predicting", 0, 0)
    predicted = fitted.decode(made.patches.images)
    cells = to_anndata(predicted)
    cells.uns["predicted"] = " ".join(fitted.notes)
    write_h5ad(cells, args.out, overwrite=False)
    n, f = len(predicted), len(predicted.features)
    said = f"{f} genes of {n} spots, predicted from {args.image.name}, lie in {args.out}."
    body = {
        "spots": len(predicted),
        "left_out": list(made.patches.left_out),
        "notes": [*made.notes, *fitted.notes],
        "genes": list(map(str, predicted.features)),
        "files": {"predicted": args.out},
    }
    return Outcome({**body, "seconds": reporter.seconds}, [*made.notes, *fitted.notes, said])
