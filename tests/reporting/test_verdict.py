"""A verdict claims no more than its interval allows, and says what it does not know."""

import pytest

from aivc.reporting.verdict import spoken_metric, verdict
from evaluator_bodies import full_body, plain_body

GAIN = {"value": 0.3, "low": 0.2, "high": 0.4, "n": 9}


def said(**gain):
    body = plain_body()
    body["scores"]["ridge"]["pearson"]["gain"] = {**GAIN, **gain}
    return verdict({}, "ridge", body)


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        ({}, "was shown to beat"),
        ({"low": -0.1}, "was not shown to beat"),
        ({"low": -0.4, "high": -0.1}, "was shown to be worse than"),
        ({"n": 5}, "had too few questions to be shown to beat"),
        ({"low": None, "high": None}, "had too few questions to be shown to beat"),
    ],
)
def test_the_words_follow_the_interval_of_the_paired_gain(gain, words):
    assert f"On this screen ridge {words} the mean effect on Pearson of effects (" in said(**gain)
    assert said(**gain).endswith("repeats itself at 0.80 (the replicate ceiling).")


def test_it_is_said_on_how_many_scores_the_method_wins():
    assert ", on 1 of all 2 scores it was, and the experiment" in said()
    assert ", on 0 of all 2 scores it was, and the experiment" in said(low=-0.1)


def test_a_score_that_cannot_tell_is_not_spoken_of():
    body = full_body()
    body["metrics"] = {"mse": body["metrics"]["mse"], "pearson": body["metrics"]["pearson"]}
    assert spoken_metric(body) == "pearson"
    body["dynamic_range"]["mse"]["usable"] = True
    assert spoken_metric(body) == "mse"
    body["metrics"]["pearson-delta"] = body["metrics"]["pearson"]
    assert spoken_metric(body) == "pearson-delta"


def test_without_a_replicate_the_ceiling_is_said_to_be_missing():
    body = plain_body()
    del body["scores"]["replicate"]
    body["scores"]["ridge"]["pearson"]["gain"] = GAIN
    assert "how far the experiment repeats could not be scored" in verdict({}, "ridge", body)


def test_a_cell_without_data_speaks_of_what_was_left_out():
    card = {"left_out": {"n": 25, "gain": 0.1, "gain_low": -0.04, "gain_high": 0.2, "harm_rate": 0.3}}
    text = verdict(card, "effect.v2")
    assert "On 25 measured effects left out while it was fitted, effect.v2 was not shown to beat" in text
    assert "[−4%, 20%]" in text
    assert "needs its data" in text
    assert text.count(". ") == 0


def test_where_nothing_was_left_out_nothing_is_claimed():
    assert "is not known" in verdict({}, "nearest")
    body = plain_body()
    assert "is not known" in verdict({}, "unheard-of", body)
