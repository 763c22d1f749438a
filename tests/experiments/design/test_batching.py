"""Batches: within room, money and families, and never filled up."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.experiments.design.batching import Limits, batch


def test_a_batch_is_what_comes_first():
    made = batch(np.array([3, 1, 2, 0]), Limits(2))
    assert made.places.tolist() == [3, 1]
    assert (made.cost, made.short) == (2.0, "")


def test_money_and_families_bound_a_batch_and_it_says_so():
    families = ["x", "x", "x", "y", ""]
    limits = Limits(4, np.array([1.0, 1.0, 1.0, 9.0, 1.0]), 5.0, families, per_family=2)
    made = batch(np.arange(5), limits)
    assert made.places.tolist() == [0, 1, 4]
    assert made.short == "1 of 4 places stay empty: 1 were too dear, 1 belong to families that are full."


def test_a_batch_of_few_candidates_stays_short():
    made = batch(np.array([2]), Limits(3))
    assert made.places.tolist() == [2]
    assert "2 of 3 places stay empty: no candidate is left" in made.short


def test_what_can_be_no_batch_is_refused():
    with pytest.raises(DataError, match="stands there twice"):
        batch(np.array([1, 1]), Limits(2))
    with pytest.raises(DataError, match="numbers above zero"):
        Limits(0)
    with pytest.raises(DataError, match="finite number"):
        Limits(1, np.array([np.nan]))
