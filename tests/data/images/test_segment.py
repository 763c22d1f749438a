"""Nuclei and cells of drawn fields are found where they were drawn, and what the border cuts is left out."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SchemaError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.images.segment import Segmentation, cut_out, segmented_crops
from tiny_images import disk, field_of_cells

pytest.importorskip("skimage")
CHANNELS = ["DNA", "Actin"]
HOW = Segmentation(nucleus="DNA", cell=("Actin",), diameter=12)


def overlap(found, drawn):
    return ((found > 0) & (drawn > 0)).sum() / ((found > 0) | (drawn > 0)).sum()


@pytest.mark.parametrize("method", ["otsu", "local"])
def test_drawn_cells_are_found(method):
    image, nuclei, cells = field_of_cells()
    found = Segmentation(nucleus="DNA", cell=("Actin",), diameter=12, method=method).segment(image, CHANNELS)
    assert len(np.unique(found.nuclei)) == 4
    assert overlap(found.nuclei, nuclei) > 0.85
    assert overlap(found.cells, cells) > 0.9
    # A cell bears the number of its nucleus.
    inside = found.nuclei > 0
    np.testing.assert_array_equal(found.cells[inside], found.nuclei[inside])
    assert np.ndim(found.nucleus_threshold) == (2 if method == "local" else 0)


def test_touching_nuclei_are_told_apart_and_cut_or_small_ones_left_out():
    image = np.full((1, 80, 80), 10, np.uint16)
    for center, radius in (((30, 30), 8), ((30, 43), 8), ((60, 79), 8), ((60, 20), 2)):
        image[0][disk(80, center, radius)] = 500
    how = Segmentation(nucleus="DNA", diameter=16)
    found = how.segment(image, ["DNA"])
    assert len(np.unique(found.nuclei)) == 3
    assert found.nuclei[30, 30] != found.nuclei[30, 43]
    assert (found.cut, found.small, found.cells) == (1, 1, None)
    kept = Segmentation(nucleus="DNA", diameter=16, keep_cut=True).segment(image, ["DNA"])
    assert len(np.unique(kept.nuclei)) == 4


def test_crops_hold_channels_and_the_masks_of_their_own_cell():
    image, nuclei, _ = field_of_cells()
    entities = pd.DataFrame({"perturbation": ["control"], "batch": ["p"]}, index=["f"])
    fields = Measurement(image[None], np.array(CHANNELS), entities, "intensity", modality="image")
    crops = segmented_crops(fields, HOW, 32)
    assert list(crops.features) == [*CHANNELS, "mask:nucleus", "mask:cell"]
    assert crops.values.shape == (3, 4, 32, 32)
    assert crops.entities["batch"].tolist() == ["p"] * 3
    made, frame = cut_out(image, [nuclei], 32)
    assert made[:, 2].sum(axis=(1, 2)).tolist() == [(nuclei == label).sum() for label in frame["object"]]


def test_an_empty_field_and_wrong_settings_are_refused():
    entities = pd.DataFrame(index=["f"])
    dark = Measurement(np.zeros((1, 2, 64, 64)), np.array(CHANNELS), entities, "intensity", modality="image")
    with pytest.raises(DataError, match="No field shows a nucleus"):
        segmented_crops(dark, HOW, 32)
    with pytest.raises(UnknownNameError, match="DAPI"):
        Segmentation(nucleus="DAPI", diameter=12).segment(np.zeros((2, 9, 9)), CHANNELS)
    with pytest.raises(SchemaError, match="at least 4"):
        Segmentation(nucleus="DNA", diameter=1)
    with pytest.raises(SchemaError, match="otsu, local"):
        Segmentation(nucleus="DNA", diameter=12, method="best")
