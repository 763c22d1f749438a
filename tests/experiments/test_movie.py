"""Movies of images: counted near the truth, copies left out and said, movies kept apart."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.images.segment import Segmentation
from aivc.data.synthetic_movie import known_movie
from aivc.experiments.movie import followed

HOW = Segmentation(nucleus="DNA", diameter=10, keep_cut=True)


def images(frames, **columns):
    entities = pd.DataFrame(columns, index=[f"film_{i}" for i in range(len(frames))])
    channels = np.array(["DNA"], dtype=object)
    return Measurement(frames[:, None], channels, entities, "intensity", modality="image")


@pytest.fixture(scope="module")
def movie():
    return known_movie(4.0, frames=6, side=128, seed=3)


def test_cells_are_counted_and_copies_are_left_out(movie):
    frames = movie.frames[[0, 1, 1, 2, 3, 4, 5]]
    (found,) = followed(images(frames), HOW, 14.0)
    assert (found.name, found.copies) == ("film", (2,))
    assert found.lineages.counts["frame"].tolist() == [0, 1, 3, 4, 5, 6]
    true = movie.cells.groupby("frame").size().to_numpy()
    assert np.abs(found.lineages.counts["cells"].to_numpy() - true).max() <= 4
    assert found.linked > 0.85
    assert "1 frames are copies" in found.notes[1]
    assert f"{found.fusions} in the reversed movie" in found.notes[0]


def test_movies_are_told_apart_and_put_in_order(movie):
    order = [3, 0, 2, 1]
    both = np.concatenate([movie.frames[:4], movie.frames[order]])
    made = images(both, section=["a"] * 4 + ["b"] * 4, frame=[0, 1, 2, 3, *order])
    one, other = followed(made, HOW, 14.0)
    assert (one.name, other.name) == ("a", "b")
    pd.testing.assert_frame_equal(one.lineages.objects, other.lineages.objects)
    assert "five frames or more" in one.notes[-1]


def test_what_is_no_movie_is_refused(movie):
    with pytest.raises(DataError, match="two or more"):
        followed(images(movie.frames[[0, 0]]), HOW, 14.0)
    with pytest.raises(DataError, match="Look at the channel"):
        followed(images(np.stack([np.zeros((32, 32)), np.ones((32, 32))])), HOW, 14.0)
    with pytest.raises(UnknownNameError, match="movies apart"):
        followed(images(movie.frames[:2]), HOW, 14.0, by="film")
    table = Measurement(np.ones((2, 1)), np.array(["DNA"], dtype=object), pd.DataFrame(index=["a", "b"]), "intensity")
    with pytest.raises(DataError, match="frames"):
        followed(table, HOW, 14.0)
