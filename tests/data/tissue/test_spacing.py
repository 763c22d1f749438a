"""How far apart neighbors lie, and which positions are places of a lattice."""

import numpy as np
import pandas as pd
import pytest

from aivc.data.tissue.spacing import described, nearest_distances, section_rows, spacing

DRAW = np.random.default_rng(0)
CELLS = DRAW.uniform(0, 100, (200, 2))
LATTICE = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2)
ALL = [np.arange(100)]


def test_distances_to_the_nearest_place():
    points = np.array([[0.0, 0], [3, 4], [0, 0], [np.nan, 1], [3, 5]])
    assert nearest_distances(points).tolist() == [5, 1, 1]
    assert not len(nearest_distances(points[:1]))


@pytest.mark.parametrize("jitter", [0, 0.02])
def test_spots_are_a_lattice_also_where_printing_moved_them(jitter):
    found = spacing(LATTICE * 200 + 200 * DRAW.normal(0, jitter, LATTICE.shape), ALL)
    assert found.lattice
    assert found.nearest == pytest.approx(200, rel=0.06)


def test_cells_are_none():
    assert not spacing(CELLS, [np.arange(200)]).lattice
    assert not spacing(np.round(CELLS), [np.arange(200)]).lattice


def test_sections_of_different_scale_are_lattices_each():
    two = np.r_[LATTICE, LATTICE * 5 + 1]
    assert spacing(two, [np.arange(100), np.arange(100, 200)]).lattice


def test_what_has_no_neighbor_has_no_spacing():
    assert np.isnan(spacing(CELLS[:2], [np.array([0]), np.array([1])]).nearest)
    assert not spacing(LATTICE[:2], [np.arange(2)]).lattice
    assert described(CELLS[:1], pd.DataFrame(index=["a"]), "um")["nearest"] is None


def test_notes_for_the_provenance():
    entities = pd.DataFrame({"section": np.repeat(["a", "b"], 50)})
    found = described(LATTICE, entities, "array")
    assert found == {"unit": "array", "lattice": True, "nearest": 1.0}
    assert described(LATTICE / 2, entities, "um", 0.5)["um_per_pixel"] == 0.5
    assert [len(rows) for rows in section_rows(entities)] == [50, 50]
