"""What the schema excludes is dropped and counted, in memory and on disk."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.data.io import exclude
from aivc.data.io.exclude import KeptRows, without_excluded
from aivc.data.io.formats import Raw
from aivc.data.io.schema import Schema

SCREEN = Schema(units="counts", perturbation="target", control="NT", kind="ko", donor="donor", exclude=("nan", ""))
LABELS = ["NT", "nan", "JAK2", None, "JAK2", "nan"]


def raw(labels=LABELS, donors=("P", "P", "P", "P", "", "Q"), **more):
    values = np.arange(len(labels) * 2, dtype=float).reshape(-1, 2)
    entities = pd.DataFrame({"target": list(labels), "donor": list(donors)}, index=list("abcdef"))
    return Raw(more.pop("values", values), pd.DataFrame(index=["G1", "G2"]), entities, **more)


def test_rows_are_dropped_everywhere_and_counted():
    seen = np.ones((6, 2), dtype=bool)
    seen[4] = False
    given = raw(donors="P", coordinates=np.arange(12.0).reshape(6, 2), observed=seen)
    found = without_excluded(given, SCREEN)
    assert list(found.entities.index) == ["a", "c", "e"]
    np.testing.assert_array_equal(found.values, given.values[[0, 2, 4]])
    np.testing.assert_array_equal(found.coordinates[:, 0], [0, 4, 8])
    np.testing.assert_array_equal(found.observed[:, 0], [True, True, False])
    assert found.notes == ("3 of 6 entities were left out, as exclude says: 'nan' (2), blank (1).",)
    assert len(given.entities) == 6


def test_donors_are_excluded_too_unless_their_blanks_have_a_name():
    assert list(without_excluded(raw(), SCREEN).entities.index) == ["a", "c"]
    named = Schema(**{**vars(SCREEN), "blank": "unknown"})
    assert list(without_excluded(raw(), named).entities.index) == ["a", "c", "e"]
    doublets = Schema(**{**vars(SCREEN), "exclude": "doublet"})
    assert list(without_excluded(raw(donors=["doublet", *"PPPPP"]), doublets).entities.index) == list("bcdef")


def test_labels_that_nobody_has_are_named():
    other = Schema(**{**vars(SCREEN), "exclude": ("multiplet",)})
    found = without_excluded(raw(), other)
    assert len(found.entities) == 6
    assert found.notes == ("exclude names labels that no entity has: 'multiplet'.",)


def test_nothing_left_is_a_problem():
    found = without_excluded(raw(["nan"] * 6), SCREEN)
    assert found.problems == ("exclude leaves no entity. Take labels out of it.",)
    assert without_excluded(raw(), Schema(**{**vars(SCREEN), "exclude": ()})).notes == ()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_rows_on_disk_are_read_in_runs(kind, monkeypatch):
    monkeypatch.setattr(exclude, "_BLOCK", 3)
    table = np.arange(40.0).reshape(20, 2)
    asked = []

    class Disk:
        shape = (20, 2)

        def rows(self, start, stop):
            asked.append((start, stop))
            return kind(table[start:stop])

    kept = np.array([0, 2, 3, 11, 12, 19])
    rows = KeptRows(Disk(), kept)
    assert rows.shape == (6, 2)
    dense = [
        block if isinstance(block, np.ndarray) else block.toarray() for block in (rows.rows(0, 6), rows.rows(1, 3))
    ]
    np.testing.assert_array_equal(dense[0], table[kept])
    np.testing.assert_array_equal(dense[1], table[[2, 3]])
    assert asked == [(0, 4), (11, 13), (19, 20), (2, 4)]
    assert rows.rows(2, 2).shape == (0, 2)
