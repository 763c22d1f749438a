"""Controls moved to a drug show what it did to others, and stay where they were otherwise."""

import numpy as np
import pytest

from aivc.core.errors import ControlError, DataError, UnknownNameError
from aivc.core.state import State
from aivc.instruments.decoders.images.synthetic_microscope import SyntheticMicroscope
from tiny_images import screen_of_crops

DIM, LARGE = "drug:dim@1uM", "drug:large@1uM"


@pytest.fixture(scope="module")
def screen():
    return screen_of_crops(per_well=20, side=24).select(["DNA", "Actin"])


def of(screen, plate, label):
    here = (screen.entities["batch"] == plate) & (screen.entities["perturbation"] == label)
    return screen.take(here.to_numpy())


def bright(measurement):
    return measurement.dense().astype(float).mean(axis=(2, 3))


def dna_area(measurement):
    image = measurement.dense()[:, 0].astype(float)
    return (image > image.mean(axis=(1, 2), keepdims=True) + image.std(axis=(1, 2), keepdims=True)).mean()


def test_controls_of_another_plate_take_on_what_the_drug_did(screen):
    train = screen.take((screen.entities["batch"] == "one").to_numpy())
    control, real = of(screen, "two", "control"), of(screen, "two", DIM)
    moved = SyntheticMicroscope.fit(train, perturbation=DIM).decode(control)
    before, after, made = (bright(each).mean(axis=0) for each in (control, real, moved))
    assert abs(made[0] / after[0] - 1) < 0.05
    assert abs(np.log(made[1] / after[1])) < 0.3 * abs(np.log(before[1] / after[1]))
    assert set(moved.perturbations) == {DIM}
    assert list(moved.entities.index) == list(control.entities.index)


def test_nuclei_grow_where_the_drug_makes_them_larger(screen):
    train = screen.take((screen.entities["batch"] == "one").to_numpy())
    control, real = of(screen, "two", "control"), of(screen, "two", LARGE)
    microscope = SyntheticMicroscope.fit(train, perturbation=LARGE)
    before, after, made = (dna_area(each) for each in (control, real, microscope.decode(control)))
    assert microscope.size > 1
    assert abs(made - after) < 0.6 * abs(before - after)
    assert "is copied from the measured control cell" in microscope.notes[0]
    assert "Gradient energy" in microscope.notes[1]


def test_it_comes_back_from_disk(screen, tmp_path):
    microscope = SyntheticMicroscope.fit(screen, perturbation=DIM)
    microscope.state().save(tmp_path)
    control = of(screen, "one", "control")
    back = SyntheticMicroscope.from_state(State.load(tmp_path)).decode(control)
    np.testing.assert_array_equal(back.values, microscope.decode(control).values)


def test_what_cannot_be_moved_is_refused(screen):
    with pytest.raises(UnknownNameError, match="drug:large"):
        SyntheticMicroscope.fit(screen, perturbation="drug:larg@1uM")
    alone = screen.take((screen.perturbations == DIM) | (screen.entities["batch"] == "three").to_numpy())
    with pytest.raises(ControlError, match="Add the controls of its plate"):
        SyntheticMicroscope.fit(alone, perturbation=DIM)
    microscope = SyntheticMicroscope.fit(screen, perturbation=DIM)
    with pytest.raises(ControlError, match="Take the controls"):
        microscope.decode(screen)
    with pytest.raises(DataError, match="24 × 24"):
        microscope.decode(screen_of_crops(per_well=1, side=32).take(np.array([0])))
