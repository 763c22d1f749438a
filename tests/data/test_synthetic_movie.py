import numpy as np
import pytest

from aivc.data.synthetic_movie import known_movie


@pytest.fixture(scope="module")
def movie():
    return known_movie(4.0, frames=6, side=160, dividing=0.05, seed=1)


def test_nuclei_move_as_far_as_asked(movie):
    cells = movie.cells.set_index(["frame", "cell"])[["y_px", "x_px"]]
    one, two = cells.loc[2], cells.loc[3]
    both = one.index.intersection(two.index)
    step = (two.loc[both] - one.loc[both]).to_numpy()
    assert 3.0 < np.sqrt((step**2).sum(axis=1).mean()) < 5.5


def test_two_daughters_have_the_area_of_their_mother(movie):
    born = movie.cells[movie.cells["mother"] >= 0].groupby("cell").first()
    twins = born.groupby("mother").filter(lambda each: len(each) == 2 and each["frame"].nunique() == 1)
    assert len(twins) > 10
    first = twins[twins["frame"] > 0]
    np.testing.assert_allclose(first["radius_px"] ** 2, 12.5, rtol=0.1)
    mothers = movie.cells.set_index(["cell", "frame"]).index
    assert all((mother, frame) not in mothers for mother, frame in zip(twins["mother"], twins["frame"], strict=True))


def test_light_stands_where_nuclei_are(movie):
    now = movie.cells[(movie.cells["frame"] == 5) & movie.cells[["y_px", "x_px"]].gt(2).all(axis=1)]
    now = now[now[["y_px", "x_px"]].lt(157).all(axis=1)]
    y, x = (now[name].round().astype(int).to_numpy() for name in ("y_px", "x_px"))
    assert movie.frames[5][y, x].mean() > 3 * np.median(movie.frames[5])
    assert movie.frames.shape == (6, 160, 160)


def test_one_seed_is_one_movie():
    one, other, third = (known_movie(2.0, frames=2, side=64, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(one.frames, other.frames)
    assert not np.array_equal(one.frames, third.frames)
