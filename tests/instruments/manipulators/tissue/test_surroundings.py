"""What surroundings say in numbers."""

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators.tissue.surroundings import averages, surroundings, type_names


def ring_of_cells(n=12):
    entities = pd.DataFrame({"cell_type": np.resize(["a", "b", "b"], n)}, index=[f"c{i}" for i in range(n)])
    order = np.arange(n)
    links = sparse.csr_matrix((np.ones(2 * n), (np.r_[order, order], np.r_[(order + 1) % n, (order - 1) % n])))
    values = np.random.default_rng(0).normal(size=(n, 3))
    return UR(values, Space("s", Scale.CELLULAR, 3, ""), entities, links=links)


def test_shell_means_and_composition_are_those_of_the_neighbours():
    cells = ring_of_cells()
    rings = averages(cells.links, len(cells), 2)
    given = surroundings(cells, rings, axes=3)
    codes, means, shares = given.of(cells, rings)
    centered = cells.values - cells.values.mean(axis=0)
    second = (centered[3] + centered[11]) / 2
    assert np.allclose(means[1, 1] * given.unit[1], second @ given.loadings)
    assert np.allclose(shares[1] * given.share + given.composition, [0.5, 0.5])
    assert np.allclose(np.sqrt((means**2).sum(axis=2).mean(axis=0)), 1.0)
    assert codes.tolist() == [0, 1, 1] * 4


def test_nobody_around_is_the_average():
    cells = ring_of_cells()
    given = surroundings(cells, averages(cells.links, len(cells), 1), axes=2)
    alone = averages(None, len(cells), 1)
    _, means, shares = given.of(cells, alone)
    assert not means.any()
    assert not shares.any()


def test_a_new_type_and_no_type_have_codes():
    cells = ring_of_cells()
    given = surroundings(cells, averages(cells.links, len(cells), 1), axes=2)
    assert given.reach == 1
    strange = UR(cells.values, cells.space, cells.entities.assign(cell_type="z"))
    assert set(given.codes(strange)) == {2}
    assert set(type_names(UR(cells.values, cells.space, cells.entities[[]]))) == {"all"}
