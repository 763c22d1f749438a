"""A learned correction of shells: kept where held-out tissue gains, and blind to how a section lies."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.state import State
from aivc.data.tissue.graph import GraphRule, link
from aivc.representations.multicellular.niche_graph import NicheGraph
from aivc.representations.multicellular.niche_training import edges_of, readout
from aivc.testing import check_encoder

TURN = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
SETTINGS = {"dim": 4, "reach": 1, "steps": 80}


def tissue(n, effect, *, seed=0, name=""):
    """Feature p1 is raised where many neighbours are extreme in p0, high or low: a mean of states does not show it."""
    rng = np.random.default_rng(seed)
    entities = pd.DataFrame({"section": np.where(np.arange(n) % 2, "one", "two")}, [f"{name}{i}" for i in range(n)])
    values, features = rng.normal(size=(n, 2)), np.array([f"p{i}" for i in range(2)], dtype=object)
    cells = Measurement(values, features, entities, "arbitrary", coordinates=rng.uniform(size=(n, 2)) * n**0.5)
    links = link(cells, GraphRule("nearest", 8)).links
    near = links @ (np.abs(values[:, 0]) > 1.2) / np.asarray(links.sum(axis=1)).ravel()
    return cells.replace(values=values + effect * np.eye(2)[1] * ((near - near.mean()) / near.std())[:, None])


@pytest.fixture(scope="module")
def opened():
    return NicheGraph.fit(tissue(420, 4.0), **SETTINGS)


def test_neighbors_that_are_noise_leave_the_gate_shut():
    cells = tissue(400, 0.0)
    graph = NicheGraph.fit(cells, **{**SETTINGS, "steps": 25})
    assert not graph.opened
    assert not graph.weights
    assert graph.gain < graph.gain_error + 0.005
    assert graph.unit == "section"
    np.testing.assert_array_equal(graph.encode(cells).values, graph.base.encode(cells).values)


def test_an_effect_that_means_do_not_show_opens_the_gate_and_helps_in_a_new_section(opened):
    assert opened.opened
    assert opened.gain - opened.gain_error > 0.005
    train, new = tissue(420, 4.0), tissue(500, 4.0, seed=5)
    left = {name: unread(each, train, new) for name, each in (("graph", opened), ("shells", opened.base))}
    assert left["graph"] < 0.96 * left["shells"]


def unread(encoder, train, new):
    """Share of the variance of the cells of a new section that a line from their shells leaves."""
    seen, asked = (encoder.encode(each).values for each in (train, new))
    own = seen.shape[1] // 2
    middle = seen.mean(axis=0)
    slopes = readout(seen[:, own:] - middle[own:], seen[:, :own] - middle[:own], 0.01)
    read = (asked[:, own:] - middle[own:]) @ slopes + middle[:own]
    return ((asked[:, :own] - read) ** 2).sum() / ((asked[:, :own] - middle[:own]) ** 2).sum()


def test_how_a_section_lies_changes_nothing(opened):
    cells = tissue(420, 4.0)
    before, places = opened.encode(cells).values, cells.coordinates
    assert not np.allclose(before, opened.base.encode(cells).values)
    for moved in (places @ TURN.T + 7, places * [-1, 1]):
        np.testing.assert_allclose(opened.encode(cells.replace(coordinates=moved)).values, before, atol=1e-8)
    order = np.random.default_rng(0).permutation(len(cells))
    np.testing.assert_allclose(opened.encode(cells.take(order)).values, before[order], atol=1e-8)


def test_a_cell_does_not_see_itself(opened):
    cells = tissue(420, 4.0)
    values = np.array(cells.values)
    values[0] += 3.0
    before, after = opened.encode(cells).values[0], opened.encode(cells.replace(values=values)).values[0]
    assert not np.allclose(before[: opened.width], after[: opened.width])
    np.testing.assert_allclose(after[opened.width :], before[opened.width :], atol=1e-9)


def test_a_cell_alone_has_the_shells_expected_and_nothing_is_corrected(opened):
    one = tissue(420, 4.0).take(np.array([0]))
    np.testing.assert_array_equal(opened.encode(one).values, opened.base.encode(one).values)


def test_messages_come_ring_by_ring_with_their_distance():
    line = Measurement(
        np.zeros((5, 1)), np.array(["a"]), pd.DataFrame(index=list("abcde")), "arbitrary",
        coordinates=np.c_[np.arange(5.0), np.zeros(5)],
    )  # fmt: skip
    links = link(line, GraphRule("radius", 1.2)).links
    edges = edges_of(links, line.coordinates, np.array([2, 0]), 2, 0.5)
    at, receiver = edges.of(np.array([1, 0]))
    assert receiver.tolist() == [0, 0, 1, 1, 1, 1]
    found = sorted(zip(receiver, edges.sender[at], edges.ring[at], edges.distance[at], strict=True))
    assert found == [(0, 1, 0, 2), (0, 2, 1, 4), (1, 0, 1, 4), (1, 1, 0, 2), (1, 3, 0, 2), (1, 4, 1, 4)]


def test_it_comes_back_from_its_state_to_the_last_bit_and_a_damaged_one_is_refused(opened, tmp_path):
    cells = tissue(420, 4.0)
    opened.state().save(tmp_path)
    again = NicheGraph.from_state(State.load(tmp_path))
    assert again.writes == opened.writes
    np.testing.assert_array_equal(again.encode(cells).values, opened.encode(cells).values)
    with pytest.raises(IntegrityError):
        NicheGraph.from_state(dataclasses.replace(opened, weights={}).state())


def test_what_has_no_place_or_no_shell_is_refused(opened):
    with pytest.raises(DataError, match="have no positions"):
        NicheGraph.fit(tissue(10, 0.0).replace(coordinates=None))
    with pytest.raises(DataError, match="have no positions"):
        opened.encode(tissue(10, 0.0).replace(coordinates=None))
    with pytest.raises(DataError, match="nothing to correct"):
        NicheGraph.fit(tissue(10, 0.0), reach=0)


@pytest.mark.slow
def test_promises_hold_with_the_gate_open():
    check_encoder(NicheGraph, tissue(420, 4.0), **SETTINGS)
