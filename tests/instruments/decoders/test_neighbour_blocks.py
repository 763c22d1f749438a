import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.decoders.neighbour_blocks import around, expected_by_kind, kinds, of_kind, shuffled_within

LINE = sparse.csr_matrix(np.eye(5, k=1) + np.eye(5, k=-1))


def row(variance=None):
    entities = pd.DataFrame({"cell_type": ["a", "b", "a", "b", "z"]}, list("vwxyz"))
    values = np.array([[1.0], [10.0], [3.0], [14.0], [7.0]])
    return UR(values, Space("s", Scale.CELLULAR, 1, "s"), entities, variance, links=LINE)


def test_fields_are_what_neighbours_are_beyond_their_types():
    ur = row()
    kind = kinds(ur, np.array(["a", "b"], dtype=object))
    assert kind.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1], [0, 0]]
    expected = np.array([[2.0], [12.0], [7.0]])
    assert of_kind(kind, expected)[:, 0].tolist() == [2, 12, 2, 12, 7]
    found = around(ur, kind, expected, 2, ur.values)
    assert found.state[:, 0].tolist() == [-1, -2, 1, 2, 0]
    assert found.field[:, :, 0].tolist() == [[-2, 1], [0, 2], [0, -0.5], [0.5, -2], [2, 1]]
    assert found.mixture[1].tolist() == [[1, 0], [0, 1]]


def test_a_hidden_cell_is_no_neighbour_and_no_way_to_one():
    ur = row(np.array([[0], [np.inf], [0], [0], [0]], dtype=float))
    kind = kinds(ur, np.array([], dtype=object))
    found = around(ur, kind, np.zeros((1, 1)), 2, ur.values)
    assert found.field[0, :, 0].tolist() == [0, 0]
    assert found.field[2, :, 0].tolist() == [14, 7]
    assert found.field[1, :, 0].tolist() == [2, 14]


def test_means_of_types_are_drawn_to_that_of_all():
    kind = np.array([[1.0, 0], [1, 0], [0, 1]])
    assert expected_by_kind(kind, np.array([[0.0], [0], [9]]))[:, 0].tolist() == [1.5, 5.0, 3.0]


def test_a_shuffle_stays_within_the_type():
    rng = np.random.default_rng(0)
    entities = pd.DataFrame({"cell_type": np.repeat(["a", "b"], 50)}, [f"c{i}" for i in range(100)])
    variance = np.zeros((100, 2))
    variance[:5] = np.inf
    ur = UR(rng.normal(size=(100, 2)), Space("s", Scale.CELLULAR, 2, "s"), entities, variance)
    mixed = shuffled_within(ur)
    assert (mixed[:5] == ur.values[:5]).all()
    assert (mixed[5:] != ur.values[5:]).any(axis=1).mean() > 0.8
    for rows in (slice(5, 50), slice(50, 100)):
        np.testing.assert_array_equal(np.sort(mixed[rows, 0]), np.sort(ur.values[rows, 0]))


def test_weights_of_links_stand_before_the_shells():
    near = LINE.multiply([[1, 3, 1, 1, 1]]).tocsr()
    ur = row()
    ur = UR(ur.values, ur.space, ur.entities, links=near)
    found = around(ur, np.zeros((5, 0)), np.zeros((1, 1)), 1, ur.values)
    assert found.field.shape == (5, 2, 1)
    np.testing.assert_allclose(found.field[2, :, 0], [(3 * 10 + 14) / (4 + 0.05 * 3), 12.0])
    np.testing.assert_allclose(found.field[0, 0, 0], 30 / 3.15)
