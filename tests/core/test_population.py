import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.core.population import draw_cells


def draw(value, *, units="arbitrary", empty=0):
    values = np.full((6, 2), float(value))
    values[:empty] = 0
    return Measurement(values, np.array(["A", "B"]), pd.DataFrame(index=[f"c{i}" for i in range(6)]), units)


def test_cells_come_evenly_from_all_draws_each_once():
    drawn = draw_cells([draw(1), draw(2), draw(3)], 6, seed=1)
    np.testing.assert_array_equal(drawn.dense()[:, 0], [1, 1, 2, 2, 3, 3])
    assert drawn.entities.index.is_unique
    np.testing.assert_array_equal(drawn.dense(), draw_cells([draw(1), draw(2), draw(3)], 6, seed=1).dense())


@pytest.mark.parametrize(("cells", "got"), [(5, 5), (12, 12), (100, 12)])
def test_there_are_at_most_so_many_cells_as_asked_for_and_as_there_are(cells, got):
    assert len(draw_cells([draw(1), draw(2)], cells)) == got


def test_only_cells_without_counts_are_left_out():
    assert len(draw_cells([draw(1, units="counts", empty=2)], 6)) == 4
    assert len(draw_cells([draw(1, empty=2)], 6)) == 6


def test_sparse_draws_stay_sparse():
    draws = [each.replace(values=sparse.csr_matrix(each.dense())) for each in (draw(1), draw(2))]
    drawn = draw_cells(draws, 4)
    assert sparse.issparse(drawn.values)
    np.testing.assert_array_equal(drawn.dense()[:, 1], [1, 1, 2, 2])
