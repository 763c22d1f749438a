"""Masks for crops that were cut around cells and came without: the nucleus in the middle, and its cell."""

import numpy as np

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.data.images.layout import CELL, NUCLEUS, is_mask
from aivc.data.images.segment import Segmentation

# Of the side of a crop: a nucleus farther from the middle is another cell's.
_NEAR = 0.25


def central_masks(crops: Measurement, how: Segmentation) -> Measurement:
    """Add the masks of the cell in the middle of each crop.

    The nucleus is the one nearest to the middle. Where none is within a quarter of the side, both masks are empty:
    `aivc.data.images.subcellular.complete` says which crops have them. Cells that the crop cuts are kept.

    Args:
        crops: Images ``(n, c, y, x)`` without masks of nucleus and cell; all are read into memory.
        how: Finds nuclei and cells, with channels for both.

    Raises:
        DataError: There are such masks already, or no channel shows cells.
        UnknownNameError: A channel is not there.
    """
    if any(is_mask(name) for name in crops.features):
        raise DataError(["The crops have masks already. Use these, or leave them out with select."])
    if not how.cell:
        raise DataError(["The segmentation names no channel of cells. Name one or more, such as that of actin."])
    kept = Segmentation(nucleus=how.nucleus, cell=how.cell, diameter=how.diameter, method=how.method, keep_cut=True)
    values = np.asarray(crops.block(0, len(crops)))
    middle = (np.array(values.shape[2:]) - 1) / 2
    masks = np.zeros((len(crops), 2, *values.shape[2:]), dtype=values.dtype)
    for row, image in enumerate(values):
        found = kept.segment(image, crops.features)
        if found.cells is None or not (found.nuclei > 0).any():
            continue
        # The pixel of a nucleus that is nearest, rather than its middle: a nucleus around the middle wins.
        y, x = np.nonzero(found.nuclei)
        away = np.hypot(y - middle[0], x - middle[1])
        nearest = int(away.argmin())
        if away[nearest] <= _NEAR * min(values.shape[2:]):
            own = found.nuclei[y[nearest], x[nearest]]
            masks[row, 0], masks[row, 1] = found.nuclei == own, (found.cells == own) | (found.nuclei == own)
    return crops.replace(
        values=np.concatenate([values, masks], axis=1),
        features=np.array([*map(str, crops.features), NUCLEUS, CELL], dtype=object),
    )
