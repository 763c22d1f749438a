import numpy as np
import pytest

import aivc
from aivc.core.errors import ControlError, DataError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.data.synthetic_time import synthetic_development
from aivc.experiments.fitting.fit_time import fit_time
from aivc.experiments.fitting.shared_fit import Recipe
from tiny_series import both, developing, effects_only, times_only


def test_fit_on_cells_with_times_gives_a_cell_that_answers_hours():
    cell = aivc.fit(developing()[0], "copy-time", recipe=Recipe(dim=3))
    assert sorted(cell.instruments) == ["copy-time", "linear-expression"]
    assert cell.card["time"]["hours"] == [0.0, 24.0, 48.0, 72.0]
    assert cell.card["perturbations"] == ["drug:blocker@1uM for 24h"]
    assert set(cell.provenance) == set(cell.parts)
    said = cell.predict("culture", "time for 24h", cells=10)
    assert said.made_by[0] == "copy-time"
    assert np.isfinite(said.effect).all()


def test_a_screen_of_what_was_read_over_time_can_be_ranked():
    ranked = aivc.screen(times_only(), ["drug:blocker@1uM for 48h"], aivc.Response.of(["G0001"]), context="culture")
    assert np.isfinite(ranked.table["score"]).all()


def test_it_starts_from_unperturbed_cells_of_the_earliest_time():
    start = times_only().start("culture")
    assert set(start.times) == {0.0}
    assert set(start.perturbations) == {"control"}


def test_on_top_of_a_cell_all_parts_are_kept():
    cell, below = both(), effects_only()
    assert set(below.parts) < set(cell.parts)
    assert all(cell.parts[name] is part for name, part in below.parts.items())
    assert cell.provenance["transport.v1"].source == cell.provenance[next(iter(below.provenance))].source
    assert cell.card["manipulator"] == "transfer"
    assert cell.card["time"]["grows"]


def test_draws_follow_the_recipe_where_the_method_draws():
    assert both().instruments["transport.v1"].draws == 2
    asked = fit_time(developing()[0], "copy-time", recipe=Recipe(dim=3), settings={"draws": 3})
    assert len(asked.manipulate(asked.start("culture"), Perturbation((), 24.0)).draws) == 3


def test_without_a_name_what_is_no_better_than_copies_steps_back():
    cells, _ = synthetic_development(times=(0.0, 24.0), cells=20, features=15, drift=0.0, given=None)
    cell = fit_time(cells, recipe=Recipe(dim=5, members=2))
    assert cell.card["time"]["manipulator"] == "development.v1"
    assert cell.card["time"]["kept"] == "nearest"
    assert cell.card["time"]["because"].startswith("no power")


def test_what_cannot_be_fitted_is_refused():
    cells = developing()[0]
    with pytest.raises(UnknownNameError, match="manipulator of time"):
        fit_time(cells, "mean-effect")
    with pytest.raises(DataError, match="all read at 0 h"):
        fit_time(cells.take(cells.times == 0), "copy-time")
    with pytest.raises(DataError, match="do not say when"):
        fit_time(cells.replace(entities=cells.entities.drop(columns="time")), "copy-time")
    with pytest.raises(ControlError, match="unperturbed"):
        fit_time(cells.take(cells.perturbations != "control"), "copy-time", recipe=Recipe(dim=3))
    with pytest.raises(DataError, match="Leave split"):
        aivc.fit(cells, "copy-time", abstain=True)


def test_times_of_too_few_cells_stand_apart():
    cells, _ = synthetic_development(times=(0.0, 24.0, 48.0), cells=12, features=12, given=None)
    rows = np.flatnonzero((cells.times != 24.0) | (np.arange(len(cells)) % 4 == 0))
    card = fit_time(cells.take(rows), "copy-time", recipe=Recipe(dim=2)).card["time"]
    assert card["hours"] == [0.0, 48.0]
    assert card["left_out"] == [24.0]
    assert card["under"] == [""]
