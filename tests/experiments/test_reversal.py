"""Ways never use the patient asked, and what is read of an effect is what its geometry says."""

import numpy as np
import pytest

from aivc.experiments.reversal import Reversal


@pytest.fixture
def profiles():
    rng = np.random.default_rng(0)
    sick = rng.normal(0, 0.1, (4, 5))
    return sick, sick + rng.normal(0, 0.1, (4, 5)) + np.array([1, 0, 0, 0, 0])


def test_the_way_of_a_patient_is_that_of_the_others(profiles):
    sick, healthy = profiles
    way = Reversal.of(sick, healthy, times=1)
    sick[1], healthy[1] = 100, -100
    again = Reversal.of(sick, healthy, times=1)
    others = [0, 2, 3]
    expected = healthy[others].mean(axis=0) - sick[others].mean(axis=0)
    for each in (way, again):
        assert np.allclose((each.ways @ each.profiles)[1], expected)
    assert not np.allclose((way.ways @ way.profiles)[0], (again.ways @ again.profiles)[0])


def test_an_effect_that_is_the_way_goes_all_of_it(profiles):
    found = Reversal.of(*profiles, times=50)
    way_af = found.ways @ found.profiles
    read = found.read(way_af)
    assert np.allclose(read["toward"], 1)
    assert np.allclose(read["cosine"], 1)
    assert np.allclose(read["aside"], 0, atol=1e-6)
    assert (read["closer"] > 0.8).all()
    assert read["reversed"].all()
    across_af = np.tile([0.0, 0, 0, 0, 2], (4, 1))
    across_af -= (across_af * way_af).sum(axis=1, keepdims=True) / (way_af**2).sum(axis=1, keepdims=True) * way_af
    read = found.read(across_af)
    assert np.allclose(read["toward"], 0)
    assert (read["aside"] > 1.5).all()
    assert (read["closer"] < 0).all()
    assert np.allclose(found.read(np.zeros((4, 5)))["cosine"], 0)


def test_the_interval_holds_the_mean_and_widens_with_differences_between_patients(profiles):
    sick, healthy = profiles
    effect_af = np.tile([0.5, 0, 0, 0, 0], (4, 1))
    found = Reversal.of(sick, healthy, times=300)
    low, high = found.interval(effect_af, 0.9)
    assert low < found.read(effect_af)["toward"].mean() < high
    other = effect_af * np.array([[0.2], [0.6], [1.4], [1.8]])
    wide = found.interval(other, 0.9)
    assert wide[1] - wide[0] > 2 * (high - low)


@pytest.mark.parametrize(("paired", "arrangements"), [(True, 16), (False, 70)])
def test_labels_are_exchanged_within_patients_or_dealt_among_them(profiles, paired, arrangements):
    sick, healthy = profiles
    if not paired:
        none = np.full((4, 5), np.nan)
        sick, healthy = np.vstack([sick, none]), np.vstack([none, healthy])
    found = Reversal.of(sick, healthy, times=1)
    assert found.paired == paired
    along_r = found.along(np.array([1.0, 0, 0, 0, 0]))
    assert len(along_r) == arrangements
    assert along_r[0] == along_r.max() > 0.9
    assert np.allclose(np.sort(along_r), np.sort(-along_r))
    assert found.repeats > 0.8
    assert found.along(np.zeros(5)).tolist() == [0.0] * arrangements


def test_many_patients_are_relabeled_at_random_and_the_true_labels_come_first():
    rng = np.random.default_rng(1)
    sick, healthy = rng.normal(0, 0.1, (12, 3)), rng.normal(1, 0.1, (12, 3))
    none = np.full((12, 3), np.nan)
    for sides in ((sick, healthy), (np.vstack([sick, none]), np.vstack([none, healthy]))):
        found = Reversal.of(*sides, times=1)
        assert len(found.relabels) == 501
        assert found.along(np.ones(3)).argmax() == 0
