import time

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.experiments.atlas.neighbors import Neighbors


def test_finds_what_a_full_sort_finds():
    rng = np.random.default_rng(0)
    states, asked = rng.normal(size=(500, 8)), rng.normal(size=(40, 8))
    rows, far = Neighbors.of(states).find(asked, 7)
    distance = np.sqrt(((asked[:, None] - states[None]) ** 2).sum(axis=2))
    np.testing.assert_array_equal(rows, np.argsort(distance, axis=1)[:, :7])
    np.testing.assert_allclose(far, np.sort(distance, axis=1)[:, :7], rtol=1e-4)


def test_lists_find_nearly_all_and_survive_saving():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(60, 6))[rng.integers(0, 60, 9000)] * 3 + rng.normal(size=(9000, 6))
    asked = states[rng.permutation(9000)[:200]]
    lists = Neighbors.of(states, exact=False)
    assert lists.kind == "inverted-lists"
    found, truth = lists.find(asked, 10)[0], Neighbors.of(states).find(asked, 10)[0]
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, truth, strict=True)]) > 0.95
    again = Neighbors.from_state(lists.state(), states)
    np.testing.assert_array_equal(again.find(asked, 10)[0], found)


def test_asks_for_more_than_there_are_and_for_nothing():
    near = Neighbors.of(np.zeros((3, 2)))
    assert near.find(np.ones((1, 2)), 9)[0].tolist() == [[0, 1, 2]]
    assert near.find(np.ones((0, 2)), 2)[0].shape == (0, 2)
    few = Neighbors.of(np.random.default_rng(0).normal(size=(400, 3)), exact=False, probes=1)
    assert len(set(few.find(np.zeros((1, 3)), 350)[0][0])) == 350


def test_no_states_are_refused():
    with pytest.raises(DataError, match="Add some"):
        Neighbors.of(np.zeros((0, 3)))


@pytest.mark.slow
def test_a_million_states_answer_in_milliseconds():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(1_000_000, 32)).astype(np.float32)
    near = Neighbors.of(states)
    asked = states[rng.permutation(len(states))[:100]]
    near.find(asked[:2], 15)
    start = time.perf_counter()
    rows = near.find(asked, 15)[0]
    assert (time.perf_counter() - start) / 100 < 0.05
    # A state finds itself whatever list it lies in.
    np.testing.assert_allclose(states[rows[:, 0]], asked)
