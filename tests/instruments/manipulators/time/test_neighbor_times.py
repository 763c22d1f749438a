from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from aivc.instruments.manipulators.time.copying import mixture_moved, nearest_moved, next_moved, previous_moved
from aivc.instruments.manipulators.time.judging import cells_of
from aivc.instruments.manipulators.time.neighbor_times import CopyTime, MixtureTime, PoolTime
from aivc.instruments.manipulators.time.snapshots import lines_of, table_of
from aivc.instruments.manipulators.time.transporter import Transporter, TransportSettings
from tiny_development import DAY, after, arc, at, cells_at


@pytest.fixture(scope="module")
def cells():
    return arc((0, 1, 3, 4))


def uneven():
    """Ten cells of day 0 at nought, and thirty of day 2 at one."""
    values = np.repeat([[0.0, 0.0], [1.0, 0.0]], [10, 30], axis=0) + np.linspace(0, 0.01, 40)[:, None]
    return cells_at(values, np.repeat([0.0, 2 * DAY], [10, 30]))


def gone(fitted, start, hours):
    """Share of cells that have become those of the next time."""
    return (fitted.manipulate(start, after(hours)).draws[0].values[:, 0] > 0.5).mean()


def test_copies_and_mixtures_are_of_cells_that_were_read(cells):
    start = at(cells, DAY)
    read = {tuple(row) for row in cells.values}
    for kind, hours in ((CopyTime, 30.0), (MixtureTime, 24.0), (PoolTime, 24.0)):
        found = kind.fit(cells).manipulate(start, after(hours)).draws[0]
        assert {tuple(row) for row in found.values} <= read
    same = CopyTime.fit(cells).manipulate(start, after(20)).draws[0]
    np.testing.assert_array_equal(same.values, start.values)
    stayed = (MixtureTime.fit(cells).manipulate(start, after(12)).draws[0].values == start.values).all(axis=1).mean()
    assert stayed == pytest.approx(0.75, abs=0.03)


def test_halfway_both_times_are_pooled_as_they_were_read():
    ur = uneven()
    start, pool = at(ur, 0.0).take(np.tile(np.arange(10), 4)), PoolTime.fit(ur)
    assert gone(pool, start, DAY) == pytest.approx(30 / 40, abs=0.03)
    assert gone(MixtureTime.fit(ur), start, DAY) == pytest.approx(0.5, abs=0.03)
    # Numbers of cells go on a line: a quarter of the way there are 10 · 3/4 and 30 / 4 of either kind.
    assert gone(pool, start, DAY / 2) == pytest.approx(0.5, abs=0.03)
    assert (gone(pool, start, 0.01), gone(pool, start, 2 * DAY)) == (0.0, 1.0)


def test_two_steps_leave_as_many_cells_where_they_were_as_one():
    ur = uneven()
    pool = PoolTime.fit(ur)
    start = at(ur, 0.0).take(np.tile(np.arange(10), 4))
    halfway = pool.manipulate(start, after(DAY / 2)).draws[0]
    stayed = 1 - gone(pool, start, DAY / 2)
    more = halfway.take(np.flatnonzero(halfway.values[:, 0] < 0.5))
    assert stayed * (1 - gone(pool, more, DAY / 2)) == pytest.approx(1 - 30 / 40, abs=0.05)


def test_declared_numbers_of_cells_weigh_times_instead_of_those_read():
    ur = uneven()
    start = at(ur, 0.0).take(np.tile(np.arange(10), 4))
    assert gone(PoolTime.fit(ur, counts={0: 300, 48: 100}), start, DAY) == pytest.approx(0.25, abs=0.03)


def test_of_two_times_as_near_that_with_more_cells_is_copied():
    ur = uneven()
    assert gone(CopyTime.fit(ur), at(ur, 0.0), DAY) == 1.0
    fewer = ur.take(np.arange(15))
    assert gone(CopyTime.fit(fewer), at(ur, 0.0), DAY) == 0.0


def test_along_a_plan_each_cell_becomes_its_own_descendant():
    rng = np.random.default_rng(0)
    here = rng.uniform(0, 10, 40)
    values = np.stack([np.tile(here, 2), np.repeat([0.0, 5.0], 40)], axis=1)
    line = next(iter(lines_of(table_of("x", cells_at(values, np.repeat([0.0, 48.0], 40)), None, 0)).values()))
    along, rows = Transporter(line, TransportSettings(curved=False), None).advance, cells_of(line[0], 0)
    for way in (mixture_moved, nearest_moved, next_moved, previous_moved):
        found = way(line, rows, 30.0, "", along=along).values
        assert np.median(np.abs(found[:, 0] - rows.values[:, 0])) < 1.0
    np.testing.assert_allclose(previous_moved(line, rows, 48.0, "", along=along).values[:, 1], 5.0)


@pytest.mark.parametrize("way", [mixture_moved, partial(mixture_moved, counted=True), nearest_moved, next_moved])
@pytest.mark.parametrize("by_plan", [False, True])
def test_stops_between_two_times_change_nothing(cells, way, by_plan):
    line = next(iter(lines_of(table_of("x", cells, None, 0)).values()))
    along = Transporter(line, TransportSettings(curved=False), None).advance if by_plan else None
    rows = cells_of(line[1], 0)
    once = way(line, rows, 84.0, "", along=along).values
    for stop in (30.0, 45.0, 66.0, 72.0, 78.0, 84.0):
        rows = replace(rows, values=way(line, rows, stop, "", along=along).values, start=stop)
    np.testing.assert_array_equal(rows.values, once)


def test_cells_brought_from_elsewhere_go_at_the_rate_of_those_left():
    ur = uneven()
    elsewhere = cells_at(np.full((40, 2), 0.3), np.full(40, DAY))
    halfway = MixtureTime.fit(ur).manipulate(elsewhere, after(DAY / 2)).draws[0]
    assert (halfway.values[:, 0] != 0.3).mean() == pytest.approx(0.5, abs=0.05)
    assert gone(MixtureTime.fit(ur), elsewhere, DAY) == 1.0
