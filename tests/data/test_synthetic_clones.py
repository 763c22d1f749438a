"""Simulated clones become what they were going to, as often as they should."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.data.synthetic_clones import synthetic_clones


def test_daughters_take_fates_as_often_as_was_known():
    cells, truth = synthetic_clones(clones=400, late=6.0, hidden=1.0)
    last = cells.times == 96
    taken_nc = pd.get_dummies(cells.entities["cell_type"][last])[list(truth.fates)].to_numpy(dtype=float)
    np.testing.assert_allclose(taken_nc.mean(axis=0), truth.share[last].mean(axis=0), atol=0.03)
    assert np.corrcoef(taken_nc[:, 0], truth.share[last][:, 0])[0, 1] > 0.4
    assert set(cells.entities["clone"][last]) == set(cells.entities["clone"][~last])


def test_other_cells_of_a_process_follow_the_same_chances():
    one, two = (synthetic_clones(clones=300, seed=seed)[1].share.mean(axis=0) for seed in (0, 1))
    np.testing.assert_allclose(one, two, atol=0.08)


def test_one_fate_is_no_choice():
    with pytest.raises(DataError, match="two fates"):
        synthetic_clones(fates=1)
