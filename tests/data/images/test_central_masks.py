"""The cell in the middle of a crop gets its masks; a crop without one gets empty masks."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.data.images.central_masks import central_masks
from aivc.data.images.segment import Segmentation
from aivc.data.images.subcellular import complete
from tiny_images import disk, screen_of_crops

pytest.importorskip("skimage")
HOW = Segmentation(nucleus="DNA", cell=("Actin",), diameter=10)


def test_the_nucleus_in_the_middle_is_the_one():
    crops = screen_of_crops(per_well=2)
    plain = crops.select(["DNA", "Actin"])
    corner = disk(32, (3, 3), 4)
    values = plain.values.copy()
    values[0, 0][corner], values[1] = 350, 20
    values[1, 0][corner] = 350
    found = central_masks(plain.replace(values=values), HOW)
    assert complete(found).tolist() == [True, False] + [True] * (len(crops) - 2)
    drawn, made = crops.values[:, 2] > 0, found.values[:, 2] > 0
    assert not made[0][corner].any()
    overlap = (drawn & made).sum(axis=(1, 2)) / (drawn | made).sum(axis=(1, 2))
    assert np.delete(overlap, 1).min() > 0.6


def test_masks_that_are_there_are_not_replaced_and_cells_are_needed():
    crops = screen_of_crops(per_well=1)
    with pytest.raises(DataError, match="have masks already"):
        central_masks(crops, HOW)
    with pytest.raises(DataError, match="no channel of cells"):
        central_masks(crops.select(["DNA", "Actin"]), Segmentation(nucleus="DNA", diameter=10))
