import numpy as np
import pytest
from scipy import sparse

from aivc.data.streaming import group_sums
from aivc.data.streaming.group_sums import GroupSums, dense_rows, moments

FEATURES, GROUPS = 40, 12


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    values = rng.poisson(0.1, (300, FEATURES)) * rng.random((300, FEATURES))
    codes = rng.integers(0, GROUPS - 1, 300)
    # The last group has a single cell.
    codes[7] = GROUPS - 1
    return values, codes


def added(values, codes, wrap):
    sums = GroupSums(GROUPS, FEATURES)
    for start in range(0, len(values), 50):
        sums.add(codes[start : start + 50], wrap(values[start : start + 50]))
    return sums.table()


def by_hand(values, codes):
    return np.array([values[codes == group].sum(axis=0) for group in range(GROUPS)])


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_a_small_table_is_dense(cells, wrap):
    found = added(*cells, wrap)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, by_hand(*cells), atol=1e-12)


@pytest.mark.parametrize(("full", "held"), [(2.0, True), (0.5, False), (0.0, False)])
def test_a_large_table_is_sparse_until_it_fills_up(cells, monkeypatch, full, held):
    monkeypatch.setattr(group_sums, "_LARGE", 0)
    monkeypatch.setattr(group_sums, "_FULL", full)
    found = added(*cells, sparse.csr_matrix)
    assert sparse.issparse(found) == held
    np.testing.assert_allclose(dense_rows(found, slice(None)), by_hand(*cells), atol=1e-12)


def test_dense_blocks_fill_a_large_table(cells, monkeypatch):
    monkeypatch.setattr(group_sums, "_LARGE", 0)
    np.testing.assert_allclose(added(*cells, np.asarray), by_hand(*cells), atol=1e-12)


@pytest.mark.parametrize("full", [0.01, 2.0])
@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_moments_are_those_of_numpy_and_unknown_for_one_cell(cells, monkeypatch, wrap, full):
    monkeypatch.setattr(group_sums, "_FULL", full)
    values, codes = cells
    count = np.bincount(codes).astype(float)
    mean, variance = moments(wrap(by_hand(values, codes)), wrap(by_hand(values**2, codes)), count)
    several = range(GROUPS - 1)
    np.testing.assert_allclose(dense_rows(mean, slice(None)), by_hand(values, codes) / count[:, None], atol=1e-12)
    wanted = [values[codes == group].var(axis=0, ddof=1) for group in several]
    np.testing.assert_allclose(dense_rows(variance, np.arange(GROUPS - 1)), wanted, atol=1e-12)
    assert np.isnan(dense_rows(variance, np.array([GROUPS - 1]))).all()
