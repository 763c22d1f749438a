"""Two layers of one file, read as two measurements of the same cells and genes."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SchemaError
from aivc.data.io.schema import Constant, Schema
from aivc.data.io.splicing_counts import SplicingCounts, read_splicing

SCHEMA = Schema(units="counts", perturbation=Constant("control"), species="none", unspliced="unspliced")


def cells():
    spliced = np.arange(1.0, 7.0).reshape(3, 2)
    made = anndata.AnnData(spliced, pd.DataFrame(index=list("abc")), pd.DataFrame(index=["g", "h"]))
    made.layers["unspliced"] = spliced[::-1] + 1
    return made


def test_both_layers_are_read_in_one_order():
    found = read_splicing(cells(), SCHEMA)
    assert found.spliced.dense().tolist() == [[1, 2], [3, 4], [5, 6]]
    assert found.unspliced.dense().tolist() == [[6, 7], [4, 5], [2, 3]]
    assert found.unspliced.modality == "unspliced"


def test_layers_that_are_not_there_or_do_not_fit_are_refused():
    with pytest.raises(SchemaError, match='unspliced = "unspliced"'):
        read_splicing(cells(), Schema(units="counts", perturbation=Constant("control"), species="none"))
    with pytest.raises(DataError, match="no layer 'nascent'"):
        read_splicing(cells(), Schema(**{**vars(SCHEMA), "unspliced": "nascent"}))
    found = read_splicing(cells(), SCHEMA)
    with pytest.raises(DataError, match="Align them"):
        SplicingCounts(found.spliced, found.unspliced.take(np.array([1, 0, 2])))
