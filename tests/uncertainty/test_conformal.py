import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL
from aivc.core.prediction import Calibration, HeldOut
from aivc.data.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.evaluate import evaluate
from aivc.experiments.groundwork import Recipe
from aivc.instruments.decoders.linear_expression import LinearExpression
from aivc.representations.cellular.count_pca import CountPCA
from aivc.uncertainty import conformal
from aivc.uncertainty.conformal import Conformal


@pytest.fixture(scope="module")
def decoder():
    screen, _ = synthetic_screen(perturbations=4, features=30, cells=20, controls=60)
    cells = screen.take(screen.perturbations == CONTROL)
    ur = CountPCA.fit(cells, dim=4).encode(cells)
    return LinearExpression.fit(ur, cells), ur, cells


def held_out(count, f=30, size=1.0, seed=0, cells=50.0):
    errors = np.random.default_rng(seed).normal(0, size, (count, f))
    return [HeldOut(np.zeros(f), np.zeros(f), error, cells) for error in errors]


def calibrated(decoder, given, **settings):
    part, ur, cells = decoder
    return Conformal.fit(ur, cells, decoder=part, held_out=given, **settings)


def test_90_percent_intervals_hold_90_percent_of_unseen_perturbations():
    covered = {"ridge-on-priors": [], "mean-effect": []}
    for seed in range(3):
        screen, truth = synthetic_screen(perturbations=24, features=50, cells=30, controls=120, seed=seed)
        split = unseen_perturbation(screen, folds=2, seed=seed)
        recipe = Recipe(dim=8, members=3, inner_folds=4, seed=seed)
        result = evaluate(screen, split, ["ridge-on-priors"], parts=truth.priors, recipe=recipe, cells=20)
        for method, values in covered.items():
            values.append(result.value(method, "coverage90"))
            told = result.body["calibration"][method]
            assert told["covered"] == sorted(told["covered"])
            assert told["width"] == sorted(told["width"])
    for values in covered.values():
        assert 0.85 <= np.mean(values) <= 0.95


def test_intervals_hold_new_errors_of_the_size_of_the_old(decoder):
    part = calibrated(decoder, held_out(40))
    said = part.decode(decoder[1])
    low, high = said.interval(0.9)
    new = said.mean + np.random.default_rng(9).normal(0, 1, (500, 30))
    assert ((new >= low) & (new <= high)).mean() == pytest.approx(0.9, abs=0.03)


def test_higher_levels_are_wider(decoder):
    said = calibrated(decoder, held_out(20)).decode(decoder[1])
    widths = [np.mean(np.subtract(*said.interval(level)[::-1])) for level in (0.3, 0.5, 0.8, 0.9, 0.95)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    quantiles = [said.calibration.quantile(level) for level in np.linspace(0.05, 0.95, 19)]
    assert quantiles == sorted(quantiles)


def test_fewer_cells_make_wider_intervals(decoder):
    part = calibrated(decoder, held_out(20), variance=np.full(30, 10.0))
    said = part.decode(decoder[1])
    widths = [np.mean(np.subtract(*said.interval(0.9, cells=cells)[::-1])) for cells in (5.0, 50.0, 500.0)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 1.2 * widths[2]
    np.testing.assert_allclose(said.interval(0.9), said.interval(0.9, cells=50.0))


def test_genes_that_are_foretold_badly_get_wider_intervals(decoder):
    loud = [each._replace(measured=each.measured * np.where(np.arange(30) < 5, 4, 1)) for each in held_out(30)]
    low, high = calibrated(decoder, loud).decode(decoder[1]).interval(0.9)
    assert (high - low)[:5].min() > 2 * (high - low)[5:].max()


def test_a_perturbation_weighs_the_same_however_many_features_it_brings(decoder):
    given = held_out(3)
    few = given[0].measured.copy()
    few[2:] = np.nan
    part = calibrated(decoder, [given[0]._replace(measured=few), *given[1:]])
    assert len(part.scores) == 2 + 30 + 30
    assert np.isclose(np.unique(part.weights).max(), 15 * np.unique(part.weights).min())
    assert (np.diff(part.scores) >= 0).all()


def test_many_scores_are_thinned_without_moving_the_quantiles(decoder, monkeypatch):
    given = held_out(100)
    whole = calibrated(decoder, given).decode(decoder[1]).calibration
    monkeypatch.setattr(conformal, "_KEPT", 500)
    thinned = calibrated(decoder, given).decode(decoder[1]).calibration
    assert len(whole.scores) == 3000
    assert len(thinned.scores) == 500
    for level in (0.1, 0.5, 0.8, 0.9, 0.95):
        assert thinned.quantile(level) == pytest.approx(whole.quantile(level), rel=0.02)
        assert thinned.quantile(level) >= whole.quantile(level)


def test_calibration_leaves_the_profile_as_it_is(decoder):
    part, ur, _ = decoder
    np.testing.assert_array_equal(calibrated(decoder, held_out(5)).profile(ur), part.decode(ur).mean)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_held_out_are_refused(decoder, count):
    with pytest.raises(DataError, match=f"at least two held-out perturbations, got {count}.*without calibration"):
        calibrated(decoder, held_out(count))


def test_without_a_decoder_there_is_nothing_to_calibrate(decoder):
    with pytest.raises(DataError, match="needs a fitted decoder"):
        Conformal.fit(decoder[1], decoder[2], held_out=held_out(5))


def test_a_level_beyond_the_weight_at_hand_is_infinite():
    part = Calibration(np.zeros(1), np.ones(1), np.array([0.5, 1.0]), np.array([0.3, 0.3]), 10.0)
    assert part.quantile(0.3) == 0.5
    assert part.quantile(0.6) == 1.0
    assert part.quantile(0.7) == float("inf")
