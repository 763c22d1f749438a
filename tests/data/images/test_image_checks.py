"""Each fault of images is said once, before any work, and sound images say nothing."""

import numpy as np
import pytest

from aivc.data.images.image_checks import blurred
from aivc.data.io.check import check
from tiny_images import screen_of_crops

SCREEN = screen_of_crops()


def changed(values=None, **about):
    image = {**SCREEN.provenance["image"], **about}
    return SCREEN.replace(values=SCREEN.values if values is None else values, provenance={"image": image})


def edited(change):
    values = SCREEN.values.copy()
    change(values)
    return values


def copy_over(values):
    values[1] = values[0]


def copy_across(values):
    values[20] = values[0]


def lose(values):
    values[:, 1] = 7


def lose_some(values):
    values[3:5, 1] = 7


def move(values):
    values[2, 2] = np.roll(values[2, 2], 12, axis=0)


def mark(values):
    values[2, 2] *= 9


FAULTS = {
    "lost": (changed(edited(lose)), "problems", "Channel Actin holds one value in each entity"),
    "contradiction": (changed(edited(copy_across)), "problems", "crop-20 is an exact copy of crop-0"),
    "no mask": (changed(edited(mark)), "problems", "mask:nucleus is a mask"),
    "deep": (changed(bits=8), "problems", "more than 8 bits hold"),
    "copy": (changed(edited(copy_over)), "notes", "1 of 72 entities are exact copies"),
    "lost in some": (changed(edited(lose_some)), "notes", "2 of 72 entities hold one value in channel Actin"),
    "cut": (changed(edited(move)), "notes", r"1 of 72 entities are cut by the border in mask:nucleus"),
    "depth": (changed(), "notes", "which 9 bits hold, of 16"),
    "limit": (changed(np.minimum(SCREEN.values, 255), bits=8), "notes", "at the limit in channel DNA"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(name):
    images, where, said = FAULTS[name]
    found = getattr(check(images, species="none"), where)
    assert any(said in text for text in found), found


def test_sound_images_have_no_problem():
    found = check(changed(bits=9), species="none")
    assert not found.problems
    assert not [text for text in found.notes if "DNA" in text or "Actin" in text or "mask" in text]


def test_an_image_out_of_focus_stands_out():
    sharp = np.random.default_rng(0).normal(-2, 0.2, 200)
    sharp[17] = -6
    assert blurred(sharp).tolist() == [17]
    assert not len(blurred(np.r_[np.nan, sharp[:5]]))
