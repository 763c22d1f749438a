"""Series of a table: times left out say what answers are worth, intervals hold, and zeros are never shared."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.experiments.signal_courses import MODEL, NULL, SIMPLE, leave_times_out, time_courses
from aivc.experiments.time_series import Readings
from tiny_courses import SECONDS, course


def test_times_left_out_are_met_and_intervals_hold():
    (found,) = time_courses(course()[0], splits=2)
    score = found.left_out.set_index("method")
    assert found.made_by == MODEL
    assert score.loc[MODEL, "rmse"] < score.loc[list(SIMPLE), "rmse"].min()
    assert abs(score.loc[NULL, "r"]) < 0.15
    assert score.loc[MODEL, "r"] > 0.8
    assert 0.8 < score.loc[MODEL, "held"] < 0.98
    said = found.at([90.0])
    assert said["signal"].tolist() == [f"s{i}" for i in range(200)]
    rng = np.random.default_rng(0)
    size, rate = rng.normal(size=200), rng.uniform(20, 200, 200)
    truth = size * (1 - np.exp(-90 / rate))
    assert 0.75 < ((said["low"] <= truth) & (truth <= said["high"])).mean() <= 1
    assert np.corrcoef(said["effect"], truth)[0, 1] > 0.95


def test_where_the_model_is_no_better_a_simple_answer_is_given():
    readings, _ = course(0.0, sites=60)
    (found,) = time_courses(readings, splits=1)
    score = found.left_out.set_index("method")["rmse"].drop(NULL)
    assert score[found.made_by] == score.min()
    made = found.__class__(
        found.name, found.signals, found.readings, found.left_out, "no effect", found.level
    )  # fmt: skip
    assert "Answers are made by: no effect" in made.note
    assert (made.at([100.0])["effect"] == 0).all()
    assert (made.at([100.0])["high"] > 0).all()


def test_simple_answers_are_what_their_names_say():
    zero, later = np.zeros((2, 1)), (np.ones((1, 1)), np.full((1, 1), 3.0))
    readings = Readings(np.array([10.0, 1000.0]), zero, later)
    said = {name: say(readings, np.array([5.0, 100.0])).ravel().tolist() for name, say in SIMPLE.items()}
    assert said["no effect"] == [0, 0]
    assert said["nearest time"][0] == 1
    assert said["mean of the times"] == [2, 2]
    assert said["line in log time"] == pytest.approx([0.5, 2.0])


def test_each_series_has_its_own_zero():
    one, two = course(seed=0)[0], course(seed=1)[0]
    frame = pd.concat([one.entities, two.entities.assign(batch="two")])
    both = Measurement(np.vstack([one.values, two.values + 5]), one.features, frame, "arbitrary")
    found = time_courses(both, by="batch", splits=1)
    assert [each.name for each in found] == ["one", "two"]
    alone = time_courses(two, splits=1)[0].at([90.0])
    np.testing.assert_allclose(found[1].at([90.0])["effect"], alone["effect"], atol=1e-4)
    rows = np.flatnonzero((frame["batch"] == "one") | (frame["time"] > 0))
    with pytest.raises(DataError, match="series two was read at 30, 60"):
        time_courses(both.take(rows), by="batch")


def test_signals_that_samples_lack_are_left_out_and_counted():
    cells, _ = course(sites=20)
    seen = np.ones(cells.values.shape, bool)
    seen[3, 4] = False
    (found,) = time_courses(cells.replace(observed=seen), splits=1)
    assert (found.dropped, len(found.signals), "s4" in found.signals) == (1, 19, False)
    with pytest.raises(DataError, match="No signal has a value"):
        time_courses(cells.replace(observed=np.zeros(seen.shape, bool)))


def test_what_cannot_be_scored_says_so():
    cells, _ = course(seconds=SECONDS[:2], sites=10)
    (found,) = time_courses(cells)
    assert "not known" in found.note
    assert leave_times_out(found.readings).empty


def test_what_is_no_time_course_is_refused():
    cells, _ = course(sites=10)
    with pytest.raises(DataError, match="time_unit"):
        time_courses(cells.replace(entities=cells.entities.drop(columns="time")))
    with pytest.raises(UnknownNameError, match="animal"):
        time_courses(cells, by="animal")
    with pytest.raises(DataError, match="no replicates"):
        time_courses(course(replicates=1, sites=10)[0])
    (found,) = time_courses(cells, splits=1)
    for outside in (0.0, 700.0):
        with pytest.raises(DataError, match="from 0 to 600 s"):
            found.at([outside])
