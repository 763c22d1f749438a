"""Patches lie where spots lie, at one size, and spots at the edge of the image are named."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.data.images.patches import patches

GRID = np.stack(np.meshgrid(np.arange(6), np.arange(5)), axis=-1).reshape(-1, 2) * 24.0 + 12


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patches")
    image = np.full((120, 144, 3), 200, dtype=np.uint8)
    for i, (x, y) in enumerate(GRID.astype(int)):
        image[y - 4 : y + 4, x - 4 : x + 4] = i
    Image.fromarray(image).save(folder / "he.png")
    Image.fromarray(image[..., 0]).save(folder / "gray.png")
    return folder


def spots():
    n = len(GRID)
    entities = pd.DataFrame({"label": np.arange(n)}, index=[f"spot-{i}" for i in range(n)])
    return Measurement(np.ones((n, 1)), np.array(["G"], dtype=object), entities, "arbitrary")


def test_each_patch_shows_its_spot_in_the_middle(place):
    made = patches(place / "he.png", spots(), GRID, side=32)
    assert made.width == 48
    inside = ((GRID >= 24) & (GRID <= [120, 96])).all(axis=1)
    assert np.array_equal(made.kept, inside)
    assert made.left_out == tuple(f"spot-{i}" for i in np.flatnonzero(~inside))
    values = np.asarray(made.images.block(0, len(made.images)))
    assert values.shape == (inside.sum(), 3, 32, 32)
    assert values[:, :, 16, 16].tolist() == [[i] * 3 for i in made.images.entities["label"]]
    np.testing.assert_array_equal(values[3:5], made.images.block(3, 5))
    np.testing.assert_array_equal(made.images.coordinates, GRID[inside])
    # A lattice: each spot has those beside it and across.
    assert made.images.links.sum(axis=1).max() == 8


def test_a_narrow_patch_keeps_the_spots_of_the_edge(place):
    made = patches(place / "he.png", spots(), GRID, width=16, side=16)
    assert made.left_out == ()
    assert (np.asarray(made.images.block(0, 1))[0, :, 8, 8] == 0).all()


def test_what_cannot_be_cut_is_refused(place):
    with pytest.raises(DataError, match="red, green and blue"):
        patches(place / "gray.png", spots(), GRID)
    with pytest.raises(DataError, match="scale"):
        patches(place / "he.png", spots(), GRID * 40)
    with pytest.raises(DataError, match="full resolution"):
        patches(place / "he.png", spots(), GRID / 4)
    with pytest.raises(DataError, match="finite x and y"):
        patches(place / "he.png", spots(), np.where(GRID > 100, np.nan, GRID))
    with pytest.raises(DataError, match="two places"):
        patches(place / "he.png", spots(), np.ones_like(GRID))
