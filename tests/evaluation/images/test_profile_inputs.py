"""Wells are seen from the controls of their plate, and in their spread."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import ControlError, DataError
from aivc.core.measurement import Measurement
from aivc.evaluation.images.profile_inputs import centered_scores, control_scores, without


@pytest.fixture
def wells():
    """Two plates of three controls and a treated well; the second lies 10 higher and spreads twice as much."""
    values = np.array([[-1, 5], [0, 5], [1, 5], [4, 5], [8, 5], [10, 5], [12, 5], [18, 6]], dtype=float)
    entities = pd.DataFrame({"perturbation": (["control"] * 3 + ["drug:A@1uM"]) * 2, "batch": ["P1"] * 4 + ["P2"] * 4})
    return Measurement(values, np.array(["light", "Center_X"], dtype=object), entities.rename(index=str), "arbitrary")


def test_scores_are_relative_to_controls(wells):
    robust = control_scores(wells, by_plate=True, robust=True, clip=10.0)
    np.testing.assert_allclose(robust[[3, 7], 0], 4 / 1.4826)
    plain = control_scores(wells, by_plate=True, robust=False, clip=2.0)
    np.testing.assert_allclose(plain[[3, 7]], [[2.0, 0.0], [2.0, 0.0]])
    spread = np.sqrt((2 * 1 + 2 * 4) / 6)
    np.testing.assert_allclose(centered_scores(wells, clip=30.0)[[3, 7]], [[4 / spread], [8 / spread]])
    whole = control_scores(wells, by_plate=False, robust=False, clip=10.0)
    assert whole[3, 0] < 0 < whole[7, 0]


def test_plates_without_controls_and_features_that_are_all_left_out_are_refused(wells):
    assert list(without(wells, ["Center"]).features) == ["light"]
    with pytest.raises(DataError, match="left out"):
        without(wells, ["light", "Center"])
    with pytest.raises(ControlError, match="P2 has 1"):
        centered_scores(wells.take(np.array([0, 1, 2, 3, 4, 7])), clip=30.0)
