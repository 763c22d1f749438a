import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, UnitsError
from aivc.core.measurement import Measurement
from aivc.data.streaming.normalize import NormalizedRows, median_total, normalize


class OnDisk:
    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def rows(self, start, stop):
        return self.values[start:stop]


def cells(values, units="counts"):
    n, f = values.shape
    return Measurement(
        values, np.array([f"g{i}" for i in range(f)]), pd.DataFrame(index=[f"c{i}" for i in range(n)]), units
    )


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(1.0, size=(30, 12)) + np.eye(30, 12, dtype=int)


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix, lambda x: OnDisk(sparse.csr_matrix(x))])
def test_counts_are_scaled_by_their_own_total_wherever_they_lie(counts, wrap):
    result = normalize(cells(wrap(counts)), "log1p_cp10000")
    wanted = np.log1p(counts * 1e4 / counts.sum(axis=1, keepdims=True))
    assert result.units == "log1p_cp10k"
    np.testing.assert_allclose(result.dense(), wanted, rtol=1e-6)
    assert result.block(0, 3).dtype == np.float32
    assert result.provenance["normalized"] == [{"from": "counts", "to": "log1p_cp10k"}]


def test_sparse_stays_sparse_and_disk_stays_disk(counts):
    assert sparse.issparse(normalize(cells(sparse.csr_matrix(counts)), "log1p_cp10k").values)
    assert isinstance(normalize(cells(OnDisk(counts)), "log1p_cp10k").values, NormalizedRows)


def test_originals_are_left_as_they_are(counts):
    before = sparse.csr_matrix(counts.astype(np.float32))
    kept = before.copy()
    normalize(cells(before), "log1p_cp10k")
    assert (before != kept).nnz == 0


def test_same_units_change_nothing(counts):
    once = normalize(cells(counts), "log1p_cp10k")
    assert normalize(once, "log1p_cp10000") is once
    scores = cells(np.ones((2, 2)), "zscore")
    assert normalize(scores, "zscore") is scores


def test_intensities_are_logged():
    result = normalize(cells(np.array([[0.0, np.e - 1]]), "intensity"), "log_intensity")
    np.testing.assert_allclose(result.values, [[0, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("got", "wanted"),
    [("log1p_cp10k", "counts"), ("log1p_cp10k", "log1p_cp193"), ("zscore", "log1p_cp10k"), ("counts", "log_intensity")],
)
def test_there_is_no_way_back(got, wanted):
    with pytest.raises(UnitsError, match="one-way"):
        normalize(cells(np.ones((2, 2)), got), wanted)


def test_empty_entities_are_counted_and_refused():
    with pytest.raises(DataError, match=r"2 of 3 entities have no counts.*Leave them out"):
        normalize(cells(sparse.csr_matrix(np.array([[0, 0], [1, 2], [0, 0]]))), "log1p_cp10k")


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_impossible_counts_are_refused(bad):
    with pytest.raises(DataError, match="1 values are negative, infinite or NaN"):
        normalize(cells(np.array([[1.0, bad]])), "log1p_cp10k")


def test_median_total_of_chosen_rows(counts):
    chosen = np.arange(30) < 11
    for values in (counts, sparse.csr_matrix(counts), OnDisk(counts)):
        assert median_total(cells(values)) == np.median(counts.sum(axis=1))
        assert median_total(cells(values), chosen) == np.median(counts[:11].sum(axis=1))
    with pytest.raises(UnitsError, match="Start from the counts"):
        median_total(cells(np.ones((2, 2)), "zscore"))
    with pytest.raises(DataError, match="at least one entity"):
        median_total(cells(counts), np.array([], dtype=int))
