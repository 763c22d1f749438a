"""Simulated proteins are where they are said to be, one seed draws one set, and shares are as asked for."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.data.synthetic_locations import LOCATION, PLACES, TRUE_SHARE, synthetic_locations, synthetic_translocation


def test_places_wells_and_plates_are_as_asked_for():
    crops = synthetic_locations(wells=2, cells=2, plates=2, seed=4)
    assert len(crops) == 2 * len(PLACES) * 2 * 2
    assert set(crops.entities[LOCATION]) == set(PLACES)
    assert crops.entities.groupby(["batch", "well"])[LOCATION].nunique().max() == 1
    share = crops.entities.groupby(LOCATION)[TRUE_SHARE].mean()
    assert min(share["nucleus"], share["nucleolus"]) > 0.75
    assert share[["cytoplasm", "puncta", "membrane"]].max() < 0.2
    again = synthetic_locations(wells=2, cells=2, plates=2, seed=4)
    np.testing.assert_array_equal(again.values, crops.values)
    assert not np.array_equal(synthetic_locations(wells=2, cells=2, plates=2, seed=5).values, crops.values)


def test_a_treatment_moves_the_share():
    crops = synthetic_translocation({"control": 0.3, "drug:X@1uM": 0.8}, wells=2, cells=4, plates=1, hard=0.5)
    share = crops.entities.groupby("perturbation")[TRUE_SHARE].mean()
    assert share["drug:X@1uM"] - share["control"] > 0.3


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(DataError, match="between 0 and 1"):
        synthetic_translocation({"control": 0.3, "drug:X@1uM": 1.0})
    with pytest.raises(DataError, match="between 0 and 1"):
        synthetic_translocation({"drug:X@1uM": 0.4})
    with pytest.raises(DataError, match="32 or more"):
        synthetic_locations(wells=1, cells=1, plates=1, side=16)
