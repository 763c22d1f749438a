"""Rings of neighbors: who is exactly so many steps away, and their mean."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.csgraph import shortest_path

from aivc.data.tissue import shells as module
from aivc.data.tissue.graph import GraphRule, link
from aivc.data.tissue.shells import shell_means, shells
from tiny_tissues import tissue

DRAW = np.random.default_rng(0)
POINTS = DRAW.uniform(0, 100, (80, 2))
LINKS = link(tissue(POINTS), GraphRule("nearest", 3)).links
VALUES = DRAW.normal(size=(80, 4))


def test_a_shell_holds_what_is_exactly_so_many_steps_away():
    steps = shortest_path(LINKS, unweighted=True)
    for distance, shell in enumerate(shells(LINKS, 4), 1):
        np.testing.assert_array_equal(shell.toarray(), steps == distance)


def test_rows_may_be_asked_for_alone():
    rows = np.array([7, 3])
    for some, every in zip(shells(LINKS, 3, rows), shells(LINKS, 3), strict=True):
        np.testing.assert_array_equal(some.toarray(), every.toarray()[rows])


def test_means_are_those_of_the_shells():
    means, counts = shell_means(LINKS, VALUES, 2)
    steps = shortest_path(LINKS, unweighted=True)
    for i in range(80):
        for place in range(2):
            there = VALUES[steps[i] == place + 1]
            assert counts[i, place] == len(there)
            np.testing.assert_allclose(means[i, place], there.mean(axis=0) if len(there) else np.zeros(4), atol=1e-12)


def test_blocks_change_nothing(monkeypatch):
    whole = shell_means(LINKS, VALUES, 2)
    monkeypatch.setattr(module, "_BLOCK", 7)
    for one, other in zip(whole, shell_means(LINKS, VALUES, 2), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("weight", [0.01, 5.0])
def test_weights_do_not_matter(weight):
    for one, other in zip(shell_means(LINKS, VALUES, 2), shell_means(LINKS * weight, VALUES, 2), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_lattice_gives_the_same_however_it_lies():
    points = np.stack(np.meshgrid(np.arange(6.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
    values = DRAW.normal(size=(30, 3))
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    rule = GraphRule("nearest", 6)
    one = shell_means(link(tissue(points), rule).links, values, 3)[0]
    other = shell_means(link(tissue(points @ turn * 3 - 8), rule).links, values, 3)[0]
    np.testing.assert_array_equal(one, other)


def test_who_is_alone_has_empty_shells():
    means, counts = shell_means(sparse.csr_matrix((3, 3), dtype=np.float32), VALUES[:3], 2)
    assert not means.any()
    assert not counts.any()
