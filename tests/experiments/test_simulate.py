"""Schedules against a population whose drift, growth and drug are known."""

import numpy as np
import pytest

import aivc
from aivc.core.errors import DataError, PerturbationError, UnknownNameError
from aivc.core.prediction import Applicability
from aivc.core.schedule import Schedule
from aivc.core.virtual_cell import VirtualCell
from aivc.data.synthetic_dose_of_time import AGENT, synthetic_dose_of_time
from aivc.experiments.fitting.fit_time import fit_time
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.simulate import simulate
from tiny_series import blocked, both, developing, effects_only, progress, times_only

BLOCK = "drug:blocker@1uM"


def come_to(series, step, untreated=False):
    moment = series.moments[step]
    return float(np.mean([progress(d.values).mean() for d in (moment.untreated if untreated else moment.draws)]))


def test_development_and_the_drug_are_recovered():
    truth, series = developing()[1], blocked()
    hours = [0, 24, 24, 48]
    np.testing.assert_allclose([come_to(series, i) for i in range(4)], truth.drift * np.array(hours), atol=0.12)
    np.testing.assert_allclose(come_to(series, 3, untreated=True), truth.drift * 72, atol=0.12)


def test_mass_follows_the_counts_and_the_drug_leaves_it():
    truth, series = developing()[1], blocked()
    for step, hours in enumerate((0, 24, 48, 72)):
        np.testing.assert_allclose(series.mass(step), np.exp(truth.growth * hours), rtol=1e-6)
        assert (series.mass(step) == series.mass(step, untreated=True)).all()


def test_what_was_done_stays_when_it_is_over():
    held, over = blocked().moments[2:]
    before, after = (np.mean([a.values - b.values for a, b in zip(m.draws, m.untreated, strict=True)], axis=(0, 1))
                     for m in (held, over))  # fmt: skip
    np.testing.assert_allclose(after, before, atol=1e-9)
    assert over.draws[0].perturbations[0] == "time for 24h"


def test_cells_that_an_agent_made_more_of_stay_more():
    series = simulate(times_only(), "culture", f"{BLOCK} for 24h; wait 24h", cells=20)
    parts = [series.moments[i].draws[0].mass / series.moments[i].untreated[0].mass for i in (1, 2)]
    np.testing.assert_allclose(parts[1], parts[0])
    given, later = (series.moments[i] for i in (1, 2))
    shift = [m.draws[0].values - m.untreated[0].values for m in (given, later)]
    np.testing.assert_allclose(shift[1], shift[0], atol=1e-9)


def test_windows_are_steps_and_the_same_seed_gives_the_same():
    cut = simulate(both(), "culture", f"{BLOCK} from 24h to 48h; wait 24h", cells=50)
    assert all(
        (a.values == b.values).all()
        for one, other in zip(cut.moments, blocked().moments, strict=True)
        for a, b in zip(one.draws, other.draws, strict=True)
    )


def test_nothing_for_no_hours_changes_nothing():
    series = simulate(both(), "culture", f"wait 0h; {BLOCK} for 0h", cells=20)
    start = series.moments[0].draws[0]
    for moment in series.moments:
        assert all((draw.values == start.values).all() and (draw.mass == start.mass).all() for draw in moment.draws)
    assert series.about["semigroup"] == 0.0


def test_two_waits_equal_one_as_far_as_is_reported():
    one = simulate(times_only(), "culture", "wait 48h", cells=50)
    two = simulate(times_only(), "culture", "wait 24h; wait 24h", cells=50)
    gap = [np.linalg.norm(a.values - b.values, axis=1).mean() for a, b in
           zip(one.moments[1].draws, two.moments[2].draws, strict=True)]  # fmt: skip
    way = np.linalg.norm(one.moments[1].draws[0].values - one.moments[0].draws[0].values, axis=1).mean()
    assert one.about["semigroup"] == 0.0
    assert two.about["semigroup"] == pytest.approx(gap[0] / way)


def test_effects_set_in_evenly_and_moments_in_between_leave_the_end():
    whole = simulate(both(), "culture", f"{BLOCK} for 24h", cells=30)
    fine = simulate(both(), "culture", f"{BLOCK} for 24h", every=6, cells=30)
    assert fine.times == (0.0, 6.0, 12.0, 18.0, 24.0)
    held = [come_to(fine, i, untreated=True) - come_to(fine, i) for i in range(5)]
    np.testing.assert_allclose(np.diff(held), held[-1] / 4, rtol=1e-6)
    np.testing.assert_allclose(come_to(fine, 4), come_to(whole, 1), atol=0.1)


def test_outside_of_the_times_is_refused_before_work_unless_asked():
    with pytest.raises(PerturbationError, match=r"from 0 to 72 h.*Ask for a time between"):
        simulate(both(), "culture", "wait 48h; wait 48h")
    series = simulate(both(), "culture", "wait 48h; wait 48h", extrapolate=True, cells=20)
    assert [(m.inside, m.applicability) for m in series.moments[1:]] == [
        (True, Applicability.IN),
        (False, Applicability.OUT),
    ]
    assert "today" in series.moments[2].made_by


def test_what_is_unknown_is_refused_or_said():
    with pytest.raises(UnknownNameError, match=r"manipulator of time.*--onto"):
        simulate(effects_only(), "culture", "wait 24h")
    with pytest.raises(UnknownNameError, match="unheard-of"):
        simulate(both(), "culture", "drug:unheard-of@1uM for 24h")
    series = simulate(both(), "culture", "drug:unheard-of@1uM for 24h", allow_unknown=True, cells=10)
    assert (series.moments[1].seen, series.moments[1].applicability) == (False, Applicability.OUT)
    with pytest.raises(PerturbationError, match="did not read ko:A"):
        simulate(times_only(), "culture", "ko:A for 24h")
    with pytest.raises(PerturbationError, match="cells of a tissue"):
        simulate(both(), "culture", "ko:A where cell_type=T cell for 24h")
    with pytest.raises(DataError, match="every=6"):
        simulate(both(), "culture", "wait 24h", every=0)


def test_a_cell_of_times_alone_answers_agents_as_they_were_read():
    series = simulate(times_only(), "culture", f"{BLOCK} for 48h", cells=50)
    assert series.moments[1].seen
    assert "those read under it" in str(series.about["assumptions"])
    values = np.concatenate([draw.values for draw in series.moments[1].draws])
    read = times_only().encode(developing()[0])
    held = (read.times == 48) & (read.perturbations.astype(str) != "control")
    free = (read.times == 48) & ~held
    near, far = (np.linalg.norm(values.mean(axis=0) - read.values[rows].mean(axis=0)) for rows in (held, free))
    assert near < 0.5 * far


def test_cells_of_a_later_time_can_be_given():
    cells = developing()[0]
    control = cells.take(cells.perturbations == "control")
    series = simulate(both(), control, "wait 24h", at=24.0, cells=20)
    assert series.times == (24.0, 48.0)
    assert simulate(both(), control, "wait 24h", cells=20).times == (0.0, 24.0)
    with pytest.raises(DataError, match="there are cells of 0, 24, 48, 72 h"):
        simulate(both(), control, "wait 24h", at=36.0)
    with pytest.raises(DataError, match="do not say when"):
        simulate(both(), control.replace(entities=control.entities.drop(columns="time")), "wait 24h")


def test_saved_and_loaded_it_simulates_the_same(tmp_path):
    both().save(tmp_path / "cell")
    again = VirtualCell.load(tmp_path / "cell")
    said = aivc.simulate(again, "culture", Schedule.parse(blocked().about["schedule"]), cells=50)
    np.testing.assert_array_equal(said.moments[-1].draws[0].values, blocked().moments[-1].draws[0].values)
    assert said.about["cell"] == blocked().about["cell"]


def test_a_cell_with_both_routes_questions_by_what_they_ask():
    cell = both()
    developed = cell.predict("culture", "time for 24h", cells=20)
    assert developed.made_by[0] == "transport.v1"
    assert cell.predict("culture", f"{BLOCK} for 24h", cells=20).made_by[0] == "ensemble"
    cell.prepare(
        cell.start("culture"), [aivc.Perturbation.parse(f"{BLOCK} for 24h"), aivc.Perturbation.parse("time for 2h")]
    )
    two = VirtualCell([*cell.encoders.values()], {**cell.instruments, "other": cell.instruments["transport.v1"]})
    with pytest.raises(UnknownNameError, match="name the one you mean"):
        two.manipulate(cell.start("culture"), aivc.Perturbation.parse("time for 24h"))
    with pytest.raises(UnknownNameError, match="name the one you mean"):
        simulate(two, cell.start("culture"), "wait 24h")


def test_treated_cells_are_followed_where_controls_are_of_the_first_time_only():
    cells, _ = synthetic_dose_of_time(cells=60, features=30)
    cell = fit_time(cells, "mixture-time", recipe=Recipe(dim=3))
    assert cell.card["time"]["under"] == [AGENT]
    series = simulate(cell, "culture", f"{AGENT} for 1h; {AGENT} for 2h", cells=60)
    assert any("stay as they were" in each for each in series.about["assumptions"])
    assert np.isnan(series.about["semigroup"])
    assert set(series.tables.steps["inside"]) == {True}
    log_nf = np.log1p(cells.dense())
    for moment, profile in zip(series.moments[1:], series.profiles[1:], strict=True):
        np.testing.assert_array_equal(moment.untreated[0].values, series.moments[0].draws[0].values)
        read = log_nf[cells.times == moment.time].mean(axis=0) - log_nf[cells.times == 0].mean(axis=0)
        assert np.corrcoef(profile.mean(axis=0) - series.profiles[0].mean(axis=0), read)[0, 1] > 0.9
    with pytest.raises(UnknownNameError, match=r"two or more times"):
        simulate(cell, "culture", f"{AGENT} for 1h; wait 1h")
