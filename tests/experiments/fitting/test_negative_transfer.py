import numpy as np
import pytest

from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, HeldOut
from aivc.core.virtual_cell import VirtualCell
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting import negative_transfer
from aivc.experiments.fitting.fit import assemble, fit
from aivc.experiments.fitting.shared_fit import Recipe, shared_fit
from aivc.experiments.fitting.summary import summarize
from aivc.experiments.predict import predict

F = 40


def held_out(gains, departures=None, seed=0):
    """Perturbations on which a method is better (positive) or worse (negative) than the mean effect."""
    rng, found = np.random.default_rng(seed), []
    for i, gain in enumerate(gains):
        truth, wrong = rng.standard_normal(F), rng.standard_normal(F)
        floor, said = truth + wrong, truth + wrong * np.sqrt(1 - gain)
        departure = 0.1 * i if departures is None else departures[i]
        about = (np.zeros(F), floor, Applicability.EDGE, "line1", departure)
        found.append(HeldOut(said, np.ones(F), truth, 50.0, *about))
    return found


def test_negative_transfer_and_gain_are_those_of_the_held_out():
    answer = negative_transfer.comparison(held_out([0.5] * 15 + [-0.5] * 5))
    assert (answer["n"], answer["of"], answer["harm_rate"]) == (20, {"edge": 20}, 0.25)
    assert answer["gain"] == pytest.approx(0.25, abs=0.1)
    assert answer["gain_low"] < answer["gain"] < answer["gain_high"]
    assert negative_transfer.comparison(held_out([0.5] * 20))["gain_low"] == pytest.approx(0.5)


def test_the_mean_effect_worsens_nothing_and_gains_nothing():
    answer = negative_transfer.comparison(held_out([0.0] * 12))
    assert (answer["harm_rate"], answer["gain"]) == (0, 0)


def test_what_was_not_measured_worsens_nothing():
    given = held_out([0.5, 0.5, -0.5])
    given[2].measured[:] = np.nan
    assert negative_transfer.comparison(given)["harm_rate"] == 0


def test_thirds_that_do_not_gain_are_not_trusted():
    chosen = negative_transfer.rule(held_out([-0.5] * 10 + [0.5] * 10 + [0.3] * 10))
    assert chosen.trusted == (False, True, True)
    assert not chosen.trusts(0.05)
    assert chosen.trusts(1.5)
    given = held_out([-0.5] * 10 + [0.5] * 20)
    answered = negative_transfer.abstain(given, chosen)
    np.testing.assert_array_equal(answered[0].predicted, given[0].floor)
    assert answered[20] is given[20]
    assert negative_transfer.comparison(answered)["harm_rate"] == 0


@pytest.mark.parametrize(("count", "groups"), [(9, None), (10, 1), (19, 1), (20, 2), (30, 3), (300, 3)])
def test_fewer_are_cut_into_fewer_groups(count, groups):
    chosen = negative_transfer.rule(held_out([0.5] * count))
    assert chosen is None if groups is None else len(chosen.trusted) == groups == len(chosen.cuts) + 1


def test_the_mean_effect_itself_is_not_trusted_more_than_itself():
    chosen = negative_transfer.rule(held_out([0.0] * 30, departures=list(np.arange(30) * 1e-33)))
    assert not any(chosen.trusted)


def test_an_interval_of_the_gain_draws_a_perturbation_with_all_its_contexts():
    alone = held_out([-0.1, 0.4] * 10)
    six = [each._replace(perturbation=f"ko:G{i}") for i, each in enumerate(alone) for _ in range(6)]
    once, often = negative_transfer.comparison(alone), negative_transfer.comparison(six)
    assert often["gain_high"] - often["gain_low"] == pytest.approx(once["gain_high"] - once["gain_low"], rel=0.1)


def test_equal_departures_make_one_group():
    chosen = negative_transfer.rule(held_out([-0.1] * 30, departures=[0.0] * 30))
    assert not chosen.trusts(0.0)


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=24, features=40, cells=15, controls=60, seed=1)


def test_the_card_states_negative_transfer_and_gain(screen):
    cells, truth = screen
    cell = fit(cells, parts=truth.priors, recipe=Recipe(dim=6, members=2, inner_folds=3))
    answer = cell.card["left_out"]
    assert answer["n"] == sum(answer["of"].values()) == 24
    assert 0 <= answer["harm_rate"] < 0.5
    assert answer["gain_low"] <= answer["gain"] <= answer["gain_high"]
    assert "abstains" not in cell.card
    floor = fit(cells, "mean-effect", recipe=Recipe(dim=6, members=0, inner_folds=3)).card["left_out"]
    assert (floor["harm_rate"], floor["gain"]) == (0, 0)


def test_a_method_without_knowledge_abstains_and_says_so(screen, tmp_path):
    cells, truth = screen
    ground = shared_fit(summarize(cells), Recipe(dim=6, members=2, inner_folds=3))
    # With the labels of the knowledge shuffled, nothing gains: the mean effect answers all that was not measured.
    answer = {"parts": truth.priors, "shuffled": "priors"}
    bold, shy = (assemble(ground, "nearest", **answer, abstain=abstain) for abstain in (False, True))
    assert bold.card["left_out"]["gain"] < 0
    assert shy.card["left_out"] == bold.card["left_out"]
    assert shy.card["left_out_abstaining"]["gain"] > bold.card["left_out"]["gain"]
    shy.save(tmp_path / "cell")
    again, floor = VirtualCell.load(tmp_path / "cell"), assemble(ground, "mean-effect")
    silent = 0
    for text in ("ko:G0030", "ko:G0031", "ko:G0032", truth.perturbations[0]):
        asked, start = Perturbation.parse(text), ground.start("line1")
        said = predict(again, start, asked, allow_unknown=True)
        silent += said.abstained
        instead = predict(floor if said.abstained else bold, start, asked, allow_unknown=True)
        np.testing.assert_allclose(said.effect, instead.effect)
        assert ("mean-effect" in said.made_by) is said.abstained
        assert np.isfinite(said.effect_interval()[0]).all()
    assert silent
    assert not said.abstained, "what was measured is always answered"
