"""Edits keep count of every cell, and of who is beside whom."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.perturbation import Agent, CellCondition, Perturbation
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.tissue.edits import edited, is_edit, meant, steps_from


def row_of_cells(n=20):
    """Cells in a row: each is linked to the next."""
    entities = pd.DataFrame(
        {"cell_type": np.resize(["a", "a", "b", "c"], n), "region": np.where(np.arange(n) < n // 2, "left", "right")},
        index=[f"c{i}" for i in range(n)],
    )
    links = sparse.diags([np.ones(n - 1), np.ones(n - 1)], [-1, 1], format="csr", dtype=np.float32)
    values = np.arange(2.0 * n).reshape(n, 2)
    return UR(values, Space("s", Scale.CELLULAR, 2, ""), entities, values / 10, np.arange(1.0, n + 1), links)


def edit(text, cells, seed=0):
    return edited(cells, Perturbation.parse(text).agents, seed=seed)


def test_removal_takes_out_these_cells_and_their_links():
    cells = row_of_cells()
    after = edit("remove:b where region=left", cells)
    gone = (cells.entities["cell_type"] == "b") & (cells.entities["region"] == "left")
    assert after.ur.entities.index.tolist() == cells.entities.index[~gone].tolist()
    assert after.ur.mass.sum() == cells.mass[~gone].sum()
    assert (after.ur.links != cells.links[~gone.to_numpy()][:, ~gone.to_numpy()]).nnz == 0
    assert after.same.all()


def test_what_is_added_and_removed_again_leaves_the_first_state_bit_for_bit():
    cells = row_of_cells()
    after = edit("add:b@50%", cells)
    assert len(after.ur) == 30
    assert (after.ur.entities["cell_type"].iloc[20:] == "b").all()
    assert set(after.origin[20:]) <= set(np.flatnonzero(cells.entities["cell_type"] == "b"))
    assert np.array_equal(after.ur.values, cells.values[after.origin])
    assert np.array_equal(after.ur.variance, cells.variance[after.origin])
    links = after.ur.links
    assert (links != links.T).nnz == 0
    assert (np.diff(links[20:].indptr) > 0).all()
    back = after.ur.take(np.arange(20))
    assert np.array_equal(back.values, cells.values)
    assert np.array_equal(back.mass, cells.mass)
    assert (back.links != cells.links).nnz == 0


def test_a_swap_keeps_places_and_changes_states():
    cells = row_of_cells()
    after = edit("swap:a by c", cells)
    were = (cells.entities["cell_type"] == "a").to_numpy()
    assert (after.ur.entities["cell_type"][were] == "c").all()
    assert after.ur.entities.index.equals(cells.entities.index)
    assert (after.ur.links != cells.links).nnz == 0
    assert np.array_equal(after.same, ~were)
    assert np.array_equal(after.ur.values, cells.values[after.origin])
    assert edit("swap:a by a", cells).same.all()


def test_moved_cells_have_neighbours_in_the_other_region_only():
    cells = row_of_cells()
    after = edit("move:right where cell_type=b", cells)
    moved = np.flatnonzero((cells.entities["cell_type"] == "b") & (cells.entities["region"] == "left"))
    assert (after.ur.entities["region"].iloc[moved] == "right").all()
    there = np.flatnonzero(cells.entities["region"] == "right")
    for row in moved:
        near = set(after.ur.links[row].indices)
        # Beside a host of that region and its neighbours, one of whom may lie across the border.
        assert near
        assert near <= {*there, *moved, there.min() - 1}
    assert np.array_equal(after.ur.values, cells.values)


def test_steps_count_links_from_what_was_there_and_is_there():
    cells = row_of_cells()
    entities = cells.entities.assign(mark=["x" if i == 3 else "y" for i in range(20)])
    marked = UR(cells.values, cells.space, entities, links=cells.links)
    after = edit("remove:c where mark=x", marked)
    steps = steps_from(marked, after, np.zeros(19, dtype=bool))
    assert steps.tolist() == [3, 2, 1, *range(1, 17)]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("remove:d", UnknownNameError, "cell type"),
        ("remove:b where region=middle", UnknownNameError, "region"),
        ("remove:b where colour=red", UnknownNameError, "Give the cells a column 'colour'"),
        ("remove:b@10%", PerturbationError, "Only what is added"),
        ("add:b", PerturbationError, "add:b@10%"),
        ("add:b@10uM", PerturbationError, "share"),
        ("add:b@1%", PerturbationError, "larger share"),
        ("swap:a", PerturbationError, "names two types"),
        ("swap:a by b by c", PerturbationError, "names two types"),
        ("move:right", PerturbationError, "moves every cell"),
    ],
)
def test_what_cannot_be_done_is_refused(text, error, message):
    with pytest.raises(error, match=message):
        edit(text, row_of_cells())


def test_the_last_cell_is_not_removed():
    cells = row_of_cells()
    alone = cells.take((cells.entities["cell_type"] == "a").to_numpy())
    with pytest.raises(PerturbationError, match="no cell"):
        edit("remove:a", alone)


def test_type_stands_for_cell_type():
    cells = row_of_cells()
    assert meant(cells, CellCondition("type", "b")).sum() == 5
    assert meant(cells, None).all()
    assert is_edit(Agent("remove", "b"))
    assert not is_edit(Agent("ko", "b"))
