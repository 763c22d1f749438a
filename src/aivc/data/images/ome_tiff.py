"""What OME-TIFF says of itself: names of channels and the size of a pixel."""

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from aivc.core.errors import IntegrityError
from aivc.data.images.optional import optional
from aivc.data.io.formats import intact

_TO_UM = {"µm": 1.0, "um": 1.0, "micrometer": 1.0, "micron": 1.0, "nm": 1e-3, "nanometer": 1e-3, "mm": 1e3}


class ImageFacts(NamedTuple):
    """What a file states of its images.

    Attributes:
        channels: Their names; empty where it states none, or not for all.
        um_per_pixel: Size of a pixel in µm; None where it is not stated, or differs between x and y.
    """

    channels: tuple[str, ...] = ()
    um_per_pixel: float | None = None


def um(size: object, unit: str) -> float | None:
    """Size in µm; None where the unit is another, or it is no number.

    >>> um("650", "nm")
    0.65
    """
    try:
        return float(str(size)) * _TO_UM[unit]
    except (KeyError, ValueError):
        return None


def ome_facts(path: Path) -> ImageFacts:
    """Read the OME-XML of a TIFF; nothing where it has none.

    Raises:
        IntegrityError: The XML declares entities, or is damaged.
    """
    with intact(path), optional("tifffile").TiffFile(path) as file:
        text = file.ome_metadata
    if not text:
        return ImageFacts()
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise IntegrityError(f"The OME-XML of {path} declares entities, which can swell. Write the file again.")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise IntegrityError(f"The OME-XML of {path} cannot be parsed ({error}). Write the file again.") from error
    pixels = root.find(".//{*}Pixels")
    if pixels is None:
        return ImageFacts()
    names = tuple(channel.get("Name") or "" for channel in pixels.findall("{*}Channel"))
    size = [um(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XY"]
    return ImageFacts(names if all(names) else (), size[0] if size[0] == size[1] else None)
