import dataclasses

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import GUARANTEED, NOT_GUARANTEED, Applicability, Calibration, HeldOut
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.protocol.evaluate import evaluate
from aivc.evaluation.protocol.questions import EvaluationSet
from aivc.experiments.fitting.fit import assemble
from aivc.experiments.fitting.shared_fit import Recipe, shared_fit
from aivc.experiments.predict import predict
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


@pytest.mark.slow
def test_90_percent_intervals_hold_90_percent_of_unseen_perturbations():
    covered = {"ridge-on-priors": [], "mean-effect": []}
    for seed in range(3):
        screen, truth = synthetic_screen(perturbations=24, features=50, cells=30, controls=120, seed=seed)
        split = unseen_perturbation(screen, folds=2, seed=seed)
        recipe = Recipe(dim=8, members=3, inner_folds=4, seed=seed)
        result = evaluate(screen, split, ["ridge-on-priors"], parts=truth.priors, recipe=recipe, cells=20)
        for method, values in covered.items():
            values.append(result.value(method, "coverage90"))
            answer = result.body["calibration"][method]
            assert answer["covered"] == sorted(answer["covered"])
            assert answer["width"] == sorted(answer["width"])
    for values in covered.values():
        assert 0.85 <= np.mean(values) <= 0.95


@pytest.mark.parametrize(
    ("method", "few"),
    [
        pytest.param("mean-effect", 40, marks=pytest.mark.slow),
        pytest.param("effect.v2", 40, marks=pytest.mark.slow),
        pytest.param("effect.v2", 400, marks=pytest.mark.slow),
    ],
)
def test_90_percent_intervals_hold_90_percent_of_effects_measured_against_fresh_controls(method, few):
    fresh, same = [], []
    for seed in range(4):
        screen, truth = synthetic_screen(perturbations=40, features=60, cells=40, controls=few, seed=seed)
        evaluation = EvaluationSet.prepare(screen, unseen_perturbation(screen, folds=2, seed=seed), cells=2, seed=seed)
        for fold in range(2):
            ground = shared_fit(evaluation.training(fold), Recipe(dim=12, members=2, inner_folds=4, seed=seed))
            cell = assemble(ground, method, parts=truth.priors)
            for each in evaluation.questions(fold):
                asked = Perturbation.parse(each.perturbation)
                # The mean effect knows nothing of a gene that was left out, and answers by default.
                said = predict(cell, ground.start(each.context), asked, allow_unknown=True)
                other = ~np.isin(screen.features, asked.genes)
                effect = each.truth.profile - each.control.profile
                low, high = said.effect_interval(0.9, cells=each.truth.cells, controls=each.control.cells)
                fresh.append(((effect >= low) & (effect <= high))[other].mean())
                # The profile itself is predicted from the given controls, whose noise is no other than it was.
                moved = each.truth.profile - each.given.profile + said.base
                low, high = said.interval(0.9, cells=each.truth.cells)
                same.append(((moved >= low) & (moved <= high))[other].mean())
    assert np.mean(fresh) == pytest.approx(0.9, abs=0.02)
    assert np.mean(same) == pytest.approx(0.9, abs=0.02)


def test_fresh_controls_make_intervals_of_effects_wider_the_fewer_they_are(decoder):
    given = [each._replace(shared=1 / 40, follows=1.0) for each in held_out(20)]
    said = calibrated(decoder, given, variance=np.full(30, 10.0)).decode(decoder[1])
    assert said.calibration.controls == pytest.approx(40)
    widths = [np.mean(np.subtract(*said.interval(0.9, controls=n)[::-1])) for n in (10.0, 40.0, 400.0, np.inf)]
    assert widths == sorted(widths, reverse=True)
    # A method that takes over all of the noise of its own controls makes it good for the profile, and for that alone.
    assert widths[3] > 1.05 * np.mean(np.subtract(*said.interval(0.9)[::-1]))


def test_a_control_without_noise_changes_nothing(decoder):
    said = calibrated(decoder, held_out(20), variance=np.full(30, 10.0)).decode(decoder[1])
    assert said.calibration.controls == np.inf
    np.testing.assert_allclose(said.interval(0.9), said.interval(0.9, controls=np.inf))


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


def test_genes_that_are_predicted_badly_get_wider_intervals(decoder):
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


def answer(count, f=30, *, kinds=(Applicability.EDGE,), wide=None, seed=0):
    """Held-out perturbations whose predicted effects differ in size, and whose errors are ``wide`` by kind and size."""
    rng, found = np.random.default_rng(seed), []
    for i in range(count):
        kind, size = kinds[i % len(kinds)], 1.0 + i % 3
        error = rng.standard_normal(f) * (1.0 if wide is None else wide(kind, size))
        about = (np.full(f, -size), None, kind, "line1")
        found.append(HeldOut(np.zeros(f), np.full(f, 0.1), error, 50.0, *about))
    return found


def asked(part, ur, size, kind=Applicability.EDGE, spread=0.1):
    said = part.decode(ur)
    profiles = said.mean + spread * np.array([[1.0], [-1.0]]) / np.sqrt(2)
    return said.replace(draws=said.draws * 2, profiles=profiles, base=said.mean - size, applicability=kind)


def width(said):
    low, high = said.interval(0.9)
    return float((high - low).mean())


def test_strong_effects_get_wider_intervals_where_errors_grow_with_them(decoder):
    part = calibrated(decoder, answer(60, wide=lambda _, size: size))
    for size in (1.0, 2.0, 3.0):
        assert width(asked(part, decoder[1], size)) == pytest.approx(2 * 1.645 * size, rel=0.15)


def test_every_third_by_predicted_strength_is_covered(decoder):
    part = calibrated(decoder, answer(90, wide=lambda _, size: size**1.5))
    rng = np.random.default_rng(5)
    for size in (1.0, 2.0, 3.0):
        low, high = asked(part, decoder[1], size).interval(0.9)
        new = (low + high) / 2 + size**1.5 * rng.standard_normal((300, 30))
        assert ((new >= low) & (new <= high)).mean() == pytest.approx(0.9, abs=0.04)


def test_answers_from_poor_evidence_get_intervals_of_their_own(decoder):
    kinds = (Applicability.IN, Applicability.OUT)
    part = calibrated(decoder, answer(200, kinds=kinds, wide=lambda kind, _: 1.0 if kind == "in" else 4.0))
    sure, unsure = (width(asked(part, decoder[1], 2.0, kind)) for kind in kinds)
    assert unsure > 2.5 * sure
    few = calibrated(decoder, answer(8, kinds=kinds, wide=lambda kind, _: 1.0 if kind == "in" else 4.0))
    sure, unsure = (width(asked(few, decoder[1], 2.0, kind)) for kind in kinds)
    assert unsure < 2 * sure, "a few held-out perturbations are drawn toward all of them"


def test_errors_of_one_kind_of_evidence_may_grow_while_those_of_another_do_not(decoder):
    kinds = (Applicability.IN, Applicability.OUT)
    part = calibrated(decoder, answer(300, kinds=kinds, wide=lambda kind, size: 1.5 if kind == "in" else size**1.5))
    flat, grown = ([width(asked(part, decoder[1], size, kind)) for size in (1.0, 3.0)] for kind in kinds)
    assert flat[1] / flat[0] == pytest.approx(1, abs=0.25)
    assert grown[1] / grown[0] == pytest.approx(3**1.5, rel=0.25)


def test_each_perturbation_counts_once_whatever_is_asked(decoder):
    part = calibrated(decoder, answer(40, kinds=tuple(Applicability)))
    calibration = part.calibration
    for kind in range(len(Applicability)):
        for third in range(3):
            like = calibration._likeness(kind, third)
            assert (calibration.weights * like[calibration.groups]).sum() == pytest.approx(1)


def test_coverage_is_promised_for_questions_like_those_held_out_and_for_no_others(decoder):
    part = calibrated(decoder, answer(12))
    ur = decoder[1]
    assert asked(part, ur, 2.0).coverage == GUARANTEED
    assert asked(part, ur, 2.0, Applicability.OUT).coverage == NOT_GUARANTEED
    assert asked(part, ur, 9.0).coverage == NOT_GUARANTEED
    assert asked(part, ur, 2.0).replace(base=None).coverage == NOT_GUARANTEED
    assert asked(part, ur, 2.0).replace(calibration=None).coverage == NOT_GUARANTEED
    other_contexts = dataclasses.replace(ur, entities=ur.entities.assign(context="line9"))
    assert asked(part, other_contexts, 2.0).coverage == NOT_GUARANTEED
    assert asked(calibrated(decoder, answer(12), contexts=()), other_contexts, 2.0).coverage == GUARANTEED
    assert asked(calibrated(decoder, held_out(12)), ur, 2.0).coverage == NOT_GUARANTEED


def test_what_it_learned_is_saved(decoder):
    part = calibrated(decoder, answer(30, kinds=tuple(Applicability)))
    again = Conformal.from_state(part.state())
    for kind in Applicability:
        one, other = (asked(each, decoder[1], 2.5, kind) for each in (part, again))
        np.testing.assert_array_equal(one.interval(0.9), other.interval(0.9))
        assert one.coverage == other.coverage
