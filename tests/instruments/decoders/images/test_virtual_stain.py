"""A stain that others determine is drawn; one that nothing determines is the mean image, and is said to be."""

import os

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.state import State
from aivc.data import catalog
from aivc.instruments.decoders.images.pixels import pixel_pearson
from aivc.instruments.decoders.images.virtual_stain import VirtualStain
from tiny_images import disk


def crops(n=60, side=20, seed=0):
    """``Ring`` lies around what ``Body`` shows, off the middle; ``Noise`` is drawn anew for every crop."""
    draw = np.random.default_rng(seed)
    images = []
    for _ in range(n):
        at = draw.uniform(5, side - 5, 2)
        body, wide = disk(side, at, 3.0), disk(side, at, 5.5)
        noise = draw.normal(0, 1, (side, side))
        images.append([100.0 * body + 10, 60.0 * (wide & ~body) + 10, 50 + 10 * noise])
    entities = pd.DataFrame({"batch": np.where(np.arange(n) < n // 2, "a", "b")}, index=[f"crop-{i}" for i in range(n)])
    names = np.array(["Body", "Ring", "Noise"], dtype=object)
    return Measurement(np.array(images, dtype=np.float32), names, entities, "intensity", modality="image")


@pytest.fixture(scope="module")
def stain():
    return VirtualStain.fit(crops(), target="Ring", steps=150)


def test_a_stain_that_lies_around_another_is_drawn_there_and_not_in_the_mean_place(stain):
    new = crops(10, seed=5)
    drawn = stain.decode(new)
    assert list(drawn.features) == ["Ring"]
    assert drawn.entities.equals(new.entities)
    real = new.values[:, 1]
    mean = np.broadcast_to(crops().values[:, 1].mean(axis=0), real.shape)
    assert np.median(pixel_pearson(drawn.values[:, 0], real)) > 0.8
    assert np.median(pixel_pearson(mean, real)) < 0.5
    assert abs(np.log(drawn.values.mean() / real.mean())) < 0.2
    assert "predicted from Body and Noise" in stain.notes[0]
    assert "batch" in stain.notes[0]


def test_the_stain_of_a_turned_cell_is_the_turned_stain(stain):
    new = crops(3, seed=6)
    turned = new.replace(values=np.rot90(new.values, axes=(2, 3)).copy())
    one, other = (stain.decode(each).values for each in (new, turned))
    np.testing.assert_allclose(np.rot90(one, axes=(2, 3)), other, atol=1e-3 * one.max())


def test_what_no_channel_tells_is_the_mean_image_and_is_called_that():
    stain = VirtualStain.fit(crops(), target="Noise", steps=40)
    assert stain.widths == ()
    assert "mean image is shown" in stain.notes[0]
    drawn = stain.decode(crops(4, seed=7)).values[:, 0]
    assert np.corrcoef(drawn[0].ravel(), drawn[1].ravel())[0, 1] > 0.999


def test_it_comes_back_from_disk_and_a_refit_is_equal(stain, tmp_path):
    stain.state().save(tmp_path)
    new = crops(2, seed=8)
    back = VirtualStain.from_state(State.load(tmp_path))
    np.testing.assert_array_equal(back.decode(new).values, stain.decode(new).values)
    assert VirtualStain.fit(crops(), target="Ring", steps=150).state().digest() == stain.state().digest()


def test_what_it_cannot_read_is_refused(stain):
    new = crops(4, seed=9)
    with pytest.raises(UnknownNameError, match="which channel"):
        VirtualStain.fit(new, target="Golgi")
    with pytest.raises(DataError, match="eight crops"):
        VirtualStain.fit(new, target="Ring")
    with pytest.raises(UnknownNameError, match="every channel"):
        stain.decode(new.select(["Body"]))
    with pytest.raises(DataError, match="20 × 20"):
        stain.decode(crops(2, side=24))


@pytest.mark.slow
@pytest.mark.skipif("AIVC_DATA" not in os.environ, reason="needs the crops of BBBC021")
def test_actin_of_real_cells_is_better_than_their_mean_image():
    cells = catalog.load("bbbc021-cells", offline=True)
    plate = cells.entities["batch"].astype(str).to_numpy()
    train, test = (cells.take(np.flatnonzero(plate == f"Week4_{name}")[:400]) for name in (27801, 27821))
    target = next(str(name) for name in cells.features if "actin" in str(name).lower())
    drawn = VirtualStain.fit(train, target=target).decode(test).values[:, 0]
    place = [str(name) for name in cells.features].index(target)
    real, mean = np.asarray(test.values)[:, place], np.asarray(train.values)[:, place].mean(axis=0)
    gain = pixel_pearson(drawn, real) - pixel_pearson(np.broadcast_to(mean, real.shape), real)
    assert np.median(pixel_pearson(drawn, real)) > 0.6
    assert np.median(gain) > 0.05
