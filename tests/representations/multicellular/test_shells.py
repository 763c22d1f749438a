"""A cell with its surroundings: what matters enters, and what cannot matter does not."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.representations.multicellular.shells import Shells

RNG = np.random.default_rng(0)
N = 200
STATES = RNG.normal(size=(N, 6)) * [3, 2, 1, 0.5, 0.5, 0.5]
PLACES = RNG.uniform(size=(N, 2)) * 100
LATTICE = np.array([(x, y) for x in range(20) for y in range(10)], dtype=float)
TURN = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
SPACE = Space("some-cells", Scale.CELLULAR, 6, "abc")


def tissue(places=PLACES, values=STATES, section="one"):
    entities = pd.DataFrame({"section": section}, index=[f"c{i}" for i in range(len(values))])
    features = np.array([f"p{i}" for i in range(values.shape[1])], dtype=object)
    return Measurement(values, features, entities, "arbitrary", coordinates=places)


def states(measurement):
    return UR(measurement.dense(), SPACE, measurement.entities)


@pytest.mark.parametrize("places", [PLACES, LATTICE], ids=["scattered", "lattice"])
def test_how_a_section_lies_changes_nothing(places):
    cells = tissue(places)
    shells = Shells.fit(cells, dim=12)
    before = shells.encode(cells).values
    for moved in (places @ TURN.T + 7, places * [-1, 1], places * 1.0 - 50):
        np.testing.assert_allclose(shells.encode(cells.replace(coordinates=moved)).values, before, atol=1e-9)
    order = RNG.permutation(N)
    np.testing.assert_allclose(shells.encode(cells.take(order)).values, before[order], atol=1e-9)


def test_a_shell_is_the_mean_of_those_so_many_steps_away():
    line = tissue(np.c_[np.arange(6.0), np.zeros(6)], np.arange(6.0)[:, None] ** 2)
    shells = Shells.fit(line, dim=3, reach=2, rule="radius:1.2")
    own, one, two = shells.encode(line).values.T
    np.testing.assert_allclose(one[1:-1], (own[:-2] + own[2:]) / 2)
    np.testing.assert_allclose(two[2:-2], (own[:-4] + own[4:]) / 2)
    np.testing.assert_allclose(own * shells.scale_d + line.dense().mean(), np.arange(6.0) ** 2)


def test_without_neighbors_a_cell_is_its_own_state_and_nothing_else_is_known():
    cells = tissue()
    shells = Shells.fit(cells, dim=12)
    together = shells.encode(cells)
    alone = shells.encode(cells.take(np.array([3])))
    width = shells.width
    np.testing.assert_allclose(alone.values[0, :width], together.values[3, :width])
    np.testing.assert_allclose(alone.values[0, width:], shells.expected[1:].ravel())
    assert np.isinf(alone.variance[0, width:]).all()
    assert (alone.variance[0, :width] == 0).all()


def test_another_section_changes_nothing_in_the_first():
    one, other = tissue(), tissue(PLACES + 1.0, STATES + 5, section="two")
    shells = Shells.fit(one, dim=12, by_section=True)
    both = Measurement(
        np.vstack([one.values, other.values]),
        one.features,
        pd.concat([one.entities, other.entities.rename(index=lambda name: f"{name}-2")]),
        "arbitrary",
        coordinates=np.vstack([PLACES, PLACES + 1.0]),
    )
    np.testing.assert_allclose(shells.encode(both).values[:N], shells.encode(one).values, atol=1e-9)
    # Centered and scaled on their own, sections that differ by a shift are the same.
    np.testing.assert_allclose(shells.encode(both).values[N:], shells.encode(one).values, atol=1e-9)


def test_states_of_cells_are_read_where_it_was_fitted_on_them():
    cells = tissue()
    shells = Shells.fit(cells, dim=12, parts=states(cells))
    ur = shells.encode(cells, states(cells))
    assert ur.space.scale is Scale.MULTICELLULAR
    assert ur.links is not None
    np.testing.assert_allclose(ur.values, Shells.fit(cells, dim=12).encode(cells).values)
    with pytest.raises(SpaceError, match="states of cells, as parts"):
        shells.encode(cells)
    with pytest.raises(SpaceError):
        shells.encode(cells, UR(STATES, Space("others", Scale.CELLULAR, 6, "x"), cells.entities))
    with pytest.raises(DataError, match="Align them"):
        shells.encode(cells, states(cells).take(np.arange(5)))


def test_counts_are_brought_to_the_units_of_the_fit_and_found_by_name():
    counts = tissue(values=RNG.poisson(5.0, (N, 6)).astype(float)).replace(units="counts")
    shells = Shells.fit(counts, dim=8)
    assert shells.units.startswith("log1p_cp")
    turned = counts.select(counts.features[::-1])
    np.testing.assert_allclose(shells.encode(turned).values, shells.encode(counts).values, atol=1e-9)
    with pytest.raises(UnknownNameError, match="needs every feature of its fit"):
        shells.encode(counts.select(counts.features[1:]))


def test_what_has_no_place_is_refused():
    with pytest.raises(DataError, match="have no positions"):
        Shells.fit(tissue().replace(coordinates=None))


def test_it_comes_back_from_its_state_to_the_last_bit(tmp_path):
    cells = tissue()
    shells = Shells.fit(cells, dim=12, parts=states(cells))
    shells.state().save(tmp_path)
    again = Shells.from_state(State.load(tmp_path))
    assert again.writes == shells.writes
    np.testing.assert_array_equal(again.encode(cells, states(cells)).values, shells.encode(cells, states(cells)).values)
