"""Halves share no replicate, and a common zero cannot be taken for an effect."""

import numpy as np
import pytest

from aivc.core.errors import IntegrityError
from aivc.evaluation.time.signal_halves import agreement, by_time, halves, summed_up
from tiny_signals import ROWS, insulin_like


def test_halves_share_no_replicate():
    one, two = halves(np.arange(12.0).reshape(6, 2), 3)
    assert (len(one), len(two)) == (3, 3)
    assert not set(one[:, 0]) & set(two[:, 0])


def test_noise_of_a_common_zero_looks_like_signal_and_disjoint_halves_do_not():
    rng = np.random.default_rng(0)
    zero, one, two = (rng.normal(size=(6, 400)) for _ in range(3))
    own, other = (half.mean(axis=0) for half in halves(zero, 0))
    shared = agreement(one.mean(axis=0) - own, two.mean(axis=0) - own)[0]
    apart = agreement(one.mean(axis=0) - own, two.mean(axis=0) - other)[0]
    assert shared > 0.5
    assert abs(apart) < 0.15


def test_times_are_found_by_series():
    cells, _ = insulin_like()
    found = by_time(cells, "long", ROWS)
    assert {t: x.shape for t, x in found.items()} == dict.fromkeys((0.0, 30.0, 60.0, 120.0, 240.0), (4, 200))
    with pytest.raises(IntegrityError, match="frozen on"):
        by_time(cells, "long", ROWS + 1)
    with pytest.raises(IntegrityError, match="at zero"):
        by_time(cells, "other", ROWS)


def test_a_constant_has_no_correlation_and_folds_are_means_of_splits():
    assert agreement(np.ones(3), np.array([1.0, 2.0, 3.0]))[0] == 0.0
    rows = summed_up("m", "_x", ["a", "b"], np.array([[[0.2, 1.0], [0.4, 2.0]], [[0.4, 1.0], [0.6, 2.0]]]))
    found = {(row.fold, row.metric): row.value for row in rows}
    assert found == pytest.approx(
        {("a", "r_x"): 0.3, ("b", "r_x"): 0.5, ("", "r_x"): 0.4, ("a", "rmse_x"): 1.0, ("b", "rmse_x"): 2.0,
         ("", "rmse_x"): 1.5}
    )  # fmt: skip
