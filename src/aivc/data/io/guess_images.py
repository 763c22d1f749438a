"""What images and profiles seem to be: channels, size of a pixel, axes, masks; suggested, and never used by itself."""

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from aivc.core.errors import AIVCError, DataError
from aivc.data.images.crop_arrays import arrays_in, crop_array
from aivc.data.images.layout import UNKNOWN_SIZE, ImageLayout
from aivc.data.images.ome_tiff import ImageFacts, ome_facts, um
from aivc.data.images.ome_zarr import is_ome_zarr, ome_zarr_fields
from aivc.data.images.optional import optional
from aivc.data.images.planes import PICTURES, TIFF
from aivc.data.io.conventions import Line
from aivc.data.io.formats import intact, keys, opened, suffix
from aivc.data.io.guess_plates import plate_lines
from aivc.data.io.tables import METADATA, TABLES, is_metadata, read_table

_ARRAYS = (".npz", ".npy")
_PROFILE = re.compile(r"(?!Image_Metadata_)(?:Cells|Nuclei|Cytoplasm|Image|Cell|Nucleus)_[A-Z].*")
_MASK = re.compile(r"(?i)(?:.*[_ -])?(?:mask|label|seg|nuclei|nucleus|cells?)(?:s|mask|labels?)?(?:[_ .-].*)?")
# Parts of file names that say the place of an image, where no table does.
_PLACE = re.compile(r"(?i)[A-P]\d{2}(?!\d)|r\d{2}c\d{2}|_w\d\b|ch\d")
_FILE = re.compile(r"(?i)\.(?:tiff?|png|jpe?g|bmp)\b")
# Bytes of a table that are looked at first.
_LOOKED = 1 << 16
# Rows whose label images are looked at for the largest object.
_WELLS = 8
_CROP, _LEAST_FEATURES = 64, 3


class ImageGuess(NamedTuple):
    """What images seem to be.

    Attributes:
        convention: Whose they are, such as ``OME-Zarr``.
        lines: Of a schema.
        notes: What no schema can say.
    """

    convention: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


class _Layout(NamedTuple):
    image: dict[str, Any]
    sure: bool
    evidence: str


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
        return _table(path)
    return _stored_profiles(path) if end == ".h5ad" else None


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
        frame = _read(each)
        if files := _file_columns(frame, path):
            return _of_table(each, frame, files, Line("metadata", each.name, f"{each.name} names the files"))
    images = _pictures(path)
    beside = [each for each in path.parent.iterdir() if suffix(each) in TABLES and _file_columns(_read(each), path)]
    if beside:
        raise DataError([f"{beside[0].name} names the images of {path.name}. Move it into that folder."])
    wanted = "a row for each field, a column of file names for each channel, and columns for plate, well and compound"
    have = f"its tables ({', '.join(each.name for each in tables)}) name none of them" if tables else "no table"
    named = (
        f" Names such as {images[0].name} hold the place of the image already." if _PLACE.search(images[0].name) else ""
    )
    raise DataError([f"{path.name} holds {len(images)} images, but {have}. Add one: images.csv with {wanted}.{named}"])


def _read(path: Path) -> pd.DataFrame:
    try:
        return read_table(path)[0]
    except AIVCError:
        return pd.DataFrame()


def _file_columns(frame: pd.DataFrame, folder: Path) -> list[str]:
    """Columns whose texts are names of images in a folder."""
    found = []
    for name in frame:
        texts = [text for text in frame[name].dropna().unique()[:5] if isinstance(text, str)]
        if texts and all(suffix(Path(text)) in (*TIFF, *PICTURES) for text in texts):
            found.append((str(name), any((folder / text).is_file() for text in texts)))
    return [name for name, there in found if there]


def _of_table(path: Path, frame: pd.DataFrame, files: Sequence[str], *more: Line) -> ImageGuess:
    masks = [name for name in files if _is_mask(path.parent / str(frame[name].dropna().iloc[0]), name)]
    channels = [name for name in files if name not in masks]
    if not channels:
        channels, masks = list(files), []
    first = path.parent / str(frame[channels[0]].dropna().iloc[0])
    facts, shape, axes = _tiff(first)
    own = facts.channels if len(channels) == 1 else ()
    inside = shape[axes.index("c")] if "c" in axes else shape[axes.index("s")] if "s" in axes else 1
    image: dict[str, Any] = {"files": channels, "channels": [_channel(name) for name in channels]}
    doubts = []
    if len(channels) == 1 and inside > 1:
        image["channels"] = list(own) if len(own) == inside else [f"channel{i + 1}" for i in range(inside)]
        doubts += [] if len(own) == inside else [_unnamed(inside)]
        if "s" in axes:
            image["channels"], doubts = ["Red", "Green", "Blue"], []
    doubts += [] if set(axes) <= set("tczyxs") else [f"{first.name} leaves axes unnamed: sizes {shape}"]
    if not set(axes) <= set("tczyxs"):
        image["axes"] = "cyx" if len(shape) == 3 else "tcyx"
    if masks:
        image |= {"masks": {_object(name): name for name in _nucleus_first(masks)}}
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
    layout = _Layout(image, not doubts, "; ".join(filter(None, [shown, size, *doubts])))
    deep = [f"{first.name} has {shape[axes.index('z')]} planes in z: project them first."] if _deep(axes, shape) else []
    rest = frame.drop(columns=list(files))
    return _whole("", layout, rest, more, (*lost, *deep))


def _deep(axes: str, shape: Sequence[int]) -> bool:
    return "z" in axes and shape[axes.index("z")] > 1


def _channel(column: str) -> str:
    """Name of a channel by the column of its files.

    CellProfiler calls these ``FileName_OrigDNA`` and ``Image_FileName_DNA``.
    """
    return (
        re.sub(r"(?i)^(?:image_)?(?:filename|url|file|path)_(?:orig)?|_(?:file|path|filename)$", "", column) or column
    )


def _object(column: str) -> str:
    return (
        "nucleus" if re.search(r"(?i)nucl", column) else "cell" if re.search(r"(?i)cell", column) else column.casefold()
    )


def _nucleus_first(masks: Sequence[str]) -> list[str]:
    return sorted(masks, key=lambda name: _object(name) != "nucleus")


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
    return max(8, 8 * int(np.ceil(1.2 * largest / 8))) if largest else _CROP


def _pixels(file: Path) -> np.ndarray | None:
    with intact(file):
        if suffix(file) in TIFF:
            return np.asarray(optional("tifffile").imread(file))
        with optional("PIL.Image").open(file) as picture:
            return np.asarray(picture)


def _tiff(file: Path) -> tuple[ImageFacts, tuple[int, ...], str]:
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


def _one_image(path: Path) -> ImageGuess:
    facts, shape, axes = _tiff(path)
    count = shape[axes.index("c")] if "c" in axes else shape[axes.index("s")] if "s" in axes else 1
    named = facts.channels if len(facts.channels) == count else ()
    image: dict[str, Any] = {}
    doubts = []
    if not named:
        image["channels"] = ["Red", "Green", "Blue"] if "s" in axes else [f"channel{i + 1}" for i in range(count)]
        doubts += [] if "s" in axes else [_unnamed(count)]
    if not set(axes) <= set("tczyxs"):
        image["axes"], doubts = "tyx", [*doubts, f"axes of sizes {shape} are not named: frames (tyx), channels (cyx)?"]
    if facts.um_per_pixel is None:
        image["um_per_pixel"], doubts = UNKNOWN_SIZE, [*doubts, "the size of a pixel is not stated"]
    said = f"sizes {shape} of axes {axes}" + (f", channels {', '.join(named)}" if named else "")
    deep = [f"{path.name} has {shape[axes.index('z')]} planes in z: project them first."] if _deep(axes, shape) else []
    stated = f"{facts.um_per_pixel:g} µm per pixel are stated" if facts.um_per_pixel else ""
    evidence = "; ".join(filter(None, [said, stated, *doubts]))
    # What the reader finds in OME-XML need not be declared; ImageJ's words it does not read.
    if facts.um_per_pixel is not None:
        image["um_per_pixel"] = facts.um_per_pixel
    if named:
        image["channels"] = list(named)
    lines = [*_kind_of_pixels(), Line("image", image, evidence, sure=not doubts)]
    control = Line("perturbation", {"value": "control"}, "one image: nothing says that it was treated")
    return ImageGuess("", (*lines, control), tuple(deep))


def _unnamed(count: int) -> str:
    return "one channel without a name: what does it show?" if count == 1 else f"{count} channels without names: which?"


def _array(path: Path) -> ImageGuess:
    layout, evidence, sure = _array_layout(path)
    found = crop_array(path, ImageLayout.from_json(layout))
    about: dict[str, Any] = {**layout}
    if not found.channels:
        about["channels"] = [f"channel{i + 1}" for i in range(found.rows.shape[1])]
        evidence, sure = f"{evidence}; {_unnamed(found.rows.shape[1])}", False
    if found.um_per_pixel is not None:
        about["um_per_pixel"], evidence = found.um_per_pixel, f"{evidence}; um_per_pixel is stated"
    else:
        about["um_per_pixel"] = UNKNOWN_SIZE
        evidence, sure = f"{evidence}; the size of a pixel is not stated: how many µm?", False
    columns, more = found.columns, []
    if not len(columns.columns) and (beside := _beside(path, len(columns))):
        columns = _read(beside).set_axis(columns.index)
        more.append(
            Line(
                "metadata",
                beside.name,
                f"{beside.name} has a row for each crop; is its first column their name?",
                sure=False,
            )
        )
    return _whole("", _Layout(about, sure, evidence), columns, more, ())


def _beside(path: Path, rows: int) -> Path | None:
    tables = [each for each in sorted(path.parent.iterdir()) if suffix(each) in TABLES]
    return next((each for each in tables if len(_read(each)) == rows), None)


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
        doubts.append(_unnamed(fields[0].channels))
    if facts.um_per_pixel is None:
        image["um_per_pixel"] = UNKNOWN_SIZE
        doubts.append("the size of a pixel is not stated")
    if labels := _labels_inside(path, fields[0].planes[0].inside):
        image |= {"masks": {_object(name): name for name in _nucleus_first(labels)}, "crop": _CROP}
        doubts.append(f"labels {', '.join(labels)}: how many pixels wide are the crops around the objects?")
    said = f"{len(fields)} fields, channels {', '.join(facts.channels)}" if facts.channels else f"{len(fields)} fields"
    stated = f"{facts.um_per_pixel:g} µm per pixel are stated" if facts.um_per_pixel else ""
    columns = pd.DataFrame([each.columns for each in fields], index=[each.name for each in fields])
    more: list[Line] = []
    if "well" in columns:
        if beside := _describing(path, columns.index):
            described = _read(beside)
            columns = columns.join(described.set_index(described.columns[0]), rsuffix=" of the table")
            more.append(
                Line("metadata", beside.name, f"{beside.name} has a row for each field, such as {fields[0].name}")
            )
        else:
            asked = f"a plate holds no treatments: which table beside it has a row for each field, as {fields[0].name}?"
            more.append(Line("metadata", "plate.csv", asked, sure=False))
    layout = _Layout(image, not doubts, "; ".join(filter(None, [said, stated, *doubts])))
    return _whole("OME-Zarr", layout, columns, more, ())


def _describing(path: Path, names: pd.Index) -> Path | None:
    """A table beside a file whose first column names its fields."""
    tables = [each for each in sorted(path.parent.iterdir()) if each.is_file() and suffix(each) in TABLES]
    firsts = ((each, frame.iloc[:, 0].astype(str)) for each in tables if len((frame := _read(each)).columns))
    return next((each for each, first in firsts if names.isin(first).all()), None)


def _labels_inside(path: Path, inside: str) -> list[str]:
    place = inside.rsplit("/", 1)[0] if "/" in inside else ""
    where = f"{place}/labels" if place and not place.startswith("images/") else "labels"
    with intact(path), opened(path) as store:
        return sorted(keys(store[where])) if where in store else []


def _table(path: Path) -> ImageGuess | None:
    if not _promising(path):
        return None
    frame = _read(path)
    if files := _file_columns(frame, path.parent):
        return _of_table(path, frame, files)
    features = [name for name in frame if _PROFILE.fullmatch(str(name))]
    metadata = [name for name in frame if is_metadata(name)]
    if len(features) < _LEAST_FEATURES and not metadata:
        return None
    lines, notes = plate_lines(frame.drop(columns=[name for name in features if name not in metadata]))
    others = [name for name in frame if name not in (*metadata, *features)]
    named = {line.value for line in lines if isinstance(line.value, str)}
    numeric = [n for n in others if n not in named and pd.api.types.is_numeric_dtype(frame[n])]
    places = [
        n for n in numeric if re.search(r"(?i)number|object|index|^unnamed|_id$|^site$|^field$|^replicate$", str(n))
    ]
    missing, why = _left_out(frame, features)
    said = "; ".join(filter(None, [f"{len(places)} columns of numbers are no features" if places else "", why]))
    describe = [Line("describe", [*map(str, places), *missing], said)] if said else []
    kinds = _kind_of_table(len(features), len(metadata))
    return ImageGuess(_whose(metadata, features), (*kinds, *lines, *describe), tuple(notes))


def _promising(path: Path) -> bool:
    """Whether the first lines of a table speak of images; a large one is not read twice for nothing."""
    if suffix(path) == ".parquet":
        frame = _read(path)
        first = ",".join(map(str, frame))
        return METADATA in first or bool(_PROFILE.search(first)) or bool(_file_columns(frame, path.parent))
    with intact(path), (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        first = file.read(_LOOKED).decode("utf-8", errors="replace")
    return METADATA in first or bool(_PROFILE.search(first)) or bool(_FILE.search(first))


def _stored_profiles(path: Path) -> ImageGuess | None:
    """An h5ad of profiles, or of crops, which h5ad cannot be read from."""
    import anndata

    with intact(path):
        held = anndata.read_h5ad(path, backed="r")
    try:
        crops = [name for name, block in held.obsm.items() if len(block.shape) > 2]
        features = [str(name) for name in held.var_names if _PROFILE.fullmatch(str(name))]
        metadata = [name for name in held.obs if is_metadata(name)]
        if crops:
            raise DataError(
                [
                    f"{path.name} holds images in obsm ({', '.join(crops)}), where none are read. Write them with "
                    f'numpy.savez("crops.npz", images=adata.obsm["{crops[0]}"]), and adata.obs as crops.csv beside it.'
                ]
            )
        if len(features) * 2 < len(held.var_names) and not metadata:
            return None
        lines, notes = plate_lines(held.obs)
        return ImageGuess(
            _whose(metadata, features), (*_kind_of_table(len(features), len(metadata)), *lines), tuple(notes)
        )
    finally:
        held.file.close()


def _whose(metadata: Sequence[str], features: Sequence[str]) -> str:
    return (
        "pycytominer"
        if metadata and not any(str(n).startswith("Image_Metadata") for n in metadata)
        else "CellProfiler"
        if features
        else ""
    )


def _kind_of_table(features: int, metadata: int) -> list[Line]:
    seen = f"{features} columns are named as CellProfiler's measurements, {metadata} begin with {METADATA}"
    return [
        Line("units", "arbitrary", seen),
        Line("modality", "profile", seen),
        Line("species", "none", "features are no genes"),
    ]


def _left_out(frame: pd.DataFrame, features: Sequence[str]) -> tuple[list[str], str]:
    """Features that hold NaN or infinite values, which pycytominer's feature selection drops too, and why."""
    block = frame[list(features)].select_dtypes("number")
    whole = np.isfinite(block.to_numpy(dtype=float, na_value=np.nan)).all(axis=0)
    missing = [str(name) for name, good in zip(block, whole, strict=True) if not good]
    return missing, f"{len(missing)} features hold NaN or infinite values" if missing else ""


def _kind_of_pixels() -> list[Line]:
    said = "pixels of images"
    return [
        Line("units", "intensity", said),
        Line("modality", "image", said),
        Line("species", "none", "channels are no genes"),
    ]


def _whole(
    convention: str, layout: _Layout, columns: pd.DataFrame, more: Sequence[Line], notes: Sequence[str]
) -> ImageGuess:
    lines, said = plate_lines(columns)
    image = Line("image", layout.image, layout.evidence, sure=layout.sure)
    return ImageGuess(convention, (*_kind_of_pixels(), *lines, *more, image), (*said, *notes))
