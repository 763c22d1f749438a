"""What lies where in files of images: a part of a schema, declared once and never guessed."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from aivc.core.errors import SchemaError, UnknownNameError

# What a mask is called among the channels; the rest of the name says of what.
MASK = "mask:"
NUCLEUS, CELL = f"{MASK}nucleus", f"{MASK}cell"
UNKNOWN_SIZE = "unknown"
_AXES = frozenset("ntczyxs")


def is_mask(name: object) -> bool:
    """Whether a feature of images is a mask, where a pixel is 1 inside of the object and 0 outside.

    >>> is_mask("mask:nucleus"), is_mask("DAPI")
    (True, False)
    """
    return str(name).startswith(MASK)


@final
@dataclass(frozen=True, kw_only=True)
class ImageLayout:
    """What a schema declares of images. In TOML: ``image = { channels = ["DAPI", "Actin"], um_per_pixel = 0.65 }``.

    Attributes:
        channels: Names of the channels, in order; left out where the file names them.
        um_per_pixel: Size of a pixel in µm, or ``unknown`` where the source does not state it; left out where the file
            states it.
        axes: Order of the axes of an array of crops, such as ``nyxc``, or of an image that does not state them itself,
            such as ``tyx``. Letters: n crops, t times, c channels, z planes, y, x, and s for the samples of RGB.
        array: Name of the array in a npz file or a zarr group.
        files: In a table of images, the columns of the file names, one per channel in their order; or one column, where
            a file holds all channels.
        masks: Label images, by what they show: ``nucleus``, ``cell``. A column of the table, or a name in
            OME-Zarr's ``labels``. Crops are cut out around the objects of the first.
        crop: Sides of the crops in pixels, where masks are given.
        bits: Of the camera, where that is less than the file holds, such as 12 in 16.

    Raises:
        SchemaError: The declarations contradict each other.
    """

    channels: tuple[str, ...] = ()
    um_per_pixel: float | int | str | None = None
    axes: str | None = None
    array: str = "images"
    files: tuple[str, ...] = ()
    masks: tuple[tuple[str, str], ...] = ()
    crop: int | None = None
    bits: int | None = None

    def __post_init__(self) -> None:
        if problems := self._contradictions():
            raise SchemaError(" ".join(problems))

    def _contradictions(self) -> list[str]:
        size, axes = self.um_per_pixel, self.axes or ""
        rules = {
            f'um_per_pixel is a positive size in µm, or "{UNKNOWN_SIZE}"; got {size!r}.': size is not None
            and (size != UNKNOWN_SIZE if isinstance(size, str) else not 0 < size < float("inf")),
            f'axes are letters of "ntczyxs", each once, with y and x; got {self.axes!r}.': bool(axes)
            and not (set(axes) <= _AXES and len(set(axes)) == len(axes) and {"y", "x"} <= set(axes)),
            "A channel stands twice. Name each one by itself.": len(set(self.channels)) < len(self.channels),
            "Channels whose names begin with mask: are read as masks. Name them otherwise.": any(
                map(is_mask, self.channels)
            ),
            f"files are one column, or one for each of the {len(self.channels)} channels; got {len(self.files)}.": len(
                self.files
            )
            > 1
            and len(self.files) != len(self.channels),
            "Masks need crop, the sides of the crops in pixels, and crop needs masks.": (self.crop is None)
            == bool(self.masks),
            f"crop is an even number of pixels, at least 8; got {self.crop!r}.": self.crop is not None
            and (self.crop < 8 or self.crop % 2 > 0),
            f"bits are 1 to 32; got {self.bits!r}.": self.bits is not None and not 1 <= self.bits <= 32,
        }
        return [text for text, broken in rules.items() if broken]

    def to_json(self) -> dict[str, Any]:
        """Return what differs from the defaults, JSON-ready."""
        written: dict[str, Any] = {}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if value != item.default:
                written[item.name] = list(value) if isinstance(value, tuple) else value
        if self.masks:
            written["masks"] = dict(self.masks)
        return written

    @classmethod
    def from_json(cls, data: object) -> "ImageLayout":
        """Inverse of `to_json`.

        Raises:
            SchemaError: A value has the wrong type, or declarations contradict each other.
            UnknownNameError: A field does not exist.

        >>> ImageLayout.from_json({"channels": ["DAPI"], "um_per_pixel": 0.65}).channels
        ('DAPI',)
        """
        if not isinstance(data, Mapping):
            raise SchemaError(f"image is a table, such as {{ channels = [...], um_per_pixel = 0.65 }}; got {data!r}.")
        known = [item.name for item in dataclasses.fields(cls)]
        for name in data:
            if name not in known:
                raise UnknownNameError("field of image", str(name), known)
        return cls(**{name: _parsed(name, value) for name, value in data.items()})


def _parsed(name: str, value: Any) -> Any:
    texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if name in ("channels", "files"):
        if texts:
            return tuple(value)
        raise SchemaError(f"In image, {name} is a list of texts; got {value!r}.")
    if name == "masks":
        if isinstance(value, Mapping) and value and all(isinstance(item, str) for item in value.values()):
            return tuple(value.items())
        raise SchemaError(f'In image, masks is a table, such as {{ nucleus = "Nuclei.tiff" }}; got {value!r}.')
    whole = name in ("crop", "bits")
    allowed: Any = int if whole else (int, float, str) if name == "um_per_pixel" else str
    if not isinstance(value, allowed) or isinstance(value, bool):
        wanted = "a whole number" if whole else "a number, or unknown" if name == "um_per_pixel" else "text"
        raise SchemaError(f"In image, {name} is {wanted}; got {value!r}.")
    return value
