"""A time course that cannot answer what it will be asked is noted when it is read."""

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.data.io.check import check
from aivc.data.io.time_checks import time_notes


def table(counts, **columns):
    times = np.repeat(list(counts), list(counts.values()))
    return pd.DataFrame({"time": times, **columns}, index=[f"c{i}" for i in range(len(times))])


def test_batches_of_one_time_are_noted_and_replicates_are_not():
    counts = {0.0: 8, 24.0: 8}
    assert "cannot be separated" in time_notes(table(counts, donor=["a"] * 8 + ["b"] * 8))[0]
    # Two batches of each time, nested in it or crossed with it, show what batches do.
    assert not time_notes(table(counts, batch=["a", "b"] * 4 + ["c", "d"] * 4))
    assert not time_notes(table(counts, batch=["a", "b"] * 8))
    assert not time_notes(table({0.0: 8}, batch=["a"] * 8))
    assert not time_notes(table(counts).drop(columns="time"))


def test_times_of_few_cells_are_noted():
    (note,) = time_notes(table({0.0: 8, 24.0: 3, 48.0: 8}))
    assert "(3 at 24 h)" in note


def test_controls_of_one_other_time_are_noted():
    labels = ["control"] * 6 + ["drug:A@1uM"] * 12
    (note,) = time_notes(table({0.0: 6, 1.0: 6, 3.0: 6}, perturbation=labels))
    assert note.startswith("All controls were read at 0 h, and 12 perturbed cells at other times (1, 3 h)")
    assert not time_notes(table({0.0: 6, 1.0: 6, 3.0: 6}, perturbation=["control", "drug:A@1uM"] * 9))


def test_a_check_repeats_them():
    entities = table({0.0: 8, 24.0: 3, 48.0: 8}, perturbation="control", context="x")
    values = np.random.default_rng(0).poisson(5.0, (19, 4)).astype(float)
    cells = Measurement(values, np.array(list("abcd"), dtype=object), entities, "counts")
    assert any("3 at 24 h" in note for note in check(cells, species="none").reading)
