import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.entity_tables import intact, links_arrays, links_of, sparse_arrays, sparse_of, table_of, table_state
from aivc.core.errors import IntegrityError
from aivc.core.state import State


def test_a_table_comes_back_with_its_order_and_its_gaps():
    table = pd.DataFrame({"b": ["x", None], "a": [1, 2], "q": [0.5, np.nan]}, index=["c0", "c1"])
    back = table_of(table_state(table))
    assert list(back) == ["b", "a", "q"]
    assert back["b"].tolist() == ["x", None]
    pd.testing.assert_frame_equal(back[["a", "q"]], table[["a", "q"]])


def test_a_sparse_matrix_comes_back_and_one_that_points_beyond_its_end_is_refused():
    matrix = sparse.csr_matrix(np.array([[0.0, 2.0], [1.0, 0.0]]))
    arrays = sparse_arrays(matrix, "m:")
    assert (sparse_of(arrays, "m:", (2, 2)) != matrix).nnz == 0
    assert sparse_of({}, "m:", (2, 2)) is None
    with pytest.raises(ValueError, match="indices"):
        sparse_of({**arrays, "m:indices": np.array([0, 900], dtype=np.int32)}, "m:", (2, 2))


def test_links_are_optional():
    links = sparse.csr_matrix(np.eye(3))
    assert links_arrays(None) == {}
    assert (links_of(links_arrays(links), 3) != links).nnz == 0


def test_what_a_state_of_another_kind_raises_becomes_one_refusal():
    with pytest.raises(IntegrityError, match="the file holds no table"), intact("the file", "table"):
        table_of(State({"names": []}))
