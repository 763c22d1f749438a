"""A gallery shows controls, the same cells moved, and what is nearest to them; and refuses what was not imaged."""

import numpy as np
import pytest

from aivc import fit
from aivc.core.errors import DataError, UnknownNameError
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.gallery import drawable, gallery, has_album
from tiny_images import screen_of_crops

LARGE, DIM = "drug:large@1uM", "drug:dim@1uM"
RECIPE = Recipe(dim=12, members=0, inner_folds=0)


@pytest.fixture(scope="module")
def cell():
    return fit(screen_of_crops(per_well=24), "mean-effect", recipe=RECIPE)


def test_the_same_cells_stand_under_each_other_at_one_contrast(cell):
    found = gallery(cell, DIM, cells=3)
    control, moved, near, real = (row.images for row in found.rows)
    assert [len(each) for each in (control, moved, near, real)] == [3, 3, 3, 3]
    assert found.channels == ("DNA", "Actin")
    assert control.shape[1] == 2
    dna = [np.corrcoef(a[0].ravel(), b[0].ravel())[0, 1] for a, b in zip(control, moved, strict=True)]
    assert min(dna) > 0.9
    assert moved[:, 1].mean() < 0.7 * control[:, 1].mean()
    assert (found.contrast[:, 0] < found.contrast[:, 1]).all()
    assert found.um_per_pixel == 0.5


def test_it_says_how_often_the_nearest_cell_was_treated_so(cell):
    found = gallery(cell, DIM)
    after, before, _ = found.nearest
    assert after > 0.7 > before
    said = " ".join(found.notes)
    assert "is copied from the measured control cell" in said
    assert "No microscope has learned from the cells shown" in said
    assert f"{after:.0%} lie nearest" in said


def test_it_is_the_same_every_time(cell):
    for one, two in zip(gallery(cell, DIM, seed=3).rows, gallery(cell, DIM, seed=3).rows, strict=True):
        np.testing.assert_array_equal(one.images, two.images)


def test_what_was_not_imaged_is_refused(cell):
    assert drawable(cell) == [DIM, LARGE]
    assert drawable(cell, "elsewhere") == []
    with pytest.raises(UnknownNameError, match="drawn only under what was imaged"):
        gallery(cell, "drug:large@3uM")
    with pytest.raises(UnknownNameError, match="in the same context"):
        gallery(cell, LARGE, context="elsewhere")
    cells, _ = synthetic_screen(perturbations=3, features=20, cells=10, controls=20, seed=0)
    plain = fit(cells, "mean-effect", recipe=Recipe(dim=4, members=0, inner_folds=0))
    assert not has_album(plain)
    with pytest.raises(DataError, match="fitted on no images"):
        gallery(plain, "ko:A")
