"""Profiles name metrics that exist and say what they are."""

from importlib.metadata import EntryPoint, entry_points

import pytest

from aivc.core.errors import UnknownNameError
from aivc.core.registry import METRICS, names
from aivc.core.registry import PROFILES as REGISTERED
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


def test_ours_are_registered_as_a_strangers_would_be():
    assert set(PROFILES) <= set(names("profiles"))
    assert all(REGISTERED.load(name) == PROFILES[name] for name in PROFILES)


def test_a_package_adds_a_profile_of_its_own(register):
    installed = entry_points(group="aivc.metrics")
    register(EntryPoint("tiny", "tiny_parts:PROFILES", "aivc.profiles"), *installed)
    assert [each.name for each in profile("tiny")] == ["mse-unbiased"]
    with pytest.raises(UnknownNameError, match=r"entry point aivc\.profiles"):
        profile("nothing-like-it")
