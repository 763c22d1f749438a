"""Clones from obsm: one column, the same from a file and from memory, and every doubt noted or refused."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.schema import Constant, Schema

SCHEMA = Schema(units="counts", perturbation=Constant("control"), species="none", clone="obsm:X_clone")
HELD = np.array([[1, 0], [1, 0], [0, 1], [0, 0], [1, 1]])


def cells(matrix):
    obs = pd.DataFrame({"family": ["a", "a", "b", "", "a"]}, index=[f"c{i}" for i in range(5)])
    counts = np.arange(1.0, 11.0).reshape(5, 2)
    return anndata.AnnData(counts, obs, pd.DataFrame(index=["g", "h"]), obsm={"X_clone": matrix})


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_a_matrix_of_clones_becomes_a_column(tmp_path, form):
    made = cells(form(HELD))
    made.write_h5ad(tmp_path / "cells.h5ad")
    for data in (made, tmp_path / "cells.h5ad"):
        read = as_measurement(data, SCHEMA)
        assert read.entities["clone"].tolist() == ["clone0", "clone0", "clone1", "", ""]
        assert any("1 of several, which count as of none" in note for note in read.provenance["notes"])


def test_a_column_names_clones_as_well():
    read = as_measurement(cells(HELD), Schema(**{**vars(SCHEMA), "clone": "family"}))
    assert read.entities["clone"].tolist() == ["a", "a", "b", "", "a"]


def test_what_is_no_matrix_of_clones_is_refused(tmp_path):
    made = cells(-HELD)
    with pytest.raises(DataError, match="no numbers from 0 on"):
        as_measurement(made, SCHEMA)
    made.write_h5ad(tmp_path / "cells.h5ad")
    for data in (made, tmp_path / "cells.h5ad"):
        with pytest.raises(DataError, match="no obsm key 'tags' for clone; there are X_clone"):
            as_measurement(data, Schema(**{**vars(SCHEMA), "clone": "obsm:tags"}))
