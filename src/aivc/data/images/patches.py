"""Cuts patches around places out of one large image, such as the H&E under spots; read in blocks, one size each."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Bool, Float

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.units import INTENSITY
from aivc.data.images.fields import window
from aivc.data.images.optional import optional
from aivc.data.images.planes import Plane, series_of
from aivc.data.tissue.graph import GraphRule, link
from aivc.data.tissue.spacing import nearest_distances

COLORS = ("R", "G", "B")
# Who is a neighbour of a spot, and how wide a patch is, in distances between spots. The inner half of it is the spot's.
_NEIGHBOR, _WIDE = 1.5, 2.0
# A patch of fewer pixels shows no nuclei.
_FEWEST = 16


class Patches(NamedTuple):
    """Patches of a section.

    Attributes:
        images: ``(n, 3, side, side)`` red, green and blue, on disk until they are read, with positions in pixels of the
            image (x before y) and links between neighbours.
        kept: ``(s,)`` True for the spots that have a patch.
        left_out: Names of the spots whose patch leaves the image.
        width: Of a patch, in pixels of the image.
    """

    images: Measurement
    kept: Bool[np.ndarray, " s"]
    left_out: tuple[str, ...]
    width: int


@final
@dataclass(frozen=True, eq=False)
class PatchRows:
    """Windows of one image, brought to one size; the image is read once for a block of them.

    Attributes:
        plane: The image.
        center: ``(n, 2)`` row and column.
        width: Of the windows, in pixels of the image.
        side: Of the patches, in pixels.
    """

    plane: Plane
    center: np.ndarray
    width: int
    side: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of patches, colors, rows and columns."""
        return (len(self.center), self.plane.channels, self.side, self.side)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """``(k, c, y, x)`` patches ``start`` to ``stop``."""
        wanted = self.center[start:stop]
        made = np.zeros((len(wanted), *self.shape[1:]), dtype=np.uint8)
        if not len(wanted):
            return made
        picture, image = optional("PIL.Image"), self.plane.read()
        for place, center in enumerate(wanted):
            cut = window(image, center, self.width).transpose(1, 2, 0)
            small = picture.fromarray(cut).resize((self.side, self.side), picture.Resampling.BILINEAR)
            made[place] = np.asarray(small).transpose(2, 0, 1)
        return made


def patches(
    image: Path,
    spots: Measurement,
    at_n2: Float[np.ndarray, "s 2"],
    *,
    width: float | int | None = None,
    side: int = 224,
) -> Patches:
    """Cut a patch around each spot of one section.

    Args:
        image: TIFF, PNG or JPEG in color, 8 bits.
        spots: Whose names and columns the patches keep.
        at_n2: ``(s, 2)`` middle of each spot in pixels of this image, x before y.
        width: Of a patch, in pixels of the image; None takes twice the distance between spots.
        side: Of the patches that are made, in pixels.

    Raises:
        DataError: The image has no three colors of 8 bits, positions are missing or not finite, patches would be too
            small, or fewer than three spots have one.
        IntegrityError: The image is damaged.
        UnavailableError: There is no such image.
    """
    plane = series_of(image, "yxs")[0]
    at, pitch = _checked(plane, spots, at_n2)
    whole = 2 * round((_WIDE * pitch if width is None else width) / 2)
    if whole < _FEWEST or side < _FEWEST:
        raise DataError(
            [
                f"A patch would be {whole} pixels of the image and {side} of its own, and shows nothing with fewer "
                f"than {_FEWEST}. Give the image at full resolution, or a larger width."
            ]
        )
    # As the window is cut, from the rounded middle.
    first = np.round(at[:, ::-1]) - whole // 2
    kept = np.asarray(((first >= 0) & (first + whole <= np.array(plane.sides))).all(axis=1))
    if kept.sum() < 3:
        raise DataError(
            [
                f"{kept.sum()} of {len(kept)} spots have a patch inside of {image.name}, {plane.sides[1]} × "
                f"{plane.sides[0]} pixels; the spots lie at x {at[:, 0].min():.0f} to {at[:, 0].max():.0f}, y "
                f"{at[:, 1].min():.0f} to {at[:, 1].max():.0f}. Say how large the image is beside "
                "the positions (scale)."
            ]
        )
    rows = PatchRows(plane, at[kept][:, ::-1], whole, side)
    made = Measurement(
        rows,
        np.array(COLORS, dtype=object),
        spots.entities[kept],
        INTENSITY,
        modality="image",
        scale=spots.scale,
        coordinates=at[kept],
        provenance={"image": {"file": image.name, "width_px": whole}},
    )
    lost = tuple(map(str, spots.entities.index[~kept]))
    return Patches(link(made, GraphRule("radius", _NEIGHBOR * pitch)), kept, lost, whole)


def _checked(plane: Plane, spots: Measurement, at_n2: np.ndarray) -> tuple[np.ndarray, float]:
    """Positions as numbers, and the distance between spots."""
    if plane.channels != 3 or plane.dtype != "uint8":
        raise DataError(
            [
                f"{plane.path.name} has {plane.channels} channels of {plane.dtype}; a stained section is red, green "
                "and blue of 8 bits. Export it as RGB."
            ]
        )
    at = np.asarray(at_n2, dtype=np.float64)
    if at.shape != (len(spots), 2) or not np.isfinite(at).all():
        raise DataError([f"Each of {len(spots)} spots needs a finite x and y in pixels. Correct or drop the others."])
    distance = nearest_distances(at)
    if not len(distance):
        raise DataError(["Patches are cut around spots at two places or more. Give the spots of a whole section."])
    return at, float(np.median(distance))
