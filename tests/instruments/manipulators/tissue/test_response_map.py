"""Closed forms against what they stand for, and penalties that the data choose."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.tissue.graph import link
from aivc.instruments.manipulators.tissue import response_map
from aivc.instruments.manipulators.tissue.response_map import CHOICES, fit_maps, graph_blocks, shuffled
from aivc.instruments.manipulators.tissue.surroundings import averages, surroundings


def grown(seed=0, n=400, own=0.0):
    """Cells whose state follows their neighbours' on one axis; ``own`` adds slopes that differ from type to type."""
    rng = np.random.default_rng(seed)
    types = np.array(["a", "b", "c", "d"])[rng.integers(0, 4, n)]
    entities = pd.DataFrame({"cell_type": types}, index=[f"c{i}" for i in range(n)])
    places = rng.uniform(0, 100, (n, 2))
    cells = Measurement(np.zeros((n, 1)), np.array(["g"]), entities, "log1p_cp10k", coordinates=places)
    links = link(cells).links
    first = rng.normal(size=n) + 2.0 * (types == "a")
    near = links @ first / np.diff(links.indptr)
    slope = 1.0 + own * np.array([{"a": -1.0, "b": 1.0, "c": -1.0, "d": 1.0}[each] for each in types])
    values = np.stack([first, slope * near + rng.normal(0, 0.1, n)], axis=1)
    return UR(values, Space("s", Scale.CELLULAR, 2, ""), entities, links=links)


def fitted(cells, draws=2):
    rings = averages(cells.links, len(cells), 1)
    given = surroundings(cells, rings, axes=2)
    return (*fit_maps(cells, rings, given, graph_blocks(cells), draws=draws), given, rings)


def test_the_map_finds_the_slope_and_the_shuffled_one_does_not():
    cells = grown()
    choice, maps, given, rings = fitted(cells)
    assert choice in CHOICES
    assert len(maps) == 4
    about = given.of(cells, rings)
    errors = [np.var(cells.values[:, 1] - given.center[1] - each(*about)[:, 1]) for each in maps]
    assert max(errors[:3]) < 0.05 < errors[3]


@pytest.mark.parametrize("rows", [7, 60])
def test_rows_left_out_in_closed_form_are_rows_left_out(rows):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(90, 12)), rng.normal(size=(90, 3))
    gram = x.T @ x + 0.5 * np.eye(12)
    inverse = np.linalg.inv(gram)
    residual = y - x @ inverse @ x.T @ y
    kept = slice(rows, None)
    slopes = np.linalg.solve(x[kept].T @ x[kept] + 0.5 * np.eye(12), x[kept].T @ y[kept])
    wanted = (y[:rows] - x[:rows] @ slopes).mean(axis=0)
    assert np.allclose(response_map._without(inverse, x[:rows], residual[:rows]), wanted)


def test_a_change_is_the_difference_of_two_answers_and_stays_below_the_gain():
    cells = grown(own=0.8)
    _, maps, given, rings = fitted(cells)
    codes, means, shares = given.of(cells, rings)
    moved = np.random.default_rng(0).normal(size=cells.values.shape)
    there = given.means(rings, moved)
    change = maps[0].change(codes, there)
    assert np.allclose(change, maps[0](codes, means + there, shares) - maps[0](codes, means, shares))
    read, given_in = np.linalg.norm(change @ given.loadings, axis=1), np.linalg.norm(moved @ given.loadings, axis=1)
    assert read.max() <= maps[0].gain(given) * given_in.max() + 1e-9


def test_blocks_lie_together_and_a_shuffle_stays_within_types():
    cells = grown()
    blocks = graph_blocks(cells)
    assert np.bincount(blocks).tolist() == [40] * 10
    links = cells.links.tocoo()
    assert (blocks[links.row] == blocks[links.col]).mean() > 0.3
    codes = np.random.default_rng(0).integers(0, 3, 50)
    rows = shuffled(codes, 0)
    assert sorted(rows) == list(range(50))
    assert np.array_equal(codes[rows], codes)
