"""A row is dominated where another beats it, and never by its equal."""

import numpy as np

from aivc.experiments.pareto import dominated


def by_hand(better_nk):
    good = np.where(np.isnan(better_nk), -np.inf, better_nk)
    beats = (good[None] >= good[:, None]).all(axis=2) & (good[None] > good[:, None]).any(axis=2)
    return beats.any(axis=1)


def test_agrees_with_every_pair_compared():
    rng = np.random.default_rng(0)
    for k in (1, 2, 4):
        better_nk = rng.integers(0, 5, size=(200, k)).astype(float)
        better_nk[rng.random(better_nk.shape) < 0.1] = np.nan
        assert np.array_equal(dominated(better_nk), by_hand(better_nk))
        assert not dominated(better_nk).all()


def test_no_rows():
    assert dominated(np.zeros((0, 3))).shape == (0,)
