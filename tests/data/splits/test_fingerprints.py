import numpy as np
import pytest
from scipy import sparse

from aivc.data.splits.fingerprints import CHOSEN, Fingerprints, feature_hashes, keep_features, provenance_of
from aivc.data.synthetic import synthetic_screen


@pytest.fixture(scope="module")
def cells():
    return synthetic_screen(perturbations=6, features=60, cells=12, controls=24)[0]


def test_fingerprints_do_not_depend_on_form(cells):
    marks = Fingerprints.of(cells).marks
    assert len(set(marks)) == len(cells)
    order = np.random.default_rng(1).permutation(len(cells.features))
    zeros = cells.values.tocoo()
    zeros = sparse.csr_matrix(
        (np.append(zeros.data, 0), (np.append(zeros.row, 0), np.append(zeros.col, 0))), shape=cells.values.shape
    )
    for form in (
        cells.select(cells.features[order]),
        cells.replace(values=cells.dense()),
        cells.replace(values=zeros),
    ):
        np.testing.assert_array_equal(Fingerprints.of(form).marks, marks)


def test_blocks_of_rows_change_nothing(cells, monkeypatch):
    whole = Fingerprints.of(cells)
    monkeypatch.setattr("aivc.data.splits.fingerprints._AT_ONCE", 130)
    np.testing.assert_array_equal(Fingerprints.of(cells).marks, whole.marks)


def test_values_of_every_sort_are_distinguished(cells):
    values = np.zeros((6, len(cells.features)))
    values[:, 0] = [0.5, 255, 256, 1e6, -3, np.nan]
    odd = cells.take(np.arange(6)).replace(values=values, units="arbitrary")
    prints = Fingerprints.of(odd)
    assert len(set(prints.marks)) == 6
    assert prints.marks[5] == 0
    assert not prints.telling.any()


def test_some_features_are_named_or_hashed(cells):
    few = cells.features[:30]
    named, hashed = Fingerprints.of(cells, few).marks, Fingerprints.of(cells, feature_hashes(few)).marks
    np.testing.assert_array_equal(named, hashed)
    np.testing.assert_array_equal(named, Fingerprints.of(cells.select(few)).marks)


def test_a_choice_of_features_says_on_what(cells):
    chosen = keep_features(cells, cells.features[:9], on=cells)
    assert len(chosen.features) == 9
    assert chosen.provenance[CHOSEN]["data_digest"] == provenance_of(cells).data_digest
