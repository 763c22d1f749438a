import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.testing import sample_ur

SPACE = Space("a-space", Scale.CELLULAR, 2, "abc")
ENTITIES = pd.DataFrame({"perturbation": ["control", "ko:A", None], "cells": [1, 2, 3]}, index=["x", "y", "z"])
VALUES = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])


def make(**changes):
    return UR(**{"values": VALUES, "space": SPACE, "entities": ENTITIES, **changes})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"values": VALUES[:, :1]}, r"has shape \(3, 2\), got \(3, 1\)"),
        ({"entities": ENTITIES.iloc[:2]}, r"has shape \(2, 2\), got \(3, 2\)"),
        ({"values": VALUES * np.nan}, "declare what was not measured"),
        ({"variance": -np.ones((3, 2))}, "never negative"),
        ({"variance": np.full((3, 2), np.nan)}, "never negative"),
        ({"mass": np.zeros(3)}, "one positive number per entity"),
        ({"mass": np.array([1.0, np.nan, 1.0])}, "one positive number per entity"),
    ],
)
def test_impossible_representations_are_refused(changes, problem):
    with pytest.raises(DataError, match=problem):
        make(**changes)


def test_mean_weighs_by_mass():
    assert make().mean == pytest.approx([2, 3])
    assert make(mass=np.array([1.0, 1.0, 2.0])).mean == pytest.approx([2.5, 3.5])


def test_take_keeps_everything_aligned():
    ur = make(variance=VALUES + 1, mass=np.array([1.0, 2.0, 3.0]))
    for rows in (np.array([2, 0]), np.array([True, False, True])):
        part = ur.take(rows)
        assert list(part.entities.index) == list(ENTITIES.index[rows])
        np.testing.assert_array_equal(part.values, VALUES[rows])
        np.testing.assert_array_equal(part.variance, VALUES[rows] + 1)
        np.testing.assert_array_equal(part.mass, np.array([1.0, 2.0, 3.0])[rows])


def test_moved_shifts_and_relabels_a_copy():
    ur = make()
    moved = ur.moved(np.array([1.0, -1.0]), "ko:B")
    np.testing.assert_array_equal(moved.values - ur.values, [[1, -1]] * 3)
    assert set(moved.perturbations) == {"ko:B"}
    assert "ko:B" not in set(ur.perturbations)


@pytest.mark.parametrize("n", [1, 3, 10])
def test_sample_keeps_the_mean_and_names_every_state(n):
    ur = make(variance=VALUES, mass=np.array([1.0, 2.0, 5.0]))
    drawn = ur.sample(n, seed=4)
    assert len(drawn) == n
    assert drawn.entities.index.is_unique
    np.testing.assert_allclose(drawn.mean, ur.mean)
    np.testing.assert_array_equal(drawn.mass, np.ones(n))
    np.testing.assert_array_equal(drawn.values, ur.sample(n, seed=4).values)


def test_absent_columns_have_one_meaning():
    ur = make(entities=pd.DataFrame(index=["x", "y", "z"]))
    assert set(ur.perturbations) == {"control"}
    assert set(ur.contexts) == {"all"}


def test_disk_round_trip(tmp_path):
    columns = {
        "perturbation": ["control", None, "ko:A"],
        "cells": [1, 2, 3],
        "quality": [0.5, np.nan, 2.0],
        "passed": [True, False, True],
        "maybe": pd.array([True, None, False], dtype="boolean"),
        "batch": pd.Categorical(["one", "two", "one"]),
    }
    ur = make(entities=pd.DataFrame(columns, index=["x", "y", "z"]), variance=VALUES, mass=np.array([1.0, 2.0, 0.5]))
    ur.save(tmp_path)
    back = UR.load(tmp_path)
    for name in ("values", "variance", "mass"):
        np.testing.assert_array_equal(getattr(back, name), getattr(ur, name))
    assert back.space == ur.space
    assert list(back.entities) == list(columns)
    assert list(back.entities.index) == ["x", "y", "z"]
    assert back.entities["perturbation"].tolist() == ["control", None, "ko:A"]
    assert back.entities["passed"].tolist() == [True, False, True]
    assert back.entities["cells"].dtype == np.int64
    pd.testing.assert_series_equal(back.entities["quality"], ur.entities["quality"])
    assert np.isnan(back.entities["maybe"].iloc[1])


@pytest.mark.parametrize("changes", [{"space": None}, {"columns": []}, {"names": ["x"]}, {"order": 3}])
def test_other_states_are_no_representation(tmp_path, changes):
    make().save(tmp_path)
    state = State.load(tmp_path)
    State({**state.settings, **changes}, state.arrays).save(tmp_path)
    with pytest.raises(IntegrityError, match="Encode the data again"):
        UR.load(tmp_path)


def test_altered_file_is_refused(tmp_path):
    make().save(tmp_path)
    body = json.loads((tmp_path / "settings.json").read_text())
    body["settings"]["names"][0] = "forged"
    (tmp_path / "settings.json").write_text(json.dumps(body))
    with pytest.raises(IntegrityError, match="altered after it was saved"):
        UR.load(tmp_path)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().values = VALUES


def test_what_was_not_measured_has_infinite_variance_and_keeps_it(tmp_path):
    variance = np.array([[0.0, np.inf], [0.0, 0.0], [np.inf, 1.0]])
    ur = make(variance=variance)
    ur.save(tmp_path)
    np.testing.assert_array_equal(UR.load(tmp_path).variance, variance)
    np.testing.assert_array_equal(ur.take(np.array([2])).variance, variance[2:])


def test_times_of_what_was_encoded_are_kept_by_take_move_and_disk(tmp_path):
    ur = make(entities=ENTITIES.assign(time=[0.0, 6.0, 24.0]))
    assert make().times is None
    assert ur.take(np.array([2, 0])).moved(np.ones(2), "ko:B").times.tolist() == [24.0, 0.0]
    ur.save(tmp_path)
    assert UR.load(tmp_path).times.tolist() == [0.0, 6.0, 24.0]


LINKS = sparse.csr_matrix(np.array([[0, 1.0, 0], [1.0, 0, 2.0], [0, 2.0, 0]]))


def test_perturbations_are_parsed_once():
    ur = make(entities=ENTITIES.assign(perturbation=["control", "ko:A", "ko:A"]))
    assert [str(each) for each in ur.parsed] == ["control", "ko:A", "ko:A"]
    assert ur.parsed is ur.parsed


def test_links_are_cut_with_the_entities():
    part = make(links=LINKS).take(np.array([False, True, True]))
    np.testing.assert_array_equal(part.links.toarray(), [[0, 2], [2, 0]])
    assert make().take(np.array([0])).links is None


@pytest.mark.parametrize(
    ("links", "problem"), [(LINKS[:2], r"must be \(3, 3\)"), (-LINKS, "never negative"), (LINKS * np.nan, "finite")]
)
def test_impossible_links_are_refused(links, problem):
    with pytest.raises(DataError, match=problem):
        make(links=links)


def test_links_are_saved_and_damaged_ones_refused(tmp_path):
    make(links=LINKS).save(tmp_path)
    np.testing.assert_array_equal(UR.load(tmp_path).links.toarray(), LINKS.toarray())
    state = State.load(tmp_path)
    State(state.settings, {**state.arrays, "links:indices": np.full(4, 99, np.int32)}).save(tmp_path)
    with pytest.raises(IntegrityError, match="Encode the data again"):
        UR.load(tmp_path)


def test_labels_made_ahead_are_those_made_one_by_one():
    one, same = sample_ur().sample(1), sample_ur().sample(1)
    one.label_ahead(["ko:A", "ko:B"])
    for text in ("ko:B", "ko:A", "ko:C"):
        shift = np.ones(one.space.dim)
        ahead, alone = one.moved(shift, text), same.moved(shift, text)
        pd.testing.assert_frame_equal(ahead.entities, alone.entities)
        np.testing.assert_array_equal(ahead.values, alone.values)


def test_states_moved_many_ways_are_those_moved_one_by_one():
    states = sample_ur()
    shifts = np.random.default_rng(0).normal(size=(3, len(states), states.space.dim))
    for moved, shift in zip(states.moved_each(shifts, "ko:A"), shifts, strict=True):
        alone = states.moved(shift, "ko:A")
        np.testing.assert_array_equal(moved.values, alone.values)
        np.testing.assert_allclose(moved.mean, alone.mean, rtol=0, atol=1e-12)
        pd.testing.assert_frame_equal(moved.entities, alone.entities)
        assert (list(moved.perturbations), list(moved.contexts)) == (list(alone.perturbations), list(alone.contexts))
    shifts[2, 0, 0] = np.nan
    with pytest.raises(DataError, match="finite numbers only"):
        states.moved_each(shifts, "ko:A")
