import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.instruments.manipulators.time.growth import (
    count_at,
    declared_counts,
    exponent,
    net_rates,
    rates_of,
    require_growth,
)
from tiny_development import cells_at


def test_cells_that_divide_grow_and_cells_that_die_shrink():
    score = np.array([-1.0, 0.0, 1.0])
    dividing, dying = net_rates(score, np.zeros(3)), net_rates(np.zeros(3), score)
    assert dividing[0] < dividing[1] < dividing[2]
    np.testing.assert_allclose(dying, -dividing, atol=1e-12)
    assert dividing[1] == pytest.approx(0.0)
    # No cell divides more than 1.7 times a day, nor less than 0.3 times.
    assert np.abs(24 * net_rates(100 * score, -100 * score)).max() < 1.4


def test_counts_lie_on_lines_and_never_fall_below_one_cell():
    hours, counts = declared_counts({144: 5788, 48: 1429, 96: 3781})
    assert [count_at(hours, counts, when) for when in (48.0, 72.0, 96.0, 144.0)] == [1429, 2605, 3781, 5788]
    assert count_at(hours, counts, 192.0) == pytest.approx(5788 + 2007)
    assert count_at(np.array([0.0, 24.0]), np.array([100.0, 10.0]), 96.0) == 1.0


def test_growth_comes_early_evenly_or_late():
    assert [exponent("early", 0.0, s) for s in (0.3, 1.0)] == [1.0, 1.0]
    assert exponent("early", 0.3, 1.0) == 0.0
    assert exponent("spread", 0.25, 1.0) == 0.75
    assert [exponent("late", 0.0, s) for s in (0.3, 1.0)] == [0.0, 1.0]
    assert exponent("late", 0.3, 1.0) == 1.0


def test_what_growth_needs_is_asked_for():
    with pytest.raises(UnknownNameError, match="growth named 'fast'"):
        require_growth("fast", "early")
    with pytest.raises(UnknownNameError, match="timing of growth"):
        require_growth("none", "soon")
    with pytest.raises(DataError, match="two or more times"):
        declared_counts({48: 10})
    with pytest.raises(DataError, match=r"apoptosis is not there\. Score the gene sets first"):
        rates_of("x", cells_at(np.zeros((2, 2)), [0, 0], proliferation=[0.0, 1.0]))
