"""From crops of cells to a virtual cell: their morphology as states, and an album to draw perturbed cells from."""

import dataclasses
from collections.abc import Callable

import numpy as np

from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS, IMAGE_DECODERS
from aivc.core.virtual_cell import VirtualCell
from aivc.data.splits.split import CONTROL_TRAIN, TRAIN, Split
from aivc.data.streaming.stream import Progress
from aivc.experiments.fitting.shared_fit import Recipe

ALBUM, MORPHOLOGY = "cell-album", "morphology"


def fit_images(
    images: Measurement,
    fit: Callable[[Measurement, Recipe], VirtualCell],
    *,
    recipe: Recipe | None = None,
    split: Split | None = None,
    fold: int = 0,
    progress: Progress | None = None,
) -> VirtualCell:
    """Fit a virtual cell on the morphology of crops, and keep what is needed to draw cells.

    Args:
        images: Crops with controls, in memory or on disk.
        fit: Fits a table of features by a recipe, such as `aivc.fit`.
        recipe: Its encoder is ``morphology``, unless another than the usual is named.
        split: Crops of other entities than it trains on are in no part of the cell.
        fold: Which fold of it.
        progress: Called with what is being done.

    Returns:
        The cell of the table. Its card says under ``images`` what can be drawn, or why nothing can.

    Raises:
        DataError: The images are not square, or larger than crops of cells.
        UnknownNameError: The recipe names an encoder that reads no images.
    """
    recipe = recipe or Recipe()
    if recipe.encoder not in (Recipe().encoder, MORPHOLOGY):
        raise UnknownNameError("encoder of images", recipe.encoder, [MORPHOLOGY], "Leave --encoder out.")
    kind = IMAGE_DECODERS.load(ALBUM)
    kind.require_crops(images)
    if progress is not None:
        progress("measuring morphology", 0, 0)
    cell = fit(image_table(images), dataclasses.replace(recipe, encoder=MORPHOLOGY))
    rows = None
    if split is not None:
        rows = np.flatnonzero(np.isin(split.roles(images, fold).astype(str), (TRAIN, CONTROL_TRAIN)))
    if progress is not None:
        progress("learning to draw cells", 0, 0)
    album = kind.fit(images, seed=recipe.seed, rows=rows)
    card = {**cell.card, "images": {"channels": [str(each) for each in album.features], "notes": list(album.notes)}}
    made_from = {ALBUM: cell.provenance[str(cell.card["manipulator"])]} if cell.provenance else {}
    return VirtualCell(
        cell.encoders, {**cell.instruments, ALBUM: album}, card, cell.starts, {**cell.provenance, **made_from}
    )


def image_table(measurement: Measurement) -> Measurement:
    """The features of images as a table; any other measurement as it is.

    Raises:
        DataError: The images are not square.
    """
    if measurement.modality != "image":
        return measurement
    made = ENCODERS.load(MORPHOLOGY).table(measurement)
    assert isinstance(made, Measurement)
    return made
