"""Rules that rank: each names open candidates once, and wants what it says it wants."""

import numpy as np
import pytest

from aivc.core.errors import UnknownNameError
from aivc.experiments.design.acquisition import acquisition
from aivc.experiments.design.strength_posterior import StrengthPosterior

NAMES = ("random", "coverage", "greedy", "ucb", "thompson", "hit", "information")


@pytest.fixture
def believed():
    rng = np.random.default_rng(1)
    loading = rng.standard_normal((50, 5))
    return StrengthPosterior(rng.standard_normal(50), 0.3, lambda: loading)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_names_open_candidates_once_and_the_same_again(name, believed):
    open_n = np.ones(50, dtype=bool)
    open_n[::3] = False
    first, again = (
        acquisition(name, threshold=0.5).order(believed, open_n, 8, np.random.default_rng(0)) for _ in range(2)
    )
    assert len(first) >= 8
    assert len(set(first.tolist())) == len(first)
    assert open_n[first].all()
    np.testing.assert_array_equal(first, again)


def test_rules_want_the_strong_the_unsure_and_the_far():
    mean, open_n, rng = np.array([1.0, 0.9, 0.0, 0.0]), np.ones(4, dtype=bool), np.random.default_rng(0)
    made = StrengthPosterior(mean, 0.1, lambda: np.array([[0.0, 0.1], [0.0, 1.0], [5.0, 0.0], [0.0, 0.2]]))
    assert acquisition("greedy").order(made, open_n, 1, rng)[0] == 0
    assert acquisition("ucb").order(made, open_n, 1, rng)[0] == 2
    assert acquisition("hit", threshold=1.5).order(made, open_n, 1, rng)[0] == 2
    assert acquisition("information").order(made, open_n, 1, rng)[0] == 2
    open_n[0] = False
    assert acquisition("coverage").order(made, open_n, 1, rng)[0] == 2


def test_an_unknown_rule_is_refused():
    with pytest.raises(UnknownNameError, match="greedy"):
        acquisition("gredy")
