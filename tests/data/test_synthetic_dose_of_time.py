"""Effects are those that were put in, and the seed decides."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.data.synthetic_dose_of_time import AGENT, synthetic_dose_of_time


def test_effects_rise_as_was_asked():
    _, log_time = synthetic_dose_of_time(cells=5)
    np.testing.assert_allclose(log_time.effects[0] * 2, log_time.effects[1])
    _, at_once = synthetic_dose_of_time(cells=5, rise="at-once")
    np.testing.assert_array_equal(*at_once.effects)
    assert np.abs(at_once.effects).max() > 0.5
    assert not synthetic_dose_of_time(cells=5, rise="nothing")[1].effects.any()


def test_counts_follow_the_effects():
    cells, truth = synthetic_dose_of_time(cells=400, seed=1)
    log_f = [np.log(cells.dense()[cells.times == hours].mean(axis=0)) for hours in (0.0, 3.0)]
    assert np.corrcoef(log_f[1] - log_f[0], truth.effects[1])[0, 1] > 0.98
    assert set(cells.perturbations[cells.times > 0]) == {AGENT}


def test_bad_hours_and_rises_are_refused():
    for bad in ({"hours": (0.0, 1.0)}, {"hours": ()}, {"rise": "sideways"}):
        with pytest.raises(DataError, match="Hours are positive"):
            synthetic_dose_of_time(**bad)
