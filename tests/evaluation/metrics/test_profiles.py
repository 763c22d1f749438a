"""Profiles name metrics that exist and say what they are."""

import pytest

from aivc.core.errors import UnknownNameError
from aivc.core.registry import METRICS
from aivc.evaluation.metrics.profiles import PROFILES, metric, profile


@pytest.mark.parametrize("name", PROFILES)
def test_every_metric_of_a_profile_says_what_it_is(name):
    found = profile(name)
    assert tuple(each.name for each in found) == PROFILES[name]
    for each in found:
        answer = each.to_json()
        assert answer["direction"] in ("up", "down", "none")
        assert all(answer[key] for key in ("label", "formula", "source", "undefined"))


def test_the_default_is_what_every_evaluation_reports():
    ours = [name for name in METRICS.names() if METRICS.origin(name).startswith("aivc ")]
    assert sorted(PROFILES["default"]) == ours


def test_labels_are_distinguished():
    labels = [metric(name).label for name in {each for names in PROFILES.values() for each in names}]
    assert len(labels) == len(set(labels))


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'perturbench'"):
        profile("perturbenhc")
    with pytest.raises(UnknownNameError, match="Did you mean 'wmse'"):
        metric("wmsee")
