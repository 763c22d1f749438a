import numpy as np
import pytest

from aivc.core.errors import ControlError
from aivc.experiments.moved_cells import batch_shift, moved_cells


def test_a_real_difference_is_followed_and_that_of_two_samples_is_not():
    draw = np.random.default_rng(0)
    there = draw.normal(size=(60, 20))
    far, same = draw.normal(size=(60, 20)) + 2, draw.normal(size=(60, 20))
    assert batch_shift(there, far).trusted > 0.98
    assert batch_shift(there, same).trusted < 0.4
    perturbed = draw.normal(size=(40, 20)) + 5
    np.testing.assert_allclose(moved_cells(perturbed, there, far).mean(), 7, atol=0.2)


def test_on_average_it_errs_less_than_the_measured_difference():
    draw = np.random.default_rng(1)
    own, stein = [], []
    for _ in range(60):
        truth = draw.normal(0, 0.15, 20)
        there, here = draw.normal(size=(40, 20)), draw.normal(size=(40, 20)) + truth
        found = batch_shift(there, here)
        own.append(((found.measured - truth) ** 2).sum())
        stein.append(((found.trusted * found.measured - truth) ** 2).sum())
    assert np.mean(stein) < 0.8 * np.mean(own)


def test_batches_without_controls_are_refused():
    with pytest.raises(ControlError, match="Add controls"):
        moved_cells(np.zeros((3, 2)), np.zeros((2, 2)), np.zeros((9, 2)))
