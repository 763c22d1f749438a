"""Who is whose neighbor: the same however a section lies, and never across sections."""

import numpy as np
import pytest
from scipy.stats import special_ortho_group

from aivc.core.errors import DataError
from aivc.data.tissue.graph import GraphRule, copies, link, sections
from tiny_tissues import tissue

DRAW = np.random.default_rng(0)
CELLS = DRAW.uniform(0, 100, (60, 2))
LATTICE = np.stack(np.meshgrid(np.arange(7.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
HEXAGONS = np.array([(c + 0.5 * (r % 2), r * 3**0.5 / 2) for r in range(9) for c in range(9)])
EMBRYO = DRAW.uniform(0, 100, (60, 3))
RULES = ["nearest:1", "nearest:4", "nearest:6", "nearest:8", "nearest:15", "radius:1", "radius:1.5", "delaunay:3"]


def turned(points, seed=0):
    """Rotated, mirrored and moved."""
    rotation = special_ortho_group.rvs(points.shape[1], random_state=seed)
    rotation[:, 0] *= -1
    return points @ rotation + 1234.5


def links(points, rule, **columns):
    return link(tissue(points, **columns), GraphRule.parse(rule)).links


def same(one, other):
    return one.shape == other.shape and (one != other).nnz == 0


@pytest.mark.parametrize("points", [CELLS, LATTICE, HEXAGONS, EMBRYO], ids=["cells", "squares", "hexagons", "embryo"])
@pytest.mark.parametrize("rule", ["nearest:4", "nearest:6", "nearest:8", "nearest:15", "radius:1", "radius:20"])
def test_rotation_mirror_and_shift_change_no_neighbor(points, rule):
    assert same(links(points, rule), links(turned(points), rule))


@pytest.mark.parametrize("points", [CELLS, EMBRYO], ids=["cells", "embryo"])
def test_a_triangulation_turns_with_the_section(points):
    assert same(links(points, "delaunay:3"), links(turned(points), "delaunay:3"))


@pytest.mark.parametrize("points", [CELLS, LATTICE, HEXAGONS, EMBRYO], ids=["cells", "squares", "hexagons", "embryo"])
@pytest.mark.parametrize("rule", ["nearest:4", "nearest:6", "nearest:15", "radius:1.5"])
def test_order_changes_no_neighbor(points, rule):
    order = np.random.default_rng(1).permutation(len(points))
    assert same(links(points, rule)[order][:, order], links(points[order], rule))


@pytest.mark.parametrize("rule", RULES)
def test_links_are_symmetric_ones_without_an_own(rule):
    found = links(LATTICE, rule)
    assert (found != found.T).nnz == 0
    assert set(found.data) == {1}
    assert not found.diagonal().any()


def test_ties_of_a_lattice_are_all_neighbors():
    inside = 2 * 7 + 3
    for rule, count in {"nearest:1": 4, "nearest:4": 4, "nearest:5": 8, "radius:1": 4, "radius:1.5": 8}.items():
        assert np.diff(links(LATTICE, rule).indptr)[inside] == count, rule
    assert np.diff(links(HEXAGONS, "nearest:6").indptr)[4 * 9 + 4] == 6


def test_more_ties_than_are_searched_at_first_are_found():
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    wheel = np.r_[np.zeros((1, 2)), np.c_[np.cos(angle), np.sin(angle)]]
    assert np.diff(links(wheel, "nearest:1").indptr)[0] == 40


@pytest.mark.parametrize("rule", RULES)
def test_no_link_joins_two_sections(rule):
    section = np.array(["a", "b"])[np.arange(42) % 2]
    # Both sections lie at the same places.
    points = np.repeat(LATTICE[:21] + DRAW.uniform(0, 0.01, (21, 2)), 2, axis=0)
    found = links(points, rule, section=section).tocoo()
    assert (section[found.row] == section[found.col]).all()
    alone = links(points[::2], rule)
    assert same(links(points, rule, section=section)[::2][:, ::2], alone)


def test_copies_are_refused_and_found():
    points = np.r_[CELLS, CELLS[:3], CELLS[5:6] + 1e-3]
    with pytest.raises(DataError, match="3 entities lie exactly where another one"):
        links(points, "nearest:4")
    assert np.flatnonzero(copies(tissue(points))).tolist() == [60, 61, 62]
    assert np.flatnonzero(copies(tissue(points), within=0.01)).tolist() == [60, 61, 62, 63]
    # The same place in another section is no copy.
    assert not copies(tissue(points, section=["a"] * 60 + ["b"] * 4)).any()


def test_positions_that_are_missing_or_not_finite_are_refused():
    with pytest.raises(DataError, match="no positions"):
        link(tissue(CELLS).replace(coordinates=None))
    with pytest.raises(DataError, match="1 positions are not finite"):
        links(np.r_[CELLS, [[np.nan, 1]]], "radius:5")


def test_small_sections():
    assert links(CELLS[:1], "nearest:8").nnz == 0
    assert links(CELLS[:3], "nearest:8").nnz == 6
    with pytest.raises(DataError, match="no triangulation"):
        links(CELLS[:2], "delaunay:3")


def test_far_cells_are_not_joined_by_a_triangulation():
    far = np.r_[LATTICE, [[500.0, 500.0]]]
    assert links(far, "delaunay:3")[-1].nnz == 0


@pytest.mark.parametrize("rule", RULES)
def test_rules_have_a_text_form(rule):
    assert str(GraphRule.parse(rule)) == rule


@pytest.mark.parametrize("text", ["nearest", "nearest:0", "nearest:2.5", "radius:-1", "grid:4", "radius:50um", ""])
def test_other_texts_are_refused(text):
    with pytest.raises(DataError, match="nearest:8, radius:50 or delaunay:3"):
        GraphRule.parse(text)


def test_sections_come_in_the_order_of_their_names():
    found = sections(tissue(CELLS[:4], section=["b", "a", "b", "a"]))
    assert [rows.tolist() for rows in found] == [[1, 3], [0, 2]]
