"""Arrays of crops on disk: npy, npz and zarr, read by rows with the axes that the schema declares."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError, SchemaError
from aivc.data.images.layout import ImageLayout
from aivc.data.io.formats import intact, opened, refuse_unknown, suffix

# A compressed npz cannot be read in part: up to this size it is read whole.
_WHOLE = 1 << 28
_SIZE = "um_per_pixel"


@final
@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Crops in one array, opened anew for each block.

    Attributes:
        path: Of a npy, a npz or a zarr folder.
        key: Name of the array in it.
        axes: Their order there, such as ``nyxc``.
        shape: Crops, channels, rows and columns.
    """

    path: Path
    key: str
    axes: str
    shape: tuple[int, ...]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """``(k, c, y, x)`` crops ``start`` to ``stop``, as numbers are stored."""
        stop = min(stop, self.shape[0])
        take = tuple(slice(start, stop) if axis == "n" else slice(None) for axis in self.axes)
        with intact(self.path):
            if suffix(self.path) == ".zarr":
                with opened(self.path) as store:
                    block = np.asarray(store[self.key][take])
            else:
                block = np.asarray(_mapped(self.path, self.key)[take])
        order = [self.axes.index(axis) for axis in "ncyx" if axis in self.axes]
        return np.ascontiguousarray(block.transpose(order)).reshape(-1, *self.shape[1:])


def _mapped(path: Path, key: str) -> np.ndarray:
    """The array, mapped where it lies uncompressed."""
    if suffix(path) == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)
    with zipfile.ZipFile(path) as store:
        about = store.getinfo(f"{key}.npy")
        if about.compress_type != zipfile.ZIP_STORED:
            if about.file_size > _WHOLE:
                raise IntegrityError(
                    f"{key} in {path} is compressed and {about.file_size >> 20} MB large: it cannot be read in part. "
                    "Write it with numpy.savez, as npy, or as zarr."
                )
            with np.load(path, allow_pickle=False) as held:
                return np.asarray(held[key])
        with store.open(about) as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(member)
            if dtype.hasobject:
                raise ValueError("an array of objects")
            before = member.tell()
        with path.open("rb") as file:
            # The local header repeats the name, with an extra part of its own.
            file.seek(about.header_offset + 26)
            name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
        start = about.header_offset + 30 + name + extra + before
        return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")


@final
@dataclass(frozen=True, eq=False)
class CropArray:
    """What a file says of its crops.

    Attributes:
        rows: The crops.
        channels: Their names, as the file has them; empty where it has none.
        columns: A row for each crop.
        dtype: Of the pixels.
        about: Small arrays that are no column of the crops, such as the scale of each channel.
        um_per_pixel: Size of a pixel in µm, where an array of this name with one number states it.
    """

    rows: ArrayRows
    channels: tuple[str, ...]
    columns: pd.DataFrame
    dtype: np.dtype[Any]
    about: dict[str, list[Any]]
    um_per_pixel: float | None = None


def crop_array(path: Path, layout: ImageLayout) -> CropArray:
    """Describe an array of crops and the arrays beside it that have a value for each.

    Args:
        path: Of a npy, a npz or a zarr folder.
        layout: Names the array, and declares its axes.

    Raises:
        IntegrityError: The file is damaged or holds objects.
        SchemaError: There is no such array, or its axes are not declared.
    """
    arrays = arrays_in(path)
    key = layout.array if suffix(path) != ".npy" else ""
    if key not in arrays:
        raise SchemaError(
            f"{path} holds no array {key!r}; it holds {', '.join(arrays) or 'nothing'}. Name it: image = {{ array = "
            '"..." }.'
        )
    shape, dtype = arrays[key]
    axes = layout.axes or ""
    if "n" not in axes or len(axes) != len(shape) or set(axes) - set("ncyx"):
        raise SchemaError(
            f"The array {key or path.name} has sizes {shape}, and the schema does not say what each is. Declare the "
            'order of its axes: image = { axes = "nyxc" }, or "ncyx".'
        )
    sizes = dict(zip(axes, shape, strict=True))
    n = sizes["n"]
    beside = {name: _small(path, name) for name, (size, _) in arrays.items() if name != key and len(size) <= 1}
    size = _stated_size(path, beside.pop(_SIZE, None))
    columns = {name: value for name, value in beside.items() if value.shape == (n,)}
    about = {name: value.tolist() for name, value in beside.items() if name not in columns}
    named = tuple(map(str, about.pop("channels", ())))
    rows = ArrayRows(path, key, axes, (n, sizes.get("c", 1), sizes["y"], sizes["x"]))
    names = columns.pop("entity", np.array([f"crop-{i}" for i in range(n)], dtype=object))
    frame = pd.DataFrame(columns, index=pd.Index(names.astype(str).astype(object)))
    return CropArray(rows, named, frame, dtype, about, size)


def _stated_size(path: Path, stated: np.ndarray | None) -> float | None:
    """The one size of pixels that an array states, once or for each crop.

    Raises:
        SchemaError: It states several, or none that is positive.
    """
    if stated is None:
        return None
    sizes = np.unique(stated) if stated.dtype.kind in "iuf" else np.zeros(0)
    if len(sizes) != 1 or not 0 < float(sizes[0]) < float("inf"):
        raise SchemaError(
            f"The array {_SIZE} in {path} is one positive size of pixels in µm; got {stated.ravel()[:3].tolist()}. "
            "Read crops of each size alone."
        )
    return float(sizes[0])


def arrays_in(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Sizes and kinds of the arrays in a file, by name; nothing of their values is read.

    Args:
        path: Of a npy, a npz or a zarr folder.

    Raises:
        IntegrityError: The file is damaged or holds objects.
    """
    with intact(path):
        if suffix(path) == ".zarr":
            with opened(path) as store:
                refuse_unknown(store)
                return {name: (tuple(node.shape), np.dtype(node.dtype)) for name, node in store.arrays()}
        if suffix(path) == ".npy":
            held = _mapped(path, "")
            return {"": (held.shape, held.dtype)}
        found = {}
        with zipfile.ZipFile(path) as store:
            for name in store.namelist():
                with store.open(name) as member:
                    version = np.lib.format.read_magic(member)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shape, _, dtype = read(member)
                if dtype.hasobject:
                    raise ValueError(f"{name} holds objects of Python, which would run code")
                found[name.removesuffix(".npy")] = shape, dtype
        return found


def _small(path: Path, name: str) -> np.ndarray:
    with intact(path):
        if suffix(path) == ".zarr":
            with opened(path) as store:
                return np.asarray(store[name][...])
        with np.load(path, allow_pickle=False) as held:
            return np.asarray(held[name])
