import numpy as np
import pytest

from aivc.instruments.manipulators.time.judging import cells_of
from aivc.instruments.manipulators.time.snapshots import lines_of, table_of
from aivc.instruments.manipulators.time.transport_v1 import transporter_of
from aivc.instruments.manipulators.time.transporter import TransportSettings
from tiny_development import DAY, arc, cells_at


def line_of(ur):
    return next(iter(lines_of(table_of("x", ur, None, 0)).values()))


@pytest.fixture(scope="module")
def branches():
    """Two groups of equal size, of which one becomes three times as large as the other."""
    rng = np.random.default_rng(0)
    start = np.concatenate([rng.normal(0, 0.3, (40, 2)), rng.normal([0, 10], 0.3, (40, 2))])
    end = np.concatenate([rng.normal([10, 0], 0.3, (30, 2)), rng.normal([10, 10], 0.3, (90, 2))])
    return line_of(cells_at(np.concatenate([start, end]), np.repeat([0.0, DAY], [80, 120])))


def test_ways_bend_with_the_cells():
    line = line_of(arc((0, 1, 3, 4)))
    radius = {}
    for curved in (True, False):
        transporter = transporter_of(line, TransportSettings(curved=curved))
        moved = transporter.advance(cells_of(line[1], 0), 2 * DAY, "")
        radius[curved] = np.linalg.norm(moved.values, axis=1)
    # The chord of a quarter circle of radius 10 passes 7.1 from the center.
    assert radius[False].mean() == pytest.approx(7.1, abs=0.3)
    assert radius[True].mean() == pytest.approx(10.0, abs=1.0)


def test_relaxed_plans_let_branches_grow(branches):
    settings = TransportSettings(reach=0.1, growth="plan", timing="early", curved=False)
    moved = transporter_of(branches, settings).advance(cells_of(branches[0], 0), DAY / 2, "")
    upper = moved.values[:, 1] > 5
    assert moved.factor[upper].mean() / moved.factor[~upper].mean() == pytest.approx(3.0, rel=0.35)
    # The population as a whole keeps its mass, whenever growth comes.
    for timing in ("early", "spread", "late"):
        grown = transporter_of(branches, settings).advance(cells_of(branches[0], 0), DAY / 2, "", timing=timing)
        assert grown.factor.mean() == pytest.approx(1.0, rel=0.02)


def test_sums_that_hold_make_cells_cross(branches):
    moved = transporter_of(branches, TransportSettings(curved=False)).advance(cells_of(branches[0], 0), DAY, "")
    assert (moved.values[:40, 1] > 5).mean() == pytest.approx(0.5, abs=0.1)
    np.testing.assert_array_equal(moved.factor, 1.0)


def test_scores_say_an_absolute_growth():
    rng = np.random.default_rng(0)
    rate = np.where(np.arange(60) % 2, np.log(2) / DAY, 0.0)
    table = table_of("x", cells_at(rng.normal(size=(60, 2)), np.repeat([0.0, DAY], 30)), rate, 0)
    line = next(iter(lines_of(table).values()))
    settings = TransportSettings(growth="scores", timing="spread", curved=False)
    moved = transporter_of(line, settings).advance(cells_of(line[0], 0), DAY / 2, "")
    np.testing.assert_allclose(moved.factor, np.where(np.arange(30) % 2, np.sqrt(2), 1.0))


def test_two_steps_over_times_that_were_read_are_one():
    line = line_of(arc((0, 1, 2)))
    transporter = transporter_of(line, TransportSettings())
    cells = cells_of(line[0], 0)
    once = transporter.advance(cells, 2 * DAY, "").values
    there = transporter.advance(cells, DAY, "").values
    again = transporter.advance(type(cells)(there, cells.rates, DAY, cells.places, cells.rows), 2 * DAY, "").values
    np.testing.assert_array_equal(again, once)


def test_certificates_come_with_the_plans():
    said = transporter_of(line_of(arc((0, 1, 2))), TransportSettings()).certificates
    assert len(said) == 2
    assert all(each.converged for each in said)


def test_velocities_on_the_way_are_those_of_the_ways():
    line = line_of(arc((0, 1, 2, 3)))
    way = transporter_of(line, TransportSettings()).on_the_way(0)
    speed = np.linalg.norm(way.velocity, axis=1) * DAY
    assert np.median(speed) == pytest.approx(10 * np.pi / 4, rel=0.15)
    assert way.hours.min() >= 0
    assert way.hours.max() <= 3 * DAY
