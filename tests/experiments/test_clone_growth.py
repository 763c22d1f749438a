"""Growth of clones is said where states tell it, and not where noise or size alone do."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.experiments.clone_growth import clone_growth


def test_growth_that_states_tell_is_predictable():
    rng = np.random.default_rng(0)
    x_gf = rng.normal(size=(80, 5))
    found = clone_growth(x_gf, x_gf[:, 0] + 0.5 * rng.normal(size=80), rng.poisson(3, 80), permutations=200)
    assert found.spearman > 0.6
    assert found.answer.startswith("predictable")


def test_noise_and_size_alone_are_not():
    rng = np.random.default_rng(1)
    x_gf, size_g = rng.normal(size=(80, 5)), rng.poisson(3, 80) + 1.0
    assert clone_growth(x_gf, rng.normal(size=80), size_g, permutations=200).answer.startswith("not predictable")
    by_size = clone_growth(np.c_[x_gf, size_g], -np.log(size_g), size_g, permutations=200)
    assert by_size.spearman > by_size.chance
    assert not by_size.predictable


def test_few_clones_are_refused():
    with pytest.raises(DataError, match="more clones"):
        clone_growth(np.zeros((9, 2)), np.zeros(9), np.ones(9))
