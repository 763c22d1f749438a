"""A cell fitted on crops reads crops and answers in morphology; what a split holds back is in no part of it."""

import numpy as np
import pytest

from aivc import VirtualCell, fit
from aivc.core.errors import DataError, UnknownNameError
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.splits.split import CONTROL_TRAIN, TRAIN
from aivc.experiments.fitting.fit_images import ALBUM, image_table
from aivc.experiments.fitting.shared_fit import Recipe
from tiny_images import screen_of_crops

LARGE, DIM = "drug:large@1uM", "drug:dim@1uM"
SCREEN = screen_of_crops(per_well=16)
RECIPE = Recipe(dim=12, members=0, inner_folds=0)


@pytest.fixture(scope="module")
def cell():
    return fit(SCREEN, "transfer", recipe=RECIPE)


def test_it_reads_crops_and_says_how_morphology_moves(cell):
    states = cell.encode(SCREEN)
    np.testing.assert_allclose(states.values, cell.encode(image_table(SCREEN)).values, atol=1e-3)
    said = cell.predict(cell.start(), LARGE)
    features = list(said.draws[0].features)
    assert said.effect[features.index("Nuclei_AreaShape_Area")] > 0.5
    assert abs(said.effect[features.index("Cells_AreaShape_Area")]) < 0.1


def test_brightness_is_in_the_table_and_in_no_state(cell):
    brighter = SCREEN.replace(values=SCREEN.values * np.array([2, 2, 1, 1], dtype=np.uint16)[:, None, None])
    moved = np.abs(cell.encode(brighter).values - cell.encode(SCREEN).values)
    assert np.median(moved) < 0.02 * np.abs(cell.encode(SCREEN).values).mean()
    assert "Nuclei_Intensity_MeanIntensity_DNA" in cell.decode(cell.start()).draws[0].features


def test_it_is_saved_with_its_album_and_what_that_was_made_from(cell, tmp_path):
    cell.save(tmp_path / "cell")
    back = VirtualCell.load(tmp_path / "cell")
    assert back.digest == cell.digest
    assert back.card["images"]["channels"] == ["DNA", "Actin", "mask:nucleus", "mask:cell"]
    assert back.provenance[ALBUM] == back.provenance["transfer"]
    assert {path.suffix for path in (tmp_path / "cell").rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_what_a_split_holds_back_is_not_in_the_album():
    split = unseen_perturbation(image_table(SCREEN), folds=2, seed=0)
    made = fit(SCREEN, "mean-effect", recipe=RECIPE, split=split, fold=0)
    roles = split.roles(SCREEN, 0).astype(str)
    given = SCREEN.entities.index[np.isin(roles, (TRAIN, CONTROL_TRAIN))]
    assert set(made.instruments[ALBUM].names) <= set(given)
    held = set(SCREEN.perturbations) - set(SCREEN.take(np.isin(roles, (TRAIN, CONTROL_TRAIN))).perturbations)
    assert held
    assert not held & set(made.instruments[ALBUM].labels)


def test_other_encoders_are_refused():
    with pytest.raises(UnknownNameError, match="Leave --encoder out"):
        fit(SCREEN, "mean-effect", recipe=Recipe(encoder="count-pca"))


def test_fields_are_refused_before_any_work():
    wide = SCREEN.replace(values=np.zeros((len(SCREEN), 4, 300, 300), np.uint8))
    with pytest.raises(DataError, match="Declare masks and crop"):
        fit(wide, "mean-effect", recipe=RECIPE)
