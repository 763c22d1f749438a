"""Suffixes of methods, and what a manipulator of time must take, are known before any work."""

import numpy as np
import pytest

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.core.registry import MANIPULATORS
from aivc.evaluation.time.time_inputs import EXTRAPOLATE, cells_at, fitted, refused, require_of_time


def cells():
    return cells_at(np.random.default_rng(0).normal(size=(40, 2)), np.repeat([0.0, 24.0], 20))


def test_only_manipulators_of_time_and_their_suffixes_are_let_pass():
    require_of_time(["mine", "copy-time", "copy-time:shuffled"], ["mine"])
    require_of_time(["copy-time:extrapolate"], [], suffixes=(EXTRAPOLATE,), keyword="counts")
    for method in ("mean-effect", "copy-time:extrapolate", "mine:shuffled"):
        with pytest.raises(UnknownNameError, match="manipulator of time"):
            require_of_time([method], ["mine"])
    with pytest.raises(UnknownNameError):
        require_of_time(["copy-time"], [], keyword="moons")


def test_where_a_manipulator_lies_says_whether_it_is_of_time():
    for name in MANIPULATORS.names():
        kind = MANIPULATORS.load(name)
        lies = MANIPULATORS.module(name).startswith("aivc.instruments.manipulators.time.")
        assert lies == kind.needs_times or not MANIPULATORS.module(name).startswith("aivc."), name


def test_only_who_was_told_to_answers_beyond_the_last_time():
    settings, asked = {"draws": 3}, Perturbation((), 24.0)
    start = cells().take(np.arange(20, 40))
    made = fitted("copy-time:extrapolate", cells(), settings, 0)
    assert len(made.manipulate(start, asked).draws) == 3
    with pytest.raises(PerturbationError) as said:
        fitted("copy-time", cells(), settings, 0).manipulate(start, asked)
    (row,) = refused("copy-time", "", ["w1"], said.value)
    assert row.value is None
    assert row.note.startswith("refused: copy-time was fitted on times from 0 to 24 h")


def test_arguments_of_the_settings_reach_the_fit():
    made = fitted("transport.v1", cells(), {"draws": 1, "fit": {"transport.v1": {"curved": False}}}, 0)
    assert not made.curved
