"""Positions, sections and neighbors of a tissue: what a check says of each."""

import numpy as np
import pytest
from scipy import sparse

from aivc.data.io.check import check
from aivc.data.tissue.graph import GraphRule, link
from tiny_tissues import places, tissue

LATTICE = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2)
UM, ARRAY = {"unit": "um"}, {"unit": "array"}


def report(points, about=UM, links=None, **columns):
    cells = tissue(points, **columns).replace(provenance={"coordinates": about}, links=links)
    return check(cells, species="none")


def notes(*given, **columns):
    return " ".join(report(*given, **columns).notes)


def test_a_sound_tissue_is_summed_up():
    found = report(places(100))
    assert not found.problems
    assert "Positions of 1 section: the nearest neighbor is" in " ".join(found.notes)
    assert "they form no lattice" in " ".join(found.notes)
    assert "1 places of the array away (median); they form a lattice" in notes(LATTICE, ARRAY)
    assert "in a unit that is not stated" in notes(places(100), {})


def test_copies_are_counted():
    points = np.r_[places(100), places(100)[:3], places(100)[5:7] + 0.5]
    said = notes(points)
    assert "5 entities lie within 2 µm" in said
    assert "3 at the very same place" in said
    assert "2 entities lie where another one does" in notes(np.r_[LATTICE, LATTICE[:2]], ARRAY)
    assert "copies of a cell" not in notes(np.r_[LATTICE, LATTICE], ARRAY, section=["a"] * 100 + ["b"] * 100)


@pytest.mark.parametrize(
    ("points", "remedy"),
    [
        (places(100) * 20, 'coordinate_unit = "pixel"'),
        (places(100) / 1000, "or mm"),
        (LATTICE, 'such as "array"'),
    ],
)
def test_another_unit_taken_for_um_is_a_problem(points, remedy):
    assert any(remedy in text for text in report(points).problems)


def test_spots_far_apart_are_no_pixels():
    assert not report(LATTICE * 200).problems
    assert "wide for cells" in notes(places(100) * 6)


def test_an_array_that_is_none_is_noted():
    assert "are these pixels or µm" in notes(places(100), ARRAY)
    assert "are these pixels or µm" in notes(LATTICE * 150, ARRAY)


def test_isolated_cells_and_small_sections_are_noted():
    said = notes(np.r_[places(100), [[5000.0, 5000]]], section=["a"] * 90 + ["b"] * 11)
    assert "1 entities are isolated" in said
    assert "1 of 2 sections hold fewer than 50 entities: b" in said
    assert "entities are isolated" in notes(places(3), section=["a", "a", "b"])


def test_what_is_confounded_is_noted():
    two = {"section": ["a"] * 50 + ["b"] * 50}
    assert "Each donor has one section" in notes(places(100), donor=["p"] * 50 + ["q"] * 50, **two)
    assert "turned or mirrored" in notes(places(100), donor=["p"] * 100, **two)
    assert "no section is declared" in notes(places(100), donor=["p", "q"] * 50)
    labels = ["control"] * 50 + ["drug:A"] * 50
    assert "Each perturbation has one section" in notes(places(100), perturbation=labels, **two)


def test_links_across_sections_are_a_problem_and_lonely_entities_a_note():
    section = ["a"] * 60 + ["b"] * 40
    near = link(tissue(places(100)), GraphRule("nearest", 4)).links
    assert any("join two sections" in text for text in report(places(100), links=near, section=section).problems)
    sound = link(tissue(places(100), section=section), GraphRule("nearest", 4)).links
    assert not report(places(100), links=sound, section=section).problems
    empty = sparse.csr_matrix((100, 100), dtype=np.float32)
    assert "100 entities have no neighbor" in " ".join(report(places(100), links=empty).notes)


def test_an_entity_without_counts_is_a_problem():
    cells = tissue(places(60))
    values = cells.values.copy()
    values[4] = 0
    assert any("c4" in text for text in check(cells.replace(values=values), species="none").problems)
