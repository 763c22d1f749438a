"""A section and its image are brought together; what the stain shows is read off another section."""

import numpy as np
import pytest

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.experiments.slide import fit_slide, gene_skill, load_slide_decoder, slide
from tiny_slides import SIDE, stained


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("slide")


@pytest.fixture(scope="module")
def made(place):
    return slide(stained(place, "one.png"), place / "one.png", side=32)


def test_a_gene_that_the_stain_shows_is_read_off_a_new_section(place, made):
    fitted = fit_slide(made, genes=10)
    skill = gene_skill(fitted).set_index("gene")
    assert skill.index[0] == "dense"
    assert skill.loc["dense", "shown"]
    assert "rare" not in skill.index
    fitted.state().save(place / "reader")
    other = stained(place, "two.png", seed=5)
    new = slide(other, place / "two.png", side=32)
    predicted = load_slide_decoder(place / "reader").decode(new.patches.images)
    true = np.log(new.spots.select(["dense"]).dense()[:, 0] + 1)
    assert np.corrcoef(predicted.select(["dense"]).dense()[:, 0], true)[0, 1] > 0.7
    assert set(predicted.features) == set(skill.index[skill["shown"]])


def test_spots_at_the_edge_are_named_and_sizes_said(place, made):
    assert made.patches.kept.sum() == len(made.spots) == (SIDE - 2) ** 2
    assert "32 spots are left out, since their patch leaves the image: 0-0, 0-1" in made.notes[1]
    um = slide(stained(place, "one.png"), place / "one.png", um_per_pixel=0.5, width=16)
    assert "32 pixels, 16 µm, a side" in um.notes[0]


def test_positions_in_um_and_another_scale_are_the_same_places(place, made):
    spots = stained(place, "one.png")
    bare = spots.replace(entities=spots.entities[[]])
    from_um = slide(bare, place / "one.png", um_per_pixel=0.5)
    np.testing.assert_array_equal(from_um.patches.images.coordinates, made.patches.images.coordinates)
    twice = spots.replace(entities=spots.entities * 2)
    scaled = slide(twice, place / "one.png", scale=0.5)
    np.testing.assert_array_equal(scaled.patches.images.coordinates, made.patches.images.coordinates)


def test_what_is_missing_is_asked_for(place, made):
    spots = stained(place, "one.png")
    with pytest.raises(DataError, match="um_per_pixel"):
        slide(spots.replace(entities=spots.entities[[]]), place / "one.png")
    with pytest.raises(UnknownNameError, match="x and y"):
        slide(spots, place / "one.png", columns=("x", "y"))
    two = spots.replace(entities=spots.entities.assign(section=["a"] * 40 + ["b"] * 41))
    with pytest.raises(DataError, match="Name one"):
        slide(two, place / "one.png")
    with pytest.raises(UnknownNameError, match="section"):
        slide(two, place / "one.png", section="c")
    with pytest.raises(DataError, match="scale is a number above 0"):
        slide(spots, place / "one.png", scale=0.0)
    with pytest.raises(IntegrityError, match="Fit a section"):
        load_slide_decoder(place / "nowhere")
    with pytest.raises(DataError, match="No gene is seen"):
        fit_slide(made._replace(spots=made.spots.select(["rare"])))
