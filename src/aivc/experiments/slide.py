"""Fits expression to the H&E image of a section, and predicts that of another from its image alone."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.core.image_decoder import ImageDecoder
from aivc.core.measurement import Measurement
from aivc.core.registry import IMAGE_DECODERS
from aivc.core.state import State
from aivc.data.images.patches import Patches, patches
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.tissue.tissue_blocks import blocks

DECODER = "patch-expression"
# Where Space Ranger and others write positions in pixels of the image at full resolution, x before y.
_COLUMNS = (("pxl_col_in_fullres", "pxl_row_in_fullres"), ("pixel_x", "pixel_y"))
# Genes seen in fewer spots are not read off an image.
_SEEN = 0.1
_NAMED = 5


class Slide(NamedTuple):
    """A section with its image.

    Attributes:
        patches: Cut around its spots.
        spots: Those that have a patch, with what they express.
        notes: What was left out, and how large patches are.
    """

    patches: Patches
    spots: Measurement
    notes: tuple[str, ...]


def slide(
    spots: Measurement,
    image: Path,
    *,
    section: str = "",
    columns: tuple[str, str] | None = None,
    scale: float | int = 1.0,
    width: float | int | None = None,
    um_per_pixel: float | int | None = None,
    side: int = 224,
) -> Slide:
    """Bring the spots of one section and its image together.

    Args:
        spots: With positions in pixels of the image at full resolution, as columns.
        image: TIFF, PNG or JPEG in color.
        section: Which one, where the column ``section`` names several.
        columns: The columns with x and y; None takes those of Space Ranger, or ``pixel_x`` and ``pixel_y``. Without
            any, positions in µm are divided by ``um_per_pixel``.
        scale: Pixels of this image for each pixel at full resolution; of ``tissue_hires_image.png`` it is
            ``tissue_hires_scalef``.
        width: Of a patch, in µm where ``um_per_pixel`` is given, else in pixels of this image; None takes twice the
            distance between spots.
        um_per_pixel: Size of a pixel of this image.
        side: Of the patches that are made, in pixels.

    Raises:
        DataError: There are several sections, positions are missing, or spots do not lie in the image.
        UnknownNameError: A column or section is not there.
    """
    for name, value in (("scale", scale), ("um_per_pixel", um_per_pixel), ("width", width)):
        if value is not None and not 0 < value < np.inf:
            raise DataError([f"{name} is a number above 0; got {value}. Correct it."])
    one = _section(spots, section)
    at = _places(one, columns, scale, um_per_pixel)
    pixels = width / um_per_pixel if width is not None and um_per_pixel is not None else width
    cut = patches(image, one, at, width=pixels, side=side)
    wide = f"{cut.width} pixels" + (f", {cut.width * um_per_pixel:.0f} µm," if um_per_pixel else "")
    notes = [f"{cut.kept.sum()} patches of {wide} a side are cut out of {image.name}; the inner half is the spot."]
    if cut.left_out:
        more = f" and {len(cut.left_out) - _NAMED} more" if len(cut.left_out) > _NAMED else ""
        some = ", ".join(cut.left_out[:_NAMED])
        notes.append(f"{len(cut.left_out)} spots are left out, since their patch leaves the image: {some}{more}.")
    return Slide(cut, one.take(cut.kept), tuple(notes))


def fit_slide(made: Slide, *, genes: int = 500, seed: int = 0) -> ImageDecoder:
    """Fit `patch-expression`; blocks of neighbouring spots are left out to say which genes can be read off patches.

    Args:
        made: Section with its image.
        genes: How many are tried: those that vary most between spots, among those seen in a tenth of them or more.
        seed: Draws where the first block begins.

    Raises:
        DataError: There are too few spots, or no gene varies.
    """
    links = made.patches.images.links
    assert links is not None
    expression = _variable(made.spots, genes)
    block = blocks(links, np.ones(len(made.spots), dtype=bool), seed=seed)
    return IMAGE_DECODERS.load(DECODER).fit(made.patches.images, expression=expression, blocks=block, seed=seed)


def load_slide_decoder(folder: Path) -> ImageDecoder:
    """Read a decoder that was saved with ``fitted.state().save(folder)``.

    Raises:
        IntegrityError: This is no such folder.
    """
    if not folder.is_dir():
        raise IntegrityError(f"There is no folder {folder}. Fit a section and save it first.")
    try:
        return IMAGE_DECODERS.load(DECODER).from_state(State.load(folder))
    except (KeyError, TypeError) as error:
        raise IntegrityError(f"{folder} holds another part than {DECODER}. Fit a section and save it again.") from error


def gene_skill(fitted: ImageDecoder) -> pd.DataFrame:
    """Correlation of each gene on blocks left out, best first, and whether it is shown."""
    frame = pd.DataFrame({"gene": fitted.features, "r": fitted.skill, "shown": fitted.shown})  # type: ignore[attr-defined]
    return frame.sort_values("r", ascending=False, kind="stable", ignore_index=True)


def _section(spots: Measurement, section: str) -> Measurement:
    if "section" not in spots.entities:
        if section:
            raise DataError(["These spots have no column section. Leave the name of the section out."])
        return spots
    names = spots.entities["section"].astype(str).to_numpy()
    known = list(dict.fromkeys(names))
    if section and section not in known:
        raise UnknownNameError("section", section, known)
    if not section and len(known) > 1:
        raise DataError([f"An image is of one section; there are {', '.join(known[:8])}. Name one."])
    return spots.take(names == (section or known[0]))


def _places(
    spots: Measurement, columns: tuple[str, str] | None, scale: float | int, um_per_pixel: float | int | None
) -> np.ndarray:
    """``(s, 2)`` pixels of the image, x before y."""
    if columns is not None:
        for name in columns:
            if name not in spots.entities:
                raise UnknownNameError("column", name, map(str, spots.entities), "Name the columns with x and y.")
    found = columns or next((pair for pair in _COLUMNS if set(pair) <= set(spots.entities)), None)
    if found is not None:
        return np.asarray(spots.entities[list(found)].to_numpy(dtype=np.float64) * scale)
    if spots.coordinates is not None and um_per_pixel is not None:
        return np.asarray(spots.coordinates[:, :2] / um_per_pixel)
    raise DataError(
        [
            "Where the spots lie in the image is not known. Name the columns with their pixels (x, then y), or declare "
            "coordinates in µm and say how large a pixel of the image is (um_per_pixel)."
        ]
    )


def _variable(spots: Measurement, genes: int) -> Measurement:
    """Normalized expression of the genes that vary most."""
    if len(spots) < 2 * _NAMED:
        raise DataError([f"{len(spots)} spots say nothing about a gene on blocks left out. Give a whole section."])
    seen = (spots.dense() != 0).mean(axis=0) >= _SEEN
    if not seen.any():
        raise DataError([f"No gene is seen in {_SEEN:.0%} of the spots. Check that these are spots of a section."])
    units = profile_units(spots)
    made = normalize(spots, units)
    values = made.dense()
    spread = np.where(seen, values.std(axis=0), 0.0)
    chosen = np.sort(np.argsort(-spread, kind="stable")[:genes])
    chosen = chosen[spread[chosen] > 0]
    if not len(chosen):
        raise DataError(["No gene varies between the spots. Check that these are spots of a section."])
    return Measurement(
        values[:, chosen], made.features[chosen], spots.entities, units, modality=spots.modality, scale=spots.scale
    )
