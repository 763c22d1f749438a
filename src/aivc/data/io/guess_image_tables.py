"""What a table of image files seems to be: which columns are channels and which masks, and what the files state."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from aivc.core.errors import AIVCError
from aivc.data.images.layout import UNKNOWN_SIZE
from aivc.data.images.ome_tiff import ImageFacts, ome_facts, um
from aivc.data.images.optional import optional
from aivc.data.images.planes import PICTURES, TIFF
from aivc.data.io.conventions import Line
from aivc.data.io.formats import intact, suffix
from aivc.data.io.guess_plates import ImageGuess, plate_lines
from aivc.data.io.tables import read_table

_MASK = re.compile(r"(?i)(?:.*[_ -])?(?:mask|label|seg|nuclei|nucleus|cells?)(?:s|mask|labels?)?(?:[_ .-].*)?")
# Rows whose label images are looked at for the largest object.
_WELLS = 8
_SHOWN = 5
# Names of columns that say nothing of what a channel shows.
_NO_CHANNEL = frozenset({"file", "files", "filename", "file_name", "image", "path", "url", "name", "tiff", "tif"})
CROP = 64


class Layout(NamedTuple):
    """What the line ``image`` of a schema would be.

    Attributes:
        image: Its fields.
        sure: Whether the files say all of it.
        evidence: What was seen, and what is asked.
    """

    image: dict[str, Any]
    sure: bool
    evidence: str


def read_or_empty(path: Path) -> pd.DataFrame:
    """Read a table; one that cannot be read names no image.

    Args:
        path: Of the table.
    """
    try:
        return read_table(path)[0]
    except AIVCError:
        return pd.DataFrame()


def naming_columns(frame: pd.DataFrame) -> list[str]:
    """Columns whose texts end as names of images do."""
    firsts = {str(name): frame[name].dropna()[:_SHOWN] for name in frame if frame[name].dtype == object}
    return [
        name
        for name, some in firsts.items()
        if len(some) and all(isinstance(text, str) and suffix(Path(text)) in (*TIFF, *PICTURES) for text in some)
    ]


def file_columns(frame: pd.DataFrame, folder: Path) -> list[str]:
    """Columns whose texts are names of images in a folder."""
    named = naming_columns(frame)
    return [name for name in named if any((folder / text).is_file() for text in frame[name].dropna()[:_SHOWN])]


def of_table(path: Path, frame: pd.DataFrame, files: Sequence[str], *more: Line) -> ImageGuess:
    """Suggest a schema for a table of image files.

    Args:
        path: Of the table; files are named relative to its folder.
        frame: What it holds.
        files: Columns that name images.
        *more: Lines that are known already.
    """
    masks = [name for name in files if _is_mask(path.parent / str(frame[name].dropna().iloc[0]), name)]
    channels = [name for name in files if name not in masks]
    if not channels:
        channels, masks = list(files), []
    first = path.parent / str(frame[channels[0]].dropna().iloc[0])
    facts, shape, axes = stated_by(first)
    own = facts.channels if len(channels) == 1 else ()
    inside = shape[axes.index("c")] if "c" in axes else shape[axes.index("s")] if "s" in axes else 1
    image: dict[str, Any] = {"files": channels, "channels": [_channel(name) for name in channels]}
    doubts = []
    if len(channels) == 1 and inside > 1:
        image["channels"] = list(own) if len(own) == inside else [f"channel{i + 1}" for i in range(inside)]
        doubts += [] if len(own) == inside else [unnamed(inside)]
        if "s" in axes:
            image["channels"], doubts = ["Red", "Green", "Blue"], []
    if any(name.casefold() in _NO_CHANNEL for name in image["channels"]):
        doubts.append(unnamed(1))
    doubts += [] if set(axes) <= set("tczyxs") else [f"{first.name} leaves axes unnamed: sizes {shape}"]
    if not set(axes) <= set("tczyxs"):
        image["axes"] = "cyx" if len(shape) == 3 else "tcyx"
    if masks:
        image |= {"masks": {shown_object(name): name for name in nucleus_first(masks)}}
        image["crop"] = _side([path.parent / text for name in masks for text in frame[name].dropna()[:_WELLS]])
    image["um_per_pixel"] = facts.um_per_pixel or UNKNOWN_SIZE
    size = f"{first.name} states {facts.um_per_pixel:g} µm per pixel" if facts.um_per_pixel else ""
    doubts += [] if size else [f"{first.name} does not state the size of a pixel: how many µm? um_per_pixel = 0.65"]
    shown = f"columns {', '.join(map(repr, channels))} name images"
    if masks:
        shown += f", {', '.join(map(repr, masks))} label images; the largest object of the first wells fits in "
        shown += f"{image['crop']} pixels"
    empty = [name for name in files if frame[name].isna().any()]
    lost = [
        f"{frame[name].isna().sum()} rows have no file in {name!r}: leave these out of the table." for name in empty
    ]
    layout = Layout(image, not doubts, "; ".join(filter(None, [shown, size, *doubts])))
    deep = deep_notes(first.name, axes, shape)
    rest = frame.drop(columns=list(files))
    return whole_suggestion("", layout, rest, more, (*lost, *deep))


def deep_notes(name: str, axes: str, shape: Sequence[int]) -> list[str]:
    """Say that an image has planes in z, of which one has to be made first; nothing where it has none.

    Args:
        name: Of the file.
        axes: Letters in their order.
        shape: Sizes in that order.
    """
    planes = shape[axes.index("z")] if "z" in axes else 1
    return [f"{name} has {planes} planes in z: project them first."] if planes > 1 else []


def _channel(column: str) -> str:
    """Name of a channel by the column of its files.

    CellProfiler calls these ``FileName_OrigDNA`` and ``Image_FileName_DNA``.
    """
    return (
        re.sub(r"(?i)^(?:image_)?(?:filename|url|file|path)_(?:orig)?|_(?:file|path|filename)$", "", column) or column
    )


def shown_object(column: str) -> str:
    """What the label images of a column show, by its name.

    >>> shown_object("FileName_NucleiMask"), shown_object("cells")
    ('nucleus', 'cell')
    """
    return (
        "nucleus" if re.search(r"(?i)nucl", column) else "cell" if re.search(r"(?i)cell", column) else column.casefold()
    )


def nucleus_first(masks: Sequence[str]) -> list[str]:
    """Order masks so that crops are cut around nuclei, of which each cell has one.

    Args:
        masks: Columns, or names of labels.
    """
    return sorted(masks, key=lambda name: shown_object(name) != "nucleus")


def _is_mask(file: Path, column: str) -> bool:
    """A label image by its name and its look: few whole numbers, most of a field 0 or in large areas of one value."""
    if not _MASK.fullmatch(column) or not file.is_file():
        return False
    image = _pixels(file)
    if image is None or image.ndim != 2 or image.dtype.kind not in "iub":
        return False
    values = np.unique(image)
    return bool(
        (values[0] == 0 or len(values) == 1)
        and (len(values) <= 2 or (len(values) <= 2000 and (np.diff(image, axis=1) == 0).mean() > 0.7))
    )


def _side(masks: Sequence[Path]) -> int:
    """Sides of crops that hold the largest object of some label images, with a rim."""
    from scipy import ndimage

    largest = 0
    for file in masks:
        label = np.asarray(_pixels(file), dtype=np.int64)
        label = ndimage.label(label > 0)[0] if len(np.unique(label)) <= 2 else label
        for place in filter(None, ndimage.find_objects(label)):
            largest = max(largest, *(one.stop - one.start for one in place))
    return max(8, 8 * int(np.ceil(1.2 * largest / 8))) if largest else CROP


def _pixels(file: Path) -> np.ndarray | None:
    with intact(file):
        if suffix(file) in TIFF:
            return np.asarray(optional("tifffile").imread(file))
        with optional("PIL.Image").open(file) as picture:
            return np.asarray(picture)


def stated_by(file: Path) -> tuple[ImageFacts, tuple[int, ...], str]:
    """What an image states of itself, its sizes and its axes."""
    if suffix(file) not in TIFF:
        image = _pixels(file)
        shape = () if image is None else image.shape
        return ImageFacts(), shape, "yxs"[: len(shape)]
    facts = ome_facts(file)
    with intact(file), optional("tifffile").TiffFile(file) as held:
        series = held.series[0]
        shape, axes = tuple(map(int, series.shape)), series.axes.lower()
        about = held.imagej_metadata or {}
        tag = held.pages[0].tags.get("XResolution")
        if facts.um_per_pixel is None and tag is not None and tag.value[0]:
            unit = str(about.get("unit", "")).replace("\\u00B5m", "µm")
            size = um(tag.value[1] / tag.value[0], unit)
            facts = facts._replace(um_per_pixel=size and float(f"{size:.6g}"))
        labels = tuple(map(str, about.get("Labels", ())))
    count = shape[axes.index("c")] if "c" in axes else 1
    return facts._replace(channels=facts.channels or (labels if len(labels) == count else ())), shape, axes


def unnamed(count: int) -> str:
    """Ask what channels are.

    Args:
        count: How many have no name.
    """
    return "one channel without a name: what does it show?" if count == 1 else f"{count} channels without names: which?"


def kind_of_pixels() -> list[Line]:
    """Lines that hold for all images."""
    said = "pixels of images"
    return [
        Line("units", "intensity", said),
        Line("modality", "image", said),
        Line("species", "none", "channels are no genes"),
    ]


def whole_suggestion(
    convention: str, layout: Layout, columns: pd.DataFrame, more: Sequence[Line], notes: Sequence[str]
) -> ImageGuess:
    """Put the lines of pixels, of wells and of the layout together.

    Args:
        convention: Whose these are.
        layout: The line ``image``.
        columns: A row for each field or crop, in the words of the file.
        more: Further lines.
        notes: What no schema can say.
    """
    lines, said = plate_lines(columns)
    image = Line("image", layout.image, layout.evidence, sure=layout.sure)
    return ImageGuess(convention, (*kind_of_pixels(), *lines, *more, image), (*said, *notes))
