"""What a challenge would say of a method, from means that were scored here."""

import pytest

from aivc.evaluation.metrics.vcc2026 import SIX
from aivc.evaluation.scores.challenges import challenges


def rows(**values):
    return {name: {metric: {"value": value} for metric in SIX} for name, value in values.items()}


def scores(mean, ceiling):
    table = rows(**{"ours": mean, "mean-effect": 0.5, "replicate": ceiling})
    for metric in ("vcc26-mse", "vcc26-lfc-nmae"):
        for name, value in (("ours", 1 - mean), ("mean-effect", 0.5), ("replicate", 1 - ceiling)):
            table[name][metric] = {"value": value}
    return table


def test_a_method_halfway_to_the_replicate_scores_a_half():
    found = challenges(scores(0.7, 0.9))["vcc2026"]
    assert set(found) == {"ours"}
    assert found["ours"]["mean"] == pytest.approx(0.5)


def test_without_a_scale_the_reason_is_given_instead_of_a_number():
    assert "must be better than that of the baseline" in challenges(scores(0.7, 0.4))["vcc2026"]["reason"]


def test_a_challenge_whose_metrics_were_not_computed_is_left_out():
    assert challenges({"mean-effect": {"pearson-delta": {"value": 0.1}}}) == {}
