from itertools import pairwise

import numpy as np
import pytest

from aivc.core.errors import UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.core.schedule import Schedule
from aivc.experiments.exposure import Course, Exposure, at_different_times, courses
from tiny_series import both

KO = Perturbation.parse("ko:A")


def measured(*hours, end=24.0, begin=0.0):
    questions = tuple(Perturbation(KO.agents, each) for each in hours) or (KO,)
    return Exposure(Course(KO.agents, begin, end), questions, hours)


def shares(exposure, times):
    found = [exposure.increments(a, b) for a, b in pairwise(times)]
    return [sum(share for _, share in each) for each in found]


def test_courses_are_the_longest_times_of_each_agent():
    found = courses(Schedule.parse("ko:A for 2h; wait 0h; ko:A for 1h; wait 1h; ko:A + ko:B for 2h; ko:C for 0h"))
    assert [(" + ".join(map(str, c.agents)), c.begin, c.end) for c in found] == [
        ("ko:A", 0.0, 3.0),
        ("ko:A + ko:B", 4.0, 6.0),
    ]


def test_an_effect_without_hours_is_whole_at_the_end_of_its_course():
    np.testing.assert_allclose(shares(measured(begin=6.0, end=18.0), [6.0, 9.0, 12.0, 18.0]), [0.25, 0.25, 0.5])
    assert measured(begin=6.0, end=18.0).increments(0.0, 6.0) == []
    assert "not measured" in measured().assumption


def test_an_effect_sets_in_up_to_its_hours_and_stays():
    np.testing.assert_allclose(shares(measured(12.0), [0.0, 6.0, 12.0, 24.0]), [0.5, 0.5, 0.0])
    assert measured(12.0).too_long
    assert "no more" in measured(12.0).assumption
    assert not measured(48.0).too_long


def test_between_measured_hours_it_goes_on_a_line_from_one_to_the_next():
    parts = {str(q): share for q, share in measured(6.0, 24.0).increments(6.0, 15.0)}
    assert parts == pytest.approx({"ko:A for 6h": -0.5, "ko:A for 24h": 0.5})


def test_steps_add_up_to_the_whole():
    for exposure in (measured(), measured(12.0), measured(6.0, 24.0), measured(48.0)):
        fine, once = np.zeros(len(exposure.questions)), np.zeros(len(exposure.questions))
        place = {str(q): i for i, q in enumerate(exposure.questions)}
        for begin in np.arange(0.0, 24.0, 2.0):
            for question, share in exposure.increments(begin, begin + 2):
                fine[place[str(question)]] += share
        for question, share in exposure.increments(0.0, 24.0):
            once[place[str(question)]] += share
        np.testing.assert_allclose(fine, once, atol=1e-12)


def test_hours_and_names_are_those_that_the_cell_was_fitted_on():
    (course,) = courses(Schedule.parse("drug:Blocker@1000nM for 3h"))
    exposure = Exposure.of(both(), course)
    assert [str(each) for each in exposure.questions] == ["drug:blocker@1uM for 24h"]
    assert exposure.increments(0.0, 3.0)[0][1] == pytest.approx(1 / 8)
    with pytest.raises(UnknownNameError, match="unheard-of"):
        Exposure.of(both(), courses(Schedule.parse("drug:unheard-of@1uM for 3h"))[0])


def test_overlap_is_said():
    found = [measured(end=4.0), measured(begin=2.0, end=6.0)]
    assert "are added" in at_different_times(found)
    assert at_different_times([measured(end=2.0), measured(begin=2.0, end=6.0)]) == ""
