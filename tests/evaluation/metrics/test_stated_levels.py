"""Intervals are held against what was measured, at the levels that are stated and at no other."""

import numpy as np
import pytest

from aivc.evaluation.metrics.stated_levels import LEVELS, at_level, fared
from aivc.evaluation.metrics.uncertainty import weighted_interval_score


def asked(*bounds):
    truth = np.array([[0.0, 1.0, 5.0]] * len(bounds))
    usable = np.array([[True, True, False]] * len(bounds))
    return fared(bounds, np.zeros_like(truth), truth, usable)


def test_coverage_and_width_count_usable_genes_only():
    ends = np.array([[-1.0, 2.0, 0.0], [1.0, 3.0, 9.0]])
    found = asked(tuple(ends * scale for scale in (1, 1, 1, 2)), None)
    assert found.covered[0].tolist() == [0.5, 0.5, 0.5, 0.5]
    assert found.width[0].tolist() == [1.5, 1.5, 1.5, 3.0]
    assert np.isnan(found.covered[1]).all()
    bounds = np.array([ends * scale for scale in (1, 1, 1, 2)])[:, :, :2]
    wanted = weighted_interval_score(np.zeros(2), bounds, LEVELS, np.array([0.0, 1.0])).mean()
    assert found.crps[0] == pytest.approx(wanted)


def test_a_level_that_is_not_stated_is_no_miss():
    found = asked(at_level(np.array([[-1.0, -1.0, -1.0], [2.0, 2.0, 2.0]]), 0.8))
    assert found.covered[0][LEVELS.index(0.8)] == 1
    assert np.isfinite(found.covered[0]).sum() == np.isfinite(found.width[0]).sum() == 1
    assert np.isnan(found.crps[0])


def test_an_end_may_be_infinite():
    found = asked(tuple(np.array([[-np.inf] * 3, [0.5] * 3]) for _ in LEVELS))
    assert found.covered[0].tolist() == [0.5] * 4
    assert np.isinf(found.crps[0])


def test_nothing_stated_is_nothing():
    assert asked(None, None) is None
