"""Places are named on plates never seen, sets hold what they promise, and masks of other cells say less."""

import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.data.synthetic_locations import LOCATION, PLACES, PROTEIN, synthetic_locations
from aivc.experiments.locate import SIMULATED, Locator


def drawn(seed, plates):
    return synthetic_locations(wells=1, cells=4, plates=plates, side=48, seed=seed)


@pytest.fixture(scope="module")
def locator():
    return Locator.fit(drawn(0, 3), PROTEIN)


@pytest.fixture(scope="module")
def test_crops():
    return drawn(1, 2)


def test_places_are_named_on_other_plates(locator, test_crops):
    found = locator.locate(test_crops, PROTEIN)
    truth = test_crops.entities[LOCATION]
    assert set(found.places) == set(PLACES)
    assert (found.cells["best"] == truth).mean() > 0.85
    held = [one in said.split("|") for one, said in zip(truth, found.cells["set"], strict=True)]
    assert np.mean(held) > 0.85
    assert len(found.wells) == 14
    assert (found.wells["cells"] == 4).all()
    np.testing.assert_allclose(found.wells[list(found.places)].sum(axis=1), 1)
    first = test_crops.entities.iloc[0]
    assert found.wells.loc[f"{first['batch']}/{first['well']}", "best"] == first[LOCATION]
    # Another lamp is no other place.
    values = test_crops.values * np.array([1, 0.2, 1, 1], dtype=np.float32)[:, None, None]
    dim = locator.locate(test_crops.replace(values=values), PROTEIN)
    assert (dim.cells["best"] == found.cells["best"]).all()


def test_higher_levels_give_larger_sets(locator, test_crops):
    found = [locator.locate(test_crops, PROTEIN, level=level) for level in (0.5, 0.99)]
    sizes = [each.cells["set"].str.count(r"\|").sum() for each in found]
    assert sizes[1] > sizes[0]


@pytest.mark.slow
def test_simulated_cells_stand_in_for_labels(test_crops):
    found = Locator.simulated(plates=3, wells=1, cells=6, hard=(0.5, 1.5)).locate(test_crops, PROTEIN)
    assert SIMULATED in found.notes[0]
    assert (found.cells["best"] == test_crops.entities[LOCATION]).mean() > 0.6


def test_what_is_missing_is_named(locator, test_crops):
    with pytest.raises(DataError, match="well"):
        locator.locate(test_crops.replace(entities=test_crops.entities.drop(columns="well")), PROTEIN)
    with pytest.raises(UnknownNameError, match="place"):
        Locator.fit(test_crops, PROTEIN, column="compartment")
    with pytest.raises(UnknownNameError, match="GFP"):
        locator.locate(test_crops, "GFP")
