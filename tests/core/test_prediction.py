import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Calibration, Prediction
from aivc.testing import sample_measurement, sample_ur


def make(draws=20, spread=1.0):
    ur, random = sample_ur(dim=3).take(np.arange(10)), np.random.default_rng(0)
    moved = tuple(ur.moved(random.normal(0, spread, 3), "ko:A") for _ in range(draws))
    return Prediction(moved, ("mover",), Applicability.EDGE)


def calibrated():
    """Expected errors 1, 2 and 3 on four cells, scored on three held-out perturbations."""
    scores, weights = np.array([0.5, 1.5, 2.5]), np.full(3, 0.25)
    return Calibration(np.array([4.0, 4.0, 4.0]), np.array([0.0, 3.0, 8.0]), scores, weights, 4.0)


def reading(ur):
    values = np.column_stack([ur.values, ur.values[:, :1]])
    names = np.array(list("ABCD"), dtype=object)
    return Prediction((Measurement(values, names, ur.entities, "arbitrary"),), ("reader",), Applicability.IN)


def test_profile_is_the_mean_of_each_draw():
    answer = make()
    assert answer.profiles.shape == (20, 3)
    np.testing.assert_allclose(answer.profiles[4], answer.draws[4].mean)
    np.testing.assert_allclose(answer.mean, answer.profiles.mean(axis=0))
    np.testing.assert_allclose(answer.spread, answer.profiles.std(axis=0, ddof=1))


def test_one_draw_has_no_spread():
    np.testing.assert_array_equal(make(draws=1).spread, np.zeros(3))


def test_interval_without_calibration_is_that_of_the_draws():
    answer = make(draws=200)
    low, high = answer.interval(0.9)
    inside = ((low <= answer.profiles) & (answer.profiles <= high)).mean()
    assert inside == pytest.approx(0.9, abs=0.02)
    assert (answer.interval(0.5)[0] > low).all()


def test_interval_with_calibration_is_symmetric_and_scaled():
    answer = make(draws=1).replace(calibration=calibrated())
    low, high = answer.interval(0.5)
    np.testing.assert_allclose(high - answer.mean, 1.5 * np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(answer.mean - low, high - answer.mean)
    assert np.isinf(answer.interval(0.9)[1]).all()


def test_calibrated_interval_widens_with_fewer_cells_and_with_spread():
    sure, unsure = (make(draws=8, spread=spread).replace(calibration=calibrated()) for spread in (0.0, 2.0))
    width = [high - low for low, high in (sure.interval(0.5), sure.interval(0.5, cells=1.0), unsure.interval(0.5))]
    assert (width[1] > width[0]).all()
    np.testing.assert_allclose((width[2] / 3) ** 2, (width[0] / 3) ** 2 + unsure.spread**2)


@pytest.mark.parametrize(("level", "score"), [(0.2, 0.5), (0.25, 0.5), (0.26, 1.5), (0.75, 2.5), (0.76, np.inf)])
def test_quantile_leaves_the_weight_of_the_one_asked_about(level, score):
    assert calibrated().quantile(level) == score


def test_the_effect_is_the_difference_from_the_start():
    base, recognized = np.array([1.0, -2.0, 0.5]), np.array([3.0, 2.0, 1.0])
    answer = make().replace(base=base)
    np.testing.assert_allclose(answer.effect, answer.mean - base)
    np.testing.assert_array_equal(answer.retrieval_effect, answer.effect)
    np.testing.assert_allclose(answer.replace(retrieval=recognized).retrieval_effect, recognized - base)
    np.testing.assert_allclose(answer.effect_interval(0.8), np.array(answer.interval(0.8)) - base)


def test_the_interval_of_the_effect_counts_the_noise_of_fresh_controls():
    shared = dataclasses.replace(calibrated(), shared=1 / 4)
    answer = make(draws=1).replace(calibration=shared, base=np.zeros(3))
    few, many = (np.subtract(*answer.effect_interval(0.5, controls=n)[::-1]) for n in (2.0, 100.0))
    assert (few > many).all()
    default = answer.interval(0.5, controls=shared.controls)
    np.testing.assert_allclose(answer.effect_interval(0.5), default)


@pytest.mark.parametrize("asked", ["effect", "retrieval_effect", "control"])
def test_without_its_start_a_prediction_knows_no_effect(asked):
    with pytest.raises(DataError, match=r"Ask VirtualCell\.predict"):
        getattr(make(), asked)
    with pytest.raises(DataError, match="difference from the start"):
        make().effect_interval()


def test_cells_that_were_not_read_yet_are_read_for_a_population():
    whole = make(draws=4).then(reading)
    mean = Measurement(whole.mean[None], whole.draws[0].features, whole.draws[0].entities.iloc[:1], "arbitrary")
    quick = Prediction((mean,), whole.made_by, whole.applicability, unread=lambda: whole)
    np.testing.assert_array_equal(quick.population(8, seed=3).dense(), whole.population(8, seed=3).dense())
    assert quick.replace(made_by=("other",)).unread is not None
    assert len(quick.replace(draws=(mean,)).population(8)) == 1


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 90.0])
def test_impossible_levels_are_refused(level):
    with pytest.raises(ValueError, match=r"Ask for interval\(0.9\)"):
        make().interval(level)


def test_then_passes_every_draw_on():
    answer = make(draws=5)
    chained = answer.then(reading)
    assert chained.made_by == ("mover", "reader")
    assert chained.applicability is Applicability.EDGE
    assert len(chained.draws) == 5
    assert chained.profile_units == "arbitrary"
    np.testing.assert_allclose(chained.profiles[:, :3], answer.profiles)


def test_the_mean_serves_for_retrieval_until_another_profile_is_stated():
    answer = make()
    np.testing.assert_array_equal(answer.retrieval_mean, answer.mean)
    assert answer.then(reading).retrieval is None
    stated = answer.replace(retrieval=np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(stated.retrieval_mean, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(stated.mean, answer.mean)


def test_then_reads_the_population_moved_to_the_retrieval_state():
    chained = make().replace(retrieval=np.array([1.0, 2.0, 3.0])).then(reading)
    np.testing.assert_allclose(chained.retrieval, [1.0, 2.0, 3.0, 1.0])
    np.testing.assert_allclose(chained.mean, make().then(reading).mean)


def test_a_step_may_state_a_retrieval_profile_of_its_own():
    chained = make().then(lambda ur: reading(ur).replace(retrieval=np.full(4, ur.mean[0])))
    np.testing.assert_allclose(chained.retrieval, np.full(4, make().mean[0]))


def test_measurements_cannot_be_moved_to_a_retrieval_profile():
    read = make().replace(retrieval=np.zeros(3)).then(reading)
    with pytest.raises(DataError, match="Pass on the prediction of states"):
        read.then(lambda measurement: read)


def test_a_retrieval_profile_of_other_axes_is_refused():
    with pytest.raises(DataError, match=r"wanted shape \(3,\), got \(2,\)"):
        make().replace(retrieval=np.zeros(2))


def test_then_is_as_sure_as_its_least_sure_step():
    stated = make(draws=2).replace(applicability=Applicability.IN)
    assert (
        stated.then(lambda ur: reading(ur).replace(applicability=Applicability.OUT)).applicability is Applicability.OUT
    )


def test_predictions_that_contradict_themselves_are_refused():
    with pytest.raises(DataError, match="at least one draw"):
        Prediction((), ("x",), Applicability.IN)
    ur = sample_ur(dim=3)
    with pytest.raises(DataError, match="as many profiles, got 2"):
        Prediction((ur,), ("x",), Applicability.IN, np.zeros((2, 3)))
    with pytest.raises(DataError, match="in one space"):
        Prediction((ur, sample_ur(dim=2)), ("x",), Applicability.IN)
    cells = sample_measurement().take(np.arange(4))
    for other in (cells.select(["G01", "G00"]), cells.select(["G00", "G01"]).replace(units="arbitrary")):
        with pytest.raises(DataError, match="share features and units"):
            Prediction((cells.select(["G00", "G01"]), other), ("x",), Applicability.IN)


def test_measurement_profiles_take_the_units_of_the_draws():
    cells = Measurement(np.eye(2), np.array(["A", "B"]), pd.DataFrame(index=["x", "y"]), "counts")
    answer = Prediction((cells,), ("x",), Applicability.IN)
    assert answer.profile_units == "counts"
    np.testing.assert_array_equal(answer.mean, [0.5, 0.5])


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().draws = ()
