import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.experiments.fate import Fates
from aivc.reporting.report import report
from aivc.reporting.time_figures import OTHERS, _shown_states, _stacked, decided, fate_bars, river
from tiny_series import blocked, both


def test_the_river_says_what_was_done_and_what_is_assumed(tmp_path):
    figure = river(blocked().tables)
    assert "drug:blocker@1uM" in figure.svg
    for words in (blocked().about["schedule"], "sets in evenly", "at the end 2.05", "not its result"):
        assert words in figure.caption
    assert figure.save(tmp_path / "river.png").stat().st_size > 10_000
    assert river(blocked().tables).svg == figure.svg


def test_ribbons_fill_each_bar_without_gaps():
    width = {("a", "a"): 0.5, ("b", "a"): 0.25, ("a", "b"): 0.25}
    for first in (0, 1):
        ends = sorted(tuple(each) for each in _stacked(width, ["a", "b"], first=first).values())
        assert [low for low, _ in ends] == [0.0, *(high for _, high in ends[:-1])]
        assert ends[-1][1] == 1.0


def test_many_states_are_drawn_together():
    tables = blocked().tables
    states = tables.states.assign(state=[f"s{i}" for i in range(len(tables.states))])
    names = _shown_states(states)
    assert (len(names), names[-1]) == (6, OTHERS)


def test_steps_outside_are_hatched_and_said():
    steps = blocked().tables.steps.assign(inside=[True, True, False])
    figure = river(dataclasses.replace(blocked().tables, steps=steps))
    assert "1 of 3 steps, hatched, lie outside" in figure.caption


def test_broken_tables_are_refused():
    tables = blocked().tables
    with pytest.raises(DataError, match="missing: mass"):
        river(dataclasses.replace(tables, growth=tables.growth.drop(columns="mass")))
    with pytest.raises(DataError, match="finite"):
        river(dataclasses.replace(tables, growth=tables.growth.assign(mass=np.nan)))


def test_a_report_shows_a_series_that_is_given(tmp_path):
    blocked().to_anndata().write_h5ad(tmp_path / "series.h5ad")
    made = report(both(), series=tmp_path / "series.h5ad")
    assert made.figures("river")[0].svg == report(both(), series=blocked()).figures("river")[0].svg
    with pytest.raises(DataError, match="aivc simulate"):
        report(both()).figures("river")


def said(p_nc, half=0.05, names=("left", "right")):
    p_nc = np.array(p_nc)
    n = len(p_nc)
    frame = pd.DataFrame({"time": np.repeat([24.0, 48.0], [n - 1, 1])}, index=[f"c{i}" for i in range(n)])
    evidence = {"clones": 0.0, "log_loss": 0.0, "log_loss_base": 0.0, "calibration_error": 0.0}
    cells = Measurement(np.ones((n, 1)), np.array(["A"]), frame, "counts")
    states = UR(np.ones((n, 1)), Space("made-up", Scale.CELLULAR, 1, "0"), frame)
    weights = {"transport": 0.5, "regression": 0.5}
    low, high = np.maximum(p_nc - half, 0), np.minimum(p_nc + half, 1)
    empty = np.full(n, "", dtype=object)
    return Fates(
        tuple(names), p_nc, low, high, 0.9, np.ones(n, dtype=bool), np.ones(n), empty, weights, evidence, cells, states
    )


def test_fates_are_bars_pale_where_cells_are_not_decided():
    found = said([[0.9, 0.1], [0.52, 0.48], [0.2, 0.8], [0.0, 1.0]])
    assert decided(found).tolist() == [True, False, True, True]
    figure = fate_bars(found)
    for words in ("67% decided", "100% decided", "24 h, 3 cells", "right"):
        assert words in figure.svg
    assert "calibrated is not known" in figure.caption
    many = [f"f{i}" for i in range(9)]
    assert OTHERS in fate_bars(said(np.full((4, 9), 1 / 9), names=many)).svg
    with pytest.raises(DataError, match="finite"):
        fate_bars(said([[np.nan, 1.0], [0.5, 0.5]]))
