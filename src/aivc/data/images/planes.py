"""One image in a file, with named axes: read when it is asked for, as channels × rows × columns."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from aivc.core.errors import IntegrityError, SchemaError, UnavailableError
from aivc.data.images.optional import optional
from aivc.data.io.formats import intact, opened, suffix
from aivc.data.io.own_file import refuse_odd_file

TIFF, PICTURES = (".tif", ".tiff"), (".png", ".jpg", ".jpeg", ".bmp")
# Twice the largest slide scans that are passed on as one picture; what is larger belongs into OME-Zarr.
_MOST_PIXELS = 400_000_000


@final
@dataclass(frozen=True)
class Plane:
    """Where an image lies, and which axes it has there.

    Attributes:
        path: File, or zarr folder.
        inside: Place of the array in a zarr folder, or number of the series in a TIFF file.
        axes: Order of its axes, such as ``tcyx``; letters of `ImageLayout.axes`.
        shape: Its sizes, in that order.
        at: Which place along axes that are no part of one image, such as ``(("t", 3),)``.
        dtype: Of its numbers.
    """

    path: Path
    inside: str
    axes: str
    shape: tuple[int, ...]
    at: tuple[tuple[str, int], ...]
    dtype: str

    @property
    def channels(self) -> int:
        """Number of its channels; the samples of RGB are channels."""
        return int(np.prod([size for axis, size in zip(self.axes, self.shape, strict=True) if axis in "cs"] or [1]))

    @property
    def sides(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.shape[self.axes.index("y")], self.shape[self.axes.index("x")]

    def read(self) -> np.ndarray:
        """``(c, y, x)`` numbers as they are stored.

        Raises:
            IntegrityError: The bytes are damaged.
        """
        with intact(self.path):
            if suffix(self.path) == ".zarr":
                with opened(self.path) as store:
                    return _ordered(store[self.inside], self.axes, self.at)
            return _ordered(_picture(self.path, self.inside), self.axes, self.at)


def _ordered(array: Any, axes: str, at: tuple[tuple[str, int], ...]) -> np.ndarray:
    """Read what is wanted alone, and put channels first."""
    where = dict(at)
    # z of one plane, and whatever else has one place, is no axis of the image.
    block = np.asarray(array[tuple(where.get(axis, 0) if axis in "ntz" else slice(None) for axis in axes)])
    left = [axis for axis in axes if axis in "csyx"]
    order = [left.index(axis) for axis in "csyx" if axis in left]
    block = block.transpose(order)
    return np.ascontiguousarray(block.reshape(-1, *block.shape[-2:]))


def _picture(path: Path, inside: str) -> np.ndarray:
    if suffix(path) in TIFF:
        with optional("tifffile").TiffFile(path) as file:
            return np.asarray(file.series[int(inside or 0)].asarray())
    with warnings.catch_warnings():
        # Slides are large on purpose; how large one may be is asked when it is described.
        warnings.simplefilter("ignore")
        with optional("PIL.Image").open(path) as picture:
            return np.asarray(picture)


def series_of(path: Path, axes: str | None) -> list[Plane]:
    """Describe the images in a TIFF or a picture, one for each series, with all places of their further axes.

    Args:
        path: The file.
        axes: As declared, for what does not state its axes.

    Raises:
        IntegrityError: The file is damaged, of another kind, or too large to be honest.
        SchemaError: Its axes are not stated and not declared.
        UnavailableError: There is no such file, or a library is missing.
    """
    if not path.is_file():
        raise UnavailableError(f"There is no image {path}. Check the table of images, or the path.")
    refuse_odd_file(path)
    with intact(path):
        if suffix(path) in TIFF:
            return _tiff_series(path, axes)
        if suffix(path) in PICTURES:
            return [_described_picture(path)]
    raise IntegrityError(f"{path} is no image that is read; these end in {', '.join((*TIFF, *PICTURES))} or .zarr.")


def _tiff_series(path: Path, axes: str | None) -> list[Plane]:
    found = []
    with optional("tifffile").TiffFile(path) as file:
        for number, series in enumerate(file.series):
            own, shape = series.axes.lower(), tuple(map(int, series.shape))
            if not set(own) <= set("tczyxs"):
                if axes is None or len(axes) != len(shape):
                    raise SchemaError(
                        f"{path} states its axes as {series.axes} with sizes {shape}, which leaves some unnamed. "
                        'Declare them: image = { axes = "tyx" } for frames of a movie, "cyx" for channels.'
                    )
                own = axes
            _refuse_large(path, shape)
            found += _places(Plane(path, str(number), own, shape, (), str(np.dtype(series.dtype))))
    return found


def _described_picture(path: Path) -> Plane:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with optional("PIL.Image").open(path) as picture:
            mode, (width, height) = picture.mode, picture.size
    kinds = {"L": "uint8", "I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32", "RGB": "uint8"}
    if mode not in kinds:
        raise IntegrityError(
            f"{path} holds a picture of mode {mode}, whose numbers are no intensities. Write it as gray or RGB."
        )
    _refuse_large(path, (height, width))
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Plane(path, "", "yxs" if mode == "RGB" else "yx", shape, (), kinds[mode])


def _refuse_large(path: Path, shape: tuple[int, ...]) -> None:
    if np.prod(shape, dtype=float) > 4 * _MOST_PIXELS:
        raise IntegrityError(f"{path} declares an image of {' × '.join(map(str, shape))}. Write it as OME-Zarr.")


def _places(plane: Plane) -> list[Plane]:
    """One image for each place along t; several planes in z are refused, since one has to be made of them."""
    sizes = dict(zip(plane.axes, plane.shape, strict=True))
    if sizes.get("z", 1) > 1:
        raise SchemaError(
            f"{plane.path} holds {sizes['z']} planes in z. Project them first, such as by their maximum, and say so "
            "beside the data."
        )
    if sizes.get("t", 1) == 1:
        return [plane]
    return [
        Plane(plane.path, plane.inside, plane.axes, plane.shape, (("t", t),), plane.dtype) for t in range(sizes["t"])
    ]


def places(plane: Plane) -> list[Plane]:
    """One image for each place along t.

    Raises:
        SchemaError: It holds several planes in z.
    """
    return _places(plane)
