import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.instruments.manipulators.time import snapshots
from aivc.instruments.manipulators.time.snapshots import POOLED, Places, bracket, line_name, lines_of, table_of, thinned
from tiny_development import cells_at


def two_contexts():
    hours = np.repeat([0.0, 24.0], 12)
    context = np.where(np.arange(24) % 2, "A", "B").astype(object)
    done = np.where((np.arange(24) >= 12) & (np.arange(24) % 3 == 0), "ko:G for 24h", "control").astype(object)
    ur = cells_at(np.arange(48.0).reshape(24, 2), hours, context=context)
    return cells_at(ur.values, hours, context=context), done


def test_each_context_has_a_line_and_all_have_one_together():
    ur, _ = two_contexts()
    table = table_of("x", ur, None, 0)
    assert table.lines == tuple(line_name(each, "") for each in (POOLED, "A", "B"))
    pooled = lines_of(table)[line_name(POOLED, "")]
    assert [each.hours for each in pooled] == [0.0, 24.0]
    assert [len(each.values) for each in pooled] == [12, 12]
    assert pooled[0].weight.sum() == pytest.approx(1.0)


def test_a_line_of_perturbed_cells_begins_with_unperturbed_ones(monkeypatch):
    monkeypatch.setattr(snapshots, "FEWEST", 2)
    ur, done = two_contexts()
    ur = cells_at(ur.values, ur.times, context=ur.contexts)
    ur.entities["perturbation"] = done
    line = lines_of(table_of("x", ur, None, 0))[line_name(POOLED, "ko:G")]
    assert [len(each.values) for each in line] == [12, 4]


def test_of_too_many_cells_some_are_drawn_by_mass(monkeypatch):
    monkeypatch.setattr(snapshots, "MOST", 5)
    ur, _ = two_contexts()
    line = lines_of(table_of("x", ur, None, 0))[line_name(POOLED, "")]
    assert [len(each.values) for each in line] == [5, 5]


def test_missing_times_are_refused_with_what_to_do():
    ur = cells_at(np.zeros((12, 2)), np.zeros(12))
    with pytest.raises(DataError, match=r"two times, 5 or more of each; got times 0 h\. Read more"):
        table_of("x", ur, None, 0)
    ur.entities.drop(columns="time", inplace=True)
    with pytest.raises(DataError, match=r"no cell says\. Declare the column of times"):
        table_of("x", ur, None, 0)


def test_numbers_of_cells_are_even_and_follow_names():
    names, values = [f"c{i}" for i in range(50)], np.random.default_rng(0).normal(size=(50, 1))
    places = Places(names, values, 0)("way")
    np.testing.assert_allclose(np.diff(np.sort(places)), 1 / 50)
    assert 0 <= places.min() < 1 / 50
    order = np.random.default_rng(1).permutation(50)
    np.testing.assert_array_equal(Places([names[i] for i in order], values[order], 0)("way"), places[order])
    assert not np.array_equal(Places(names, values, 0)("copy"), places)
    assert not np.array_equal(Places(names, values, 1)("way"), places)
    assert 0 < Places(names[:1], values[:1], 0)("way")[0] < 1


def test_a_time_lies_in_one_interval():
    ur = cells_at(np.zeros((18, 2)) + np.arange(18)[:, None], np.repeat([0.0, 24.0, 72.0], 6))
    line = next(iter(lines_of(table_of("x", ur, None, 0)).values()))
    assert [bracket(line, hours) for hours in (0.0, 23.9, 24.0, 71.0, 72.0)] == [0, 0, 1, 1, 1]
    assert [len(each.values) for each in thinned(line, 3, 0)] == [3, 3, 3]
