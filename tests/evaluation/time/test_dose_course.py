"""Hours are found where a file states them, and controls of the same time are taken where there are any."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.evaluation.time.dose_course import DoseCourse


def cells(*groups, time=True, each=24):
    """As many cells of each (perturbation, time)."""
    labels, times = (np.repeat(np.array(column, dtype=object), each) for column in zip(*groups, strict=True))
    table = pd.DataFrame({"perturbation": labels}, index=[f"cell{i}" for i in range(len(labels))])
    table = table.assign(time=times.astype(float)) if time else table
    values = np.random.default_rng(0).poisson(5.0, (len(labels), 4)).astype(float)
    return Measurement(values, np.array(list("abcd"), dtype=object), table, "counts")


def test_hours_are_read_however_a_file_states_them():
    by_time = DoseCourse.of(cells(("control", 5.0), ("drug:A@1uM", 6.0), ("drug:A@1uM", 8.0)))
    by_label = DoseCourse.of(cells(("control", 0), ("drug:A@1uM for 1h", 0), ("drug:A@1uM for 3h", 0), time=False))
    both = DoseCourse.of(cells(("control", 3.0), ("drug:A@1uM for 1h", 3.0), ("drug:A@1uM for 3h", 3.0)))
    alone = DoseCourse.of(cells(("control", 1.0), ("control", 2.0), ("control", 4.0)))
    zero = DoseCourse.of(cells(("drug:A@1uM for 0h", 0), ("drug:A@1uM for 1h", 0), ("drug:A@1uM for 3h", 0)))
    for course in (by_time, by_label, both, alone, zero):
        assert course.later.tolist() == [1.0, 3.0]
        assert len(course.controls_for(1.0)) == 24
    assert by_time.agent == "drug:A@1uM"
    assert alone.agent == ""


def test_controls_of_the_same_time_are_taken():
    course = DoseCourse.of(
        cells(("control", 24.0), ("control", 48.0), ("drug:A@1uM for 6h", 24.0), ("drug:A@1uM for 12h", 48.0))
    )
    assert set(course.clock[course.controls_for(6.0)]) == {24.0}
    assert set(course.clock[course.controls_for(12.0)]) == {48.0}


def test_halves_are_disjoint_and_even():
    course = DoseCourse.of(cells(("control", 0.0), ("ko:A", 1.0), ("ko:A", 3.0)))
    first = course.halves(0)
    assert [first[course.hours == hours].sum() for hours in (0.0, 1.0, 3.0)] == [12, 12, 12]
    assert (first != course.halves(1)).any()


def test_what_cannot_be_read_is_refused():
    with pytest.raises(DataError, match="two later times"):
        DoseCourse.of(cells(("control", 0.0), ("ko:A", 1.0)))
    with pytest.raises(DataError, match=r"too few at 0,1,3 h"):
        DoseCourse.of(cells(("control", 0.0), ("ko:A", 1.0), ("ko:A", 3.0), each=5))
    with pytest.raises(DataError, match="hours under the agent"):
        DoseCourse.of(cells(("control", 0), ("ko:A", 0), time=False))
    with pytest.raises(DataError, match="hours under the agent"):
        DoseCourse.of(cells(("ko:A", 1.0), ("ko:A", 3.0)))
    with pytest.raises(UnknownNameError, match="Name the one"):
        DoseCourse.of(cells(("control", 0.0), ("ko:A", 1.0), ("ko:B", 3.0)))
