"""An effect that grows with the logarithm of time is found from the other hours; noise shared with controls is not."""

import numpy as np
import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.data.synthetic_dose_of_time import synthetic_dose_of_time
from aivc.evaluation.time import time_as_dose as time_as_dose_module
from aivc.evaluation.time.dose_course import DoseCourse
from aivc.evaluation.time.time_as_dose import DEFAULTS, TimeAsDose, _axes, _fitted_on, _held_out, time_as_dose

SMALL = {"splits": 3, "seeds": 2, "sets": 1, "draws": 2, "fitted": 60}


def scores(rise, methods=(), seed=0, **more):
    cells, _ = synthetic_dose_of_time(rise=rise, cells=160, features=40, seed=seed)
    table = time_as_dose(cells, methods, settings={**SMALL, **more})
    return table.set_index(["fold", "metric", "method"])[["value", "note"]]


def test_effects_and_cells_that_grow_with_log_time_are_found():
    table = scores("log-time", ("mixture-time", "mixture-time:log-time"))["value"]
    for fold in ("effect of 1 h", "effect of 3 h"):
        of_effect = table[fold, "pearson"]
        assert of_effect["linear-log-time"] > 0.85
        assert of_effect["zero"] == 0.0
        rmse = table[fold, "rmse"]
        assert rmse["linear-log-time"] < 0.85 * min(rmse["zero"], rmse["copy-effect"])
    # A clock of log time brings cells halfway by 1 h, and one of hours a third of the way.
    rmse = table["effect of 1 h", "rmse"]
    assert rmse["mixture-time:log-time"] < rmse["mixture-time"] < rmse["zero"]
    excess = table["cells at 1 h, between", "w1_excess"]
    assert excess["split-half"] == pytest.approx(0.0, abs=1e-9)
    assert min(excess["copy-previous"], excess["copy-next"]) == pytest.approx(1.0)
    assert "copy-next" not in table["cells at 3 h, the last time", "w1"]


def test_an_effect_that_is_there_at_once_is_best_copied():
    rmse = scores("at-once")["value"]["effect of 1 h", "rmse"]
    assert rmse["copy-effect"] < 0.7 * min(rmse["linear-log-time"], rmse["zero"])


@pytest.mark.slow
def test_nothing_is_found_where_nothing_was_done():
    table = scores("nothing", splits=20)
    for fold in ("effect of 1 h", "effect of 3 h"):
        # With a control that answer and target share, these would be near 0.5.
        assert abs(table["value"][fold, "pearson"]["copy-effect"]) < 0.3
        assert table["value"][fold, "rmse"]["shrunken-log-time"] <= table["value"][fold, "rmse"]["linear-log-time"]
    lost = table.loc["cells at 1 h, between", "w1_excess"]
    assert lost["value"].isna().all()
    assert lost["note"].str.startswith("No power").all()


def test_cells_left_out_do_not_reach_the_axes():
    cells, _ = synthetic_dose_of_time(cells=60, features=20)
    course = DoseCourse.of(cells)
    held = _held_out(course, 1.0, {**DEFAULTS, **SMALL}, 0)
    changed = course.values.copy()
    changed[course.hours == 1.0] += 5.0
    other = _held_out(DoseCourse(changed, course.hours, course.clock, course.agent), 1.0, {**DEFAULTS, **SMALL}, 0)
    np.testing.assert_array_equal(held.shown.z_nd[held.shown.rows], other.shown.z_nd[other.shown.rows])


@pytest.mark.parametrize("shape", [(30, 12), (12, 30)])
def test_axes_are_those_of_a_whole_decomposition(shape):
    x_nf = np.random.default_rng(0).normal(size=shape) * np.linspace(1, 3, shape[1])
    x_nf -= x_nf.mean(axis=0)
    whole = np.linalg.svd(x_nf, full_matrices=False)[2][:4]
    np.testing.assert_allclose(np.abs(_axes(x_nf, 4) @ whole.T), np.eye(4), atol=1e-9)
    # What has no variance is no axis, and one stays where nothing varies.
    assert len(_axes(np.outer(x_nf[:, 0], x_nf[0]), 4)) == 1
    assert _axes(np.zeros(shape), 4).shape == (1, shape[1])


def test_manipulators_are_fitted_in_fewer_splits_and_share_the_axes(monkeypatch):
    made = []
    monkeypatch.setattr(time_as_dose_module, "_fitted_on", lambda *given: made.append(given[-1]) or _fitted_on(*given))
    scores("log-time", ("mixture-time", "mixture-time:log-time"), splits=4, refits=2)
    assert sorted(made) == [0, 0, 1, 1]


def test_what_cannot_be_asked_is_refused():
    settings = {"dataset": "made-up", "rows": 240, **DEFAULTS}
    for method in ("mean-effect", "mean-effect:log-time", "moon"):
        with pytest.raises(UnknownNameError):
            TimeAsDose().require(settings, [method])
    with pytest.raises(IntegrityError, match="lack axes"):
        TimeAsDose().require({key: value for key, value in settings.items() if key != "axes"}, ["zero"])
    with pytest.raises(IntegrityError, match="two seeds"):
        TimeAsDose().require({**settings, "refits": 1}, ["zero"])
    with pytest.raises(IntegrityError, match="frozen on 240"):
        TimeAsDose().run({"made-up": synthetic_dose_of_time(cells=10)[0]}, settings, "zero", 0)
