import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError, UnitsError, UnknownNameError
from aivc.core.measurement import Measurement

VALUES = np.arange(12.0).reshape(4, 3)
FEATURES = np.array(["A", "B", "C"], dtype=object)


def make(values=VALUES, **changes):
    entities = pd.DataFrame({"donor": list("ppqq")}, index=list("wxyz"))
    return Measurement(**{"values": values, "features": FEATURES, "entities": entities, "units": "counts", **changes})


class OnDisk:
    """Rows that count how many were returned."""

    def __init__(self, values):
        self._values, self.shape, self.read = values, values.shape, 0

    def rows(self, start, stop):
        self.read += stop - start
        return self._values[start:stop]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"values": VALUES[:, :2]}, r"Values have shape \(4, 2\).*Align them"),
        ({"observed": np.ones(4, dtype=bool)}, r"it must be \(3,\) or \(4, 3\)"),
        ({"coordinates": np.ones((3, 2))}, "must have 4 rows"),
        ({"links": sparse.csr_matrix((4, 3))}, r"Links have shape \(4, 3\); they must be \(4, 4\)"),
        ({"links": sparse.csr_matrix((3, 3))}, r"they must be \(4, 4\)"),
        ({"links": sparse.csr_matrix(-np.eye(4))}, "never negative"),
        ({"links": sparse.csr_matrix(np.nan * np.eye(4))}, "finite weights"),
        ({"features": np.array(["A", "B", "A"], dtype=object)}, "Features stand twice: A. Rename or sum them"),
        ({"entities": pd.DataFrame(index=list("wwyz"))}, "Entities stand twice: w. Make their names unique"),
    ],
)
def test_contradictions_are_refused(changes, problem):
    with pytest.raises(DataError, match=problem):
        make(**changes)


def test_every_problem_is_reported_at_once():
    with pytest.raises(DataError) as caught:
        make(VALUES[:2], features=np.array(["A", "A", "A"], dtype=object), coordinates=np.ones((1, 2)))
    assert len(caught.value.problems) == 3


def test_units_have_no_default_and_are_canonical():
    assert make(units="log1p_cp10000").units == "log1p_cp10k"
    with pytest.raises(UnitsError, match="Declare what the values are"):
        make(units="numbers")
    with pytest.raises(TypeError, match="units"):
        Measurement(VALUES, FEATURES, pd.DataFrame(index=list("wxyz")))


@pytest.mark.parametrize("pack", [np.asarray, sparse.csr_matrix, OnDisk], ids=["dense", "sparse", "disk"])
@pytest.mark.parametrize("rows", [[2, 0], [], [False, True, True, False]], ids=str)
def test_take_is_aligned_wherever_values_lie(pack, rows):
    rows = np.array(rows, dtype=bool if rows and isinstance(rows[0], bool) else int)
    observed = VALUES % 2 == 0
    part = make(pack(VALUES), observed=observed, coordinates=VALUES[:, :2]).take(rows)
    np.testing.assert_array_equal(part.dense(), VALUES[rows])
    np.testing.assert_array_equal(part.observed, observed[rows])
    np.testing.assert_array_equal(part.coordinates, VALUES[rows, :2])
    assert list(part.entities.index) == list(np.array(list("wxyz"))[rows])
    assert part.in_memory


@given(st.permutations(range(50)), st.integers(1, 50), st.integers(1, 60))
def test_rows_read_from_disk_come_in_the_order_asked(order, count, block):
    values = np.arange(100.0).reshape(50, 2)
    measurement = Measurement(OnDisk(values), FEATURES[:2], pd.DataFrame(index=range(50)), "counts")
    np.testing.assert_array_equal(measurement._read(np.array(order[:count]), block), values[order[:count]])


def test_select_orders_features_by_name():
    part = make(sparse.csr_matrix(VALUES), observed=np.array([True, False, True])).select(["C", "B"])
    np.testing.assert_array_equal(part.dense(), VALUES[:, [2, 1]])
    np.testing.assert_array_equal(part.observed, [True, False])
    assert list(part.features) == ["C", "B"]
    assert part.provenance == {}


def test_select_refuses_unknown_features_and_values_on_disk():
    with pytest.raises(UnknownNameError, match="no feature named 'Z'"):
        make().select(["A", "Z"])
    with pytest.raises(IntegrityError, match=r"Take the rows you need first: measurement.take\(rows\)"):
        make(OnDisk(VALUES)).select(["A"])


def test_mass_is_how_many_cells_a_row_stands_for():
    np.testing.assert_array_equal(make().mass, np.ones(4))
    np.testing.assert_array_equal(make(entities=pd.DataFrame({"cells": [3, 1, 4, 1]})).mass, [3.0, 1.0, 4.0, 1.0])


@pytest.mark.parametrize("pack", [np.asarray, sparse.csr_matrix, OnDisk], ids=["dense", "sparse", "disk"])
def test_dense_row_tells_zero_from_not_measured(pack):
    measurement = make(pack(VALUES), observed=np.array([True, False, True]))
    np.testing.assert_array_equal(measurement.dense_row(0), [0.0, np.nan, 2.0])
    np.testing.assert_array_equal(make(pack(VALUES), observed=VALUES != 4).dense_row(1), [3.0, np.nan, 5.0])
    assert VALUES[0, 1] == 1.0


def test_absent_columns_have_one_meaning():
    assert set(make().perturbations) == {"control"}
    assert set(make().contexts) == {"all"}


def test_frozen_and_readable():
    measurement = make()
    assert repr(measurement) == "Measurement(4 cellular entities × 3 rna features, counts)"
    assert len(measurement) == 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        measurement.units = "zscore"


IMAGES = np.arange(4 * 3 * 2 * 5.0).reshape(4, 3, 2, 5)


def on_disk_map(values, folder):
    np.save(folder / "values.npy", values)
    return np.load(folder / "values.npy", mmap_mode="r")


@pytest.mark.parametrize("where", ["memory", "map", "rows"])
def test_further_axes_are_kept_along_entities_and_features(where, tmp_path):
    values = {"memory": np.asarray, "map": lambda x: on_disk_map(x, tmp_path), "rows": OnDisk}[where](IMAGES)
    observed = VALUES % 2 == 0
    images = make(values, observed=observed, units="intensity", modality="image")
    assert not images.is_table
    assert images.in_memory == (where != "rows")
    np.testing.assert_array_equal(images.block(1, 3), IMAGES[1:3])
    part = images.take(np.array([2, 0]))
    np.testing.assert_array_equal(part.values, IMAGES[[2, 0]])
    np.testing.assert_array_equal(part.observed, observed[[2, 0]])
    np.testing.assert_array_equal(part.select(["C", "A"]).values, IMAGES[[2, 0]][:, [2, 0]])
    np.testing.assert_array_equal(part.select(["C", "A"]).observed, observed[[2, 0]][:, [2, 0]])
    np.testing.assert_array_equal(images.take(np.array([], dtype=int)).values, IMAGES[:0])
    row = images.dense_row(1)
    np.testing.assert_array_equal(np.isnan(row).all(axis=(1, 2)), ~observed[1])
    np.testing.assert_array_equal(row[observed[1]], IMAGES[1][observed[1]])
    assert images.replace(modality="other").values is images.values


def test_what_needs_a_table_says_what_came_and_what_to_do():
    make().require_table("A sum")
    with pytest.raises(
        DataError, match=r"A sum needs one number.*these image values have 4 axes: 4 × 3 × 2 × 5. Encode"
    ):
        make(IMAGES, modality="image").require_table("A sum")
    with pytest.raises(DataError, match="Align them"):
        make(IMAGES[:, :2])
    with pytest.raises(DataError, match="Align them"):
        make(VALUES[:, 0])


@pytest.mark.parametrize("rows", [[2, 0], [3, 1], [], [False, True, True, False]], ids=str)
def test_links_are_cut_on_both_axes(rows):
    rows = np.array(rows, dtype=bool if rows and isinstance(rows[0], bool) else int)
    links = np.arange(16.0).reshape(4, 4) * (1 - np.eye(4))
    tissue = make(links=sparse.csr_matrix(links), coordinates=VALUES[:, :2])
    np.testing.assert_array_equal(tissue.take(rows).links.toarray(), links[rows][:, rows])
    np.testing.assert_array_equal(tissue.replace(units="arbitrary").links.toarray(), links)
    assert make().take(rows).links is None


def test_times_are_hours_and_are_kept_by_take():
    entities = pd.DataFrame({"time": [0, 12, 24, 48]}, index=list("wxyz"))
    assert make(entities=entities).times.tolist() == [0.0, 12.0, 24.0, 48.0]
    assert make(entities=entities).take(np.array([3, 0])).times.tolist() == [48.0, 0.0]
    assert make().times is None


@pytest.mark.parametrize(
    "column", [["0h", "1h", "2h", "3h"], [0.0, np.nan, 1.0, 2.0], [0.0, np.inf, 1.0, 2.0], [True] * 4]
)
def test_a_column_called_time_holds_finite_hours(column):
    with pytest.raises(DataError, match=r"finite number of hours.*Declare time and time_unit"):
        make(entities=pd.DataFrame({"time": column}, index=list("wxyz")))


@pytest.mark.parametrize(
    ("units", "effects"), [("log2fc", True), ("rank", True), ("counts", False), ("arbitrary", False)]
)
def test_units_say_whether_values_are_effects(units, effects):
    assert make(units=units).is_effects is effects
