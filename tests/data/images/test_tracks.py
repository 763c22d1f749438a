"""Objects whose motion is known are linked, in a flow that is common to neighbours and in one that is not."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.data.images.tracks import linked


def frames(step, *, common, seed=0, n=150):
    """Two frames with a tenth of the objects lost in each, 0.7 px of jitter; and who is who."""
    draw = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(15), np.arange(10)), axis=-1).reshape(-1, 2)[:n] * 16.0
    before = grid + draw.uniform(-4, 4, grid.shape)
    angle = before[:, 0] / 60 if common else draw.uniform(0, 2 * np.pi, n)
    after = before + step * np.stack([np.cos(angle), np.sin(angle)], axis=1) + draw.normal(0, 0.7, before.shape)
    first, second = (np.sort(draw.permutation(n)[: n - n // 10]) for _ in range(2))
    second = draw.permutation(second)
    return before[first], after[second], first, second


def accuracy(step, **how):
    right = []
    for seed in range(3):
        before, after, first, second = frames(step, seed=seed, **how)
        pairs = linked(before, after, 14.0)
        both = np.isin(first, second)
        found = {int(first[i]): int(second[j]) for i, j in pairs}
        right.append(np.mean([found.get(int(name), -1) == name for name in first[both]]))
    return np.mean(right)


def test_cells_that_move_together_are_linked_over_half_their_distance():
    assert accuracy(8.0, common=True) >= 0.97


def test_cells_that_move_each_for_themselves_are_linked_over_small_steps():
    assert accuracy(2.0, common=False) > 0.99
    assert accuracy(4.0, common=False) > 0.95


def test_nobody_is_linked_beyond_reach_or_twice():
    before, after, _, _ = frames(4.0, common=False)
    pairs = linked(before, after, 14.0)
    assert len(set(pairs[:, 0])) == len(pairs) == len(set(pairs[:, 1]))
    assert len(linked(before, after + 500, 14.0)) == 0
    assert linked(before[:0], after, 14.0).shape == (0, 2)
    with pytest.raises(DataError, match="above 0"):
        linked(before, after, 0.0)
