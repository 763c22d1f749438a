"""What images seem to be, wherever they lie: a schema suggested with evidence, or a sentence on what is missing."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aivc.core.errors import DataError
from aivc.data.images.crop_arrays import arrays_in, crop_array
from aivc.data.images.layout import UNKNOWN_SIZE, ImageLayout
from aivc.data.images.ome_zarr import is_ome_zarr, ome_zarr_fields
from aivc.data.images.planes import PICTURES, TIFF
from aivc.data.io.conventions import Line
from aivc.data.io.formats import intact, keys, opened, suffix
from aivc.data.io.guess_image_tables import (
    CROP,
    Layout,
    deep_notes,
    file_columns,
    kind_of_pixels,
    nucleus_first,
    of_table,
    read_or_empty,
    shown_object,
    stated_by,
    unnamed,
    whole_suggestion,
)
from aivc.data.io.guess_plates import ImageGuess
from aivc.data.io.guess_profiles import guess_table, stored_profiles
from aivc.data.io.tables import TABLES

_ARRAYS = (".npz", ".npy")
# Parts of file names that say the place of an image, where no table does.
_PLACE = re.compile(r"(?i)[A-P]\d{2}(?!\d)|r\d{2}c\d{2}|_w\d\b|ch\d")


def guess_images(path: Path) -> ImageGuess | None:
    """Suggest a schema for images or profiles of images; None where a file is neither.

    Args:
        path: Folder of TIFF or PNG files with a table, such a table, OME-Zarr, npz or npy of crops, one image, or a
            table or h5ad of profiles.

    Raises:
        DataError: These are images, and what they need is missing: a table, or a format that is read.
        UnavailableError: A library of the extra ``images`` is missing.
    """
    end = suffix(path)
    if path.is_dir() and end != ".zarr":
        return _folder(path) if _pictures(path) else None
    if end in (*TIFF, *PICTURES):
        return _one_image(path)
    if end in _ARRAYS:
        return _array(path)
    if end == ".zarr":
        with intact(path), opened(path) as store:
            cells = "obs" in store or "tables" in store
        return None if cells else _ome_zarr(path) if is_ome_zarr(path) else _array(path)
    if end in TABLES:
        return guess_table(path)
    return stored_profiles(path) if end == ".h5ad" else None


def _pictures(folder: Path) -> list[Path]:
    """Images in a folder and in the folders inside of it."""
    inside = (*folder.iterdir(), *(each for sub in folder.iterdir() if sub.is_dir() for each in sub.iterdir()))
    return sorted(each for each in inside if suffix(each) in (*TIFF, *PICTURES))


def _folder(path: Path) -> ImageGuess | None:
    others = [each for each in path.iterdir() if each.is_file() and suffix(each) not in (*TIFF, *PICTURES)]
    if any("matrix.mtx" in each.name or suffix(each) == ".h5" for each in others):
        return None
    tables = sorted(each for each in others if suffix(each) in TABLES)
    for each in tables:
        frame = read_or_empty(each)
        if files := file_columns(frame, path):
            return of_table(each, frame, files, Line("metadata", each.name, f"{each.name} names the files"))
    images = _pictures(path)
    beside = [
        each for each in path.parent.iterdir() if suffix(each) in TABLES and file_columns(read_or_empty(each), path)
    ]
    if beside:
        raise DataError([f"{beside[0].name} names the images of {path.name}. Move it into that folder."])
    wanted = "a row for each field, a column of file names for each channel, and columns for plate, well and compound"
    have = f"its tables ({', '.join(each.name for each in tables)}) name none of them" if tables else "no table"
    named = (
        f" Names such as {images[0].name} hold the place of the image already." if _PLACE.search(images[0].name) else ""
    )
    raise DataError([f"{path.name} holds {len(images)} images, but {have}. Add one: images.csv with {wanted}.{named}"])


def _one_image(path: Path) -> ImageGuess:
    facts, shape, axes = stated_by(path)
    count = shape[axes.index("c")] if "c" in axes else shape[axes.index("s")] if "s" in axes else 1
    named = facts.channels if len(facts.channels) == count else ()
    image: dict[str, Any] = {}
    doubts = []
    if not named:
        image["channels"] = ["Red", "Green", "Blue"] if "s" in axes else [f"channel{i + 1}" for i in range(count)]
        doubts += [] if "s" in axes else [unnamed(count)]
    if not set(axes) <= set("tczyxs"):
        image["axes"], doubts = "tyx", [*doubts, f"axes of sizes {shape} are not named: frames (tyx), channels (cyx)?"]
    if facts.um_per_pixel is None:
        image["um_per_pixel"], doubts = UNKNOWN_SIZE, [*doubts, "the size of a pixel is not stated"]
    said = f"sizes {shape} of axes {axes}" + (f", channels {', '.join(named)}" if named else "")
    deep = deep_notes(path.name, axes, shape)
    stated = f"{facts.um_per_pixel:g} µm per pixel are stated" if facts.um_per_pixel else ""
    evidence = "; ".join(filter(None, [said, stated, *doubts]))
    # What the reader finds in OME-XML need not be declared; ImageJ's words it does not read.
    if facts.um_per_pixel is not None:
        image["um_per_pixel"] = facts.um_per_pixel
    if named:
        image["channels"] = list(named)
    lines = [*kind_of_pixels(), Line("image", image, evidence, sure=not doubts)]
    control = Line("perturbation", {"value": "control"}, "one image: nothing says that it was treated")
    return ImageGuess("", (*lines, control), tuple(deep))


def _array(path: Path) -> ImageGuess:
    layout, evidence, sure = _array_layout(path)
    found = crop_array(path, ImageLayout.from_json(layout))
    about: dict[str, Any] = {**layout}
    if not found.channels:
        about["channels"] = [f"channel{i + 1}" for i in range(found.rows.shape[1])]
        evidence, sure = f"{evidence}; {unnamed(found.rows.shape[1])}", False
    if found.um_per_pixel is not None:
        about["um_per_pixel"], evidence = found.um_per_pixel, f"{evidence}; um_per_pixel is stated"
    else:
        about["um_per_pixel"] = UNKNOWN_SIZE
        evidence, sure = f"{evidence}; the size of a pixel is not stated: how many µm?", False
    columns, more = found.columns, []
    if not len(columns.columns) and (beside := _beside(path, len(columns))):
        columns = read_or_empty(beside).set_axis(columns.index)
        more.append(
            Line(
                "metadata",
                beside.name,
                f"{beside.name} has a row for each crop; is its first column their name?",
                sure=False,
            )
        )
    return whole_suggestion("", Layout(about, sure, evidence), columns, more, ())


def _beside(path: Path, rows: int) -> Path | None:
    tables = [each for each in sorted(path.parent.iterdir()) if suffix(each) in TABLES]
    return next((each for each in tables if len(read_or_empty(each)) == rows), None)


def _array_layout(path: Path) -> tuple[dict[str, Any], str, bool]:
    """Which array holds crops, and the order of its axes: channels are few, and rows and columns alike."""
    shapes = {name: shape for name, (shape, _) in arrays_in(path).items()}
    images = {name: shape for name, shape in shapes.items() if len(shape) in (3, 4) and min(shape[-2:]) > 0}
    if not images:
        held = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"
        raise DataError([f"{path.name} holds no array of crops, of 3 or 4 axes such as nyxc; it holds {held}."])
    key = "images" if "images" in images else max(images, key=lambda name: np.prod(images[name]))
    shape = images[key]
    if len(shape) == 3:
        axes, sure = "nyx", True
    else:
        last, second = shape[3] < min(shape[1:3]), shape[1] < min(shape[2:])
        axes, sure = ("nyxc" if last else "ncyx"), last != second
    layout: dict[str, Any] = {"axes": axes} | ({"array": key} if key not in ("images", "") else {})
    return layout, f"array {key or path.name} of sizes {shape}" + ("" if sure else ": which axis are channels?"), sure


def _ome_zarr(path: Path) -> ImageGuess:
    fields, facts = ome_zarr_fields(path, ())
    if not fields:
        raise DataError([f"{path.name} names no image. Give one with at least one field of view."])
    image: dict[str, Any] = {}
    doubts = []
    if not facts.channels:
        image["channels"] = [f"channel{i + 1}" for i in range(fields[0].channels)]
        doubts.append(unnamed(fields[0].channels))
    if facts.um_per_pixel is None:
        image["um_per_pixel"] = UNKNOWN_SIZE
        doubts.append("the size of a pixel is not stated")
    if labels := _labels_inside(path, fields[0].planes[0].inside):
        image |= {"masks": {shown_object(name): name for name in nucleus_first(labels)}, "crop": CROP}
        doubts.append(f"labels {', '.join(labels)}: how many pixels wide are the crops around the objects?")
    said = f"{len(fields)} fields, channels {', '.join(facts.channels)}" if facts.channels else f"{len(fields)} fields"
    stated = f"{facts.um_per_pixel:g} µm per pixel are stated" if facts.um_per_pixel else ""
    columns = pd.DataFrame([each.columns for each in fields], index=[each.name for each in fields])
    more: list[Line] = []
    if "well" in columns:
        if beside := _describing(path, columns.index):
            described = read_or_empty(beside)
            columns = columns.join(described.set_index(described.columns[0]), rsuffix=" of the table")
            more.append(
                Line("metadata", beside.name, f"{beside.name} has a row for each field, such as {fields[0].name}")
            )
        else:
            asked = f"a plate holds no treatments: which table beside it has a row for each field, as {fields[0].name}?"
            more.append(Line("metadata", "plate.csv", asked, sure=False))
    layout = Layout(image, not doubts, "; ".join(filter(None, [said, stated, *doubts])))
    return whole_suggestion("OME-Zarr", layout, columns, more, ())


def _describing(path: Path, names: pd.Index) -> Path | None:
    """A table beside a file whose first column names its fields."""
    tables = [each for each in sorted(path.parent.iterdir()) if each.is_file() and suffix(each) in TABLES]
    firsts = ((each, frame.iloc[:, 0].astype(str)) for each in tables if len((frame := read_or_empty(each)).columns))
    return next((each for each, first in firsts if names.isin(first).all()), None)


def _labels_inside(path: Path, inside: str) -> list[str]:
    place = inside.rsplit("/", 1)[0] if "/" in inside else ""
    where = f"{place}/labels" if place and not place.startswith("images/") else "labels"
    with intact(path), opened(path) as store:
        return sorted(keys(store[where])) if where in store else []
