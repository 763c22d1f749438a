"""Light is found where it was drawn, whatever the lamp and the background; what cannot be measured is refused."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.images.subcellular import complete, regions_of, spot_radius, subcellular
from aivc.data.synthetic_locations import PROTEIN, TRUE_SHARE, synthetic_locations
from tiny_images import disk

SIDE, MIDDLE = 48, (24, 24)
NUCLEUS, CELL = disk(SIDE, MIDDLE, 7), disk(SIDE, MIDDLE, 18)
FEATURE = "Cells_Subcellular_{}_P"


def crops(*lights, nucleus=NUCLEUS, cell=CELL):
    values = np.array([[light, nucleus, cell] for light in lights], dtype=np.float32)
    names = np.array(["P", "mask:nucleus", "mask:cell"], dtype=object)
    index = pd.DataFrame({"perturbation": "control"}, index=[f"c{i}" for i in range(len(lights))])
    return Measurement(values, names, index, "intensity", modality="image")


def of(table, name):
    return table.select([FEATURE.format(name)]).dense()[:, 0]


def test_shares_are_those_that_were_drawn():
    half = NUCLEUS / NUCLEUS.sum() + (CELL & ~NUCLEUS) / (CELL & ~NUCLEUS).sum()
    border = CELL & ~disk(SIDE, MIDDLE, 16)
    spots = disk(SIDE, (24, 36), 1) | disk(SIDE, (12, 24), 1)
    table = subcellular(crops(NUCLEUS * 1.0, 100 * half, border * 1.0, 0.1 * CELL + 5.0 * spots))
    np.testing.assert_allclose(of(table, "NucleusShare")[:3], [1, 0.5, 0], atol=0.01)
    np.testing.assert_allclose(sum(of(table, f"{part}Share") for part in ("Nucleus", "Cytoplasm", "Periphery")), 1)
    assert of(table, "PeripheryShare")[2] > 0.9
    assert of(table, "CytoplasmPuncta").argmax() == 3
    ratio = of(table, "NucleusOverCytoplasm")
    assert ratio[0] > ratio[1] > 0 > ratio[2]


def test_rings_follow_the_light_from_the_nucleus_to_the_border():
    far = regions_of(NUCLEUS[None], CELL[None]).way[0]
    assert far[NUCLEUS].max() == 0
    table = subcellular(crops(np.where(CELL & ~NUCLEUS, far, 0)))
    rings = [of(table, f"MeanFrac_{i}of4")[0] for i in range(1, 5)]
    assert rings == sorted(rings)


def test_lamp_background_and_rotation_change_nothing():
    drawn = synthetic_locations(wells=1, cells=2, plates=1, seed=3)
    values = drawn.values.copy()
    values[:, :2] = 0.3 * values[:, :2] + 700
    turned = np.rot90(drawn.values, 1, (2, 3)).copy()
    table = subcellular(drawn, [PROTEIN]).values
    np.testing.assert_allclose(subcellular(drawn.replace(values=values), [PROTEIN]).values, table, atol=5e-3)
    np.testing.assert_allclose(subcellular(drawn.replace(values=turned), [PROTEIN]).values, table, atol=1e-3)


def test_the_nuclear_share_follows_the_truth_and_other_masks_do_not():
    drawn = synthetic_locations(wells=2, cells=4, plates=1, seed=1)
    true = drawn.entities[TRUE_SHARE].astype(float)
    name = [f"Cells_Subcellular_NucleusShare_{PROTEIN}"]
    own = subcellular(drawn, [PROTEIN]).select(name).dense()[:, 0]
    assert np.corrcoef(own, true)[0, 1] > 0.93
    values = drawn.values.copy()
    values[:, 2:] = np.roll(values[:, 2:], (SIDE // 2, SIDE // 2), axis=(2, 3))
    other = subcellular(drawn.replace(values=values), [PROTEIN]).select(name).dense()[:, 0]
    assert np.corrcoef(other, true)[0, 1] < 0.5


def test_a_crop_gives_the_same_whatever_stands_beside_it():
    drawn = synthetic_locations(wells=1, cells=1, plates=1)
    alone = np.concatenate([subcellular(drawn.take(np.array([i])), spot=1.5).values for i in range(3)])
    np.testing.assert_allclose(subcellular(drawn, spot=1.5).values[:3], alone, rtol=1e-5, atol=1e-6)
    assert 1 < spot_radius(drawn) < 3


def test_what_has_no_nucleus_or_cytoplasm_is_named_and_refused():
    good, bad = crops(CELL * 1.0), crops(CELL * 1.0, nucleus=0 * NUCLEUS)
    assert [*complete(good), *complete(bad), *complete(crops(CELL * 1.0, cell=NUCLEUS))] == [True, False, False]
    with pytest.raises(DataError, match="complete"):
        subcellular(bad)
    with pytest.raises(DataError, match="Cut crops"):
        subcellular(good.replace(values=good.values[:, :, :40]))
    with pytest.raises(DataError, match="above 0"):
        subcellular(good, spot=0)
    with pytest.raises(UnknownNameError, match="GFP"):
        subcellular(good, ["GFP"])
    with pytest.raises(UnknownNameError, match="mask"):
        subcellular(good.select(["P", "mask:cell"]))
