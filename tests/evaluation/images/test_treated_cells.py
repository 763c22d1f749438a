"""A drug that does the same on both plates: copying gains nothing, moving cells does, exchanged labels do not."""

import numpy as np
import pytest

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.evaluation.images.treated_cells import TrainingAxes, TreatedCells, distances
from tiny_images import screen_of_crops

LARGE = "drug:large@1uM"
SETTINGS = {
    "dataset": "made-up",
    "rows": 120,
    "plates": ["one", "two"],
    "perturbations": [LARGE],
    "reader": "morphology",
    "axes": 5,
    "clip": 8.0,
    "halves": 3,
}
METHODS = (
    "copy-control",
    "other-half",
    "training-cells",
    "shifted-training-cells",
    "moved-cells",
    "moved-cells:shuffled",
    "mean-image",
    "synthetic-microscope",
)


@pytest.fixture(scope="module")
def screen():
    return screen_of_crops(per_well=20, side=24).select(["DNA", "Actin"])


@pytest.fixture(scope="module")
def found(screen):
    protocol = TreatedCells()
    protocol.require(SETTINGS, METHODS)
    rows = [row for method in METHODS for row in protocol.run({"made-up": screen}, SETTINGS, method, 0)]
    return {(row.method, row.fold, row.metric): row for row in rows}


def test_copying_gains_nothing_and_the_other_half_all(found):
    for kind in ("images", "features"):
        for metric in ("w1", "frechet"):
            assert found["copy-control", "", f"{kind}_gain_{metric}"].value == pytest.approx(0.0, abs=1e-9)
            assert found["other-half", "", f"{kind}_gain_{metric}"].value == pytest.approx(1.0)
    assert found["other-half", "", "images_sharpness"].value == pytest.approx(1.0)
    assert len({fold for _, fold, _ in found} - {""}) == 2


def test_moved_cells_gain_and_exchanged_labels_do_not(found):
    own, shuffled = (
        found[method, "", "features_gain_frechet"].value for method in ("moved-cells", "moved-cells:shuffled")
    )
    assert own > 0.7
    assert shuffled < own - 0.4
    assert found["moved-cells", "", "effect_cosine"].value > 0.9
    assert ("moved-cells", "", "images_gain_w1") not in found
    assert "standard deviation over halves" in found["moved-cells", f"one → two, {LARGE}", "features_gain_w1"].note


def test_images_are_scored_apart_and_a_mean_image_is_blurred(found):
    assert found["synthetic-microscope", "", "images_gain_w1"].value > 0.1
    assert found["synthetic-microscope", "", "effect_cosine"].value > 0.5
    sharp = [found[method, "", "images_sharpness"].value for method in ("mean-image", "synthetic-microscope")]
    assert sharp[0] < sharp[1]
    assert ("synthetic-microscope", "", "features_gain_w1") not in found
    assert "DNA" in found["synthetic-microscope", f"one → two, {LARGE}", "images_gain_w1"].note


def test_a_method_alone_scores_as_it_does_among_all(screen, found):
    rows = TreatedCells().run({"made-up": screen}, SETTINGS, "shifted-training-cells", 0)
    for row in rows:
        assert row == found[row.method, row.fold, row.metric]


def test_distances_are_those_of_shifted_points():
    draw = np.random.default_rng(0)
    cells = draw.normal(size=(40, 3))
    assert distances(cells[::-1], cells) == pytest.approx((0.0, 0.0), abs=1e-5)
    assert distances(cells + np.array([3.0, 0, 0]), cells)[1] == pytest.approx(9.0, abs=1e-5)
    axes = TrainingAxes.fit(np.c_[cells, np.ones(40)], np.arange(40) < 30, axes=2, clip=8.0)
    assert axes(np.c_[cells, np.ones(40)]).shape == (40, 2)
    assert not axes.kept[3]


def test_what_cannot_be_asked_is_refused(screen):
    for method in ("moon", "training-cells:shuffled"):
        with pytest.raises(UnknownNameError):
            TreatedCells().require(SETTINGS, [method])
    with pytest.raises(SpaceError, match="no table of features"):
        TreatedCells().require(SETTINGS | {"reader": "ppca"}, [])
    with pytest.raises(IntegrityError, match="lack halves"):
        TreatedCells().require({key: value for key, value in SETTINGS.items() if key != "halves"}, [])
    with pytest.raises(IntegrityError, match="frozen on 7 cells"):
        TreatedCells().run({"made-up": screen}, SETTINGS | {"rows": 7}, "moved-cells", 0)
