import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.service.feature_columns import FeatureColumns


@pytest.fixture
def columns(tmp_path):
    values = np.array([[0, 2, 0], [1, 0, 0]], dtype=np.float32)
    measured = Measurement(
        sparse.csr_matrix(values), np.array(["STAT1", "JAK2", "STAT3"]), pd.DataFrame(index=["a", "b"]), "counts"
    )
    return FeatureColumns.write(measured, tmp_path / "columns")


def test_a_column_is_read_alone(columns):
    assert columns.column("JAK2").tolist() == [2, 0]
    assert columns.column("STAT3").tolist() == [0, 0]
    assert (columns.units, columns.rows) == ("counts", 2)
    with pytest.raises(UnknownNameError, match="JAK2"):
        columns.column("JAK1")


def test_names_are_found_as_prefix_then_as_part(columns):
    assert columns.find("stat", 5) == ["STAT1", "STAT3"]
    assert columns.find("k2", 5) == ["JAK2"]
    assert columns.find("", 2) == ["STAT1", "JAK2"]
