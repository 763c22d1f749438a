"""Cells that are in a file twice, under whatever names, are noted."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.data.io.check import check

CELLS = np.random.default_rng(0).poisson(4.0, (12, 40)).astype(np.float32)
LABELS = ["control", "ko:A"] * 6


def screen(values, labels=LABELS, names=None, kind=sparse.csr_matrix, units="counts"):
    index = names or [f"c{i}" for i in range(len(values))]
    entities = pd.DataFrame({"perturbation": labels}, index=index)
    features = np.array([f"G{i}" for i in range(values.shape[1])], dtype=object)
    return Measurement(kind(values), features, entities, units)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_copies_of_a_concat_are_found_under_other_names(kind):
    names = [f"c{i}-{lane}" for lane in "ab" for i in range(12)]
    (note,) = check(screen(np.vstack([CELLS, CELLS]), LABELS * 2, names, kind), species="none").reading
    assert note.startswith("12 entities hold the values of another")
    assert "c0-b of c0-a" in note
    assert "labeled otherwise" not in note


def test_a_copy_under_another_label_is_said_to_be_so():
    (note,) = check(screen(np.vstack([CELLS, CELLS[:2]]), [*LABELS, "ko:A", "ko:A"]), species="none").reading
    assert note.startswith("2 entities")
    assert "1 of them are labeled otherwise" in note


def test_different_cells_and_cells_with_little_pass():
    assert check(screen(CELLS), species="none").reading == ()
    few = np.zeros((12, 40), dtype=np.float32)
    few[:, 0] = 1
    assert not any("values of another" in text for text in check(screen(few), species="none").notes)


def test_predictions_may_repeat():
    same = np.repeat(CELLS[:1], 12, axis=0)
    assert not any("values of another" in text for text in check(screen(same), species="none", controls=False).notes)
